//! `leasehold check FILE`, and with `--online` its DNS servers.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use config::Config;

use crate::config_files::Files;

use crate::tls::{CertificateSource, Identity};

mod online;

use super::terminal::has_colours;

/// Check a configuration file.
#[derive(Args, Debug)]
pub struct Check {
    /// The file.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Print faults and warnings as JSON.
    #[arg(long)]
    pub json: bool,
    /// Also ask each remote DNS server whether it serves the zone, knows the key and takes updates.
    #[arg(long, alias = "ask", conflicts_with = "json")]
    pub online: bool,
}

/// Runs it. The exit code is 0 when the file has no fault (warnings are none) and, when they are asked, every server is
/// ready; else 1.
///
/// # Errors
/// When the file cannot be read.
pub fn run(check: &Check) -> anyhow::Result<ExitCode> {
    let checked = Files::read(&check.file)?.check();
    let (found, refused) = match &checked {
        Ok((_, warnings)) => (warnings, false),
        Err(faults) => (faults, true),
    };
    if check.json {
        println!("{}", serde_json::to_string_pretty(&found.to_json())?);
    } else {
        print!("{}", found.render(has_colours(&std::io::stdout())));
        let (faults, warnings) = found.count();
        println!("{}: {}", check.file.display(), counted(faults, warnings));
    }
    if let Ok(checked) = &checked
        && let Some(words) = certificate(&checked.0)
    {
        eprintln!("{words}");
        return Ok(ExitCode::FAILURE);
    }
    match checked {
        Ok((config, _)) if check.online => online::ask_servers(&config.ddns),
        _ => Ok(if refused { ExitCode::FAILURE } else { ExitCode::SUCCESS }),
    }
}

/// What is wrong with the certificate that DNS is served with; what can be used all the same is logged.
fn certificate(config: &Config) -> Option<String> {
    let files = config.dns.encrypted.as_ref()?.certificate.clone()?;
    let source = CertificateSource::Files { certificate: files.certificate, key: files.key };
    Identity::load(source).err().map(|fault| format!("the certificate of [dns] cannot be shown: {fault}"))
}

fn counted(faults: usize, warnings: usize) -> String {
    let some = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    match (faults, warnings) {
        (0, 0) => "no fault found".to_owned(),
        (0, warnings) => format!("no fault, {}", some(warnings, "warning")),
        (faults, 0) => some(faults, "fault"),
        (faults, warnings) => format!("{}, {}", some(faults, "fault"), some(warnings, "warning")),
    }
}

/// Reads and checks the files; warnings go to standard error at once, faults come back rendered.
///
/// # Errors
/// When a file cannot be read.
pub fn load(file: &Path) -> anyhow::Result<Result<Config, String>> {
    let colour = has_colours(&std::io::stderr());
    Ok(match Files::read(file)?.check() {
        Ok((config, warnings)) => {
            eprint!("{}", warnings.render(colour));
            Ok(config)
        }
        Err(faults) => Err(faults.render(colour)),
    })
}
