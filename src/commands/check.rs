//! `leasehold check FILE`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;

/// Check a configuration file.
#[derive(Args, Debug)]
pub struct Check {
    /// The file.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

/// Runs it. The exit code is 0 when the file has no fault (warnings are none), 1 when it has.
///
/// # Errors
/// When the file cannot be read.
pub fn run(check: &Check) -> anyhow::Result<ExitCode> {
    let loaded = load(&check.file)?;
    match loaded {
        Ok(_) => {
            println!("{}: no fault found", check.file.display());
            Ok(ExitCode::SUCCESS)
        }
        Err(report) => {
            print!("{report}");
            Ok(ExitCode::FAILURE)
        }
    }
}

/// Reads and checks a file; warnings go to standard error at once, faults come back rendered.
///
/// # Errors
/// When the file cannot be read.
pub fn load(file: &std::path::Path) -> anyhow::Result<Result<config::Config, String>> {
    let text = std::fs::read_to_string(file).with_context(|| {
        format!("cannot read the configuration {}: make sure that it exists and is readable", file.display())
    })?;
    let name = file.display().to_string();
    let colour = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let directory = file.parent().map(std::path::Path::to_path_buf).unwrap_or_default();
    // A relative path is relative to the file that names it.
    let read_secret =
        |path: &std::path::Path| std::fs::read_to_string(directory.join(path)).map_err(|error| error.to_string());
    Ok(match config::check(&text, &name, &read_secret) {
        Ok(checked) => {
            if !checked.warnings.is_empty() {
                eprint!("{}", config::render(&checked.warnings, &text, colour));
            }
            Ok(checked.config)
        }
        Err(faults) => Err(config::render(&faults, &text, colour)),
    })
}
