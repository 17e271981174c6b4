//! The log: tracing, one line that a person can read, or JSON.

use tracing_subscriber::EnvFilter;

use crate::commands::{Command, Invocation, LogFormat};

/// Starts the log on standard error. Short commands tell only warnings unless asked for more.
pub fn start(invocation: &Invocation) {
    let default = match invocation.command {
        Command::Run(_) => {
            "info,hickory_server=warn,hickory_net=warn,hickory_resolver=warn,hickory_proto=warn,netlink_proto=warn"
        }
        _ => "error",
    };
    let asked = invocation.log.clone().or_else(|| std::env::var("LEASEHOLD_LOG").ok());
    let filter = asked.and_then(|asked| EnvFilter::try_new(asked).ok()).unwrap_or_else(|| EnvFilter::new(default));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match invocation.log_format {
        LogFormat::Text => builder.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).init(),
        LogFormat::Json => builder.json().init(),
    }
}
