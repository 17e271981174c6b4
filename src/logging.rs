//! The log: tracing, one line that a person can read, or JSON.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::{FormatFields, debug_fn};

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
        // The fields of a lease stand in its sentence already.
        LogFormat::Text => {
            builder.fmt_fields(for_people()).with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).init()
        }
        LogFormat::Json => builder.json().init(),
    }
}

/// The message, and each field but those that only machines read.
fn for_people() -> impl for<'writer> FormatFields<'writer> + 'static {
    debug_fn(|writer, field, value| match field.name() {
        "message" => write!(writer, "{value:?}"),
        name if name.starts_with("lease.") => Ok(()),
        name => write!(writer, " {name}={value:?}"),
    })
}
