//! `leasehold completions SHELL`.

use std::io::Write as _;
use std::process::ExitCode;

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use super::Invocation;

/// Print what a shell needs to complete commands and options.
#[derive(Args, Debug)]
pub struct Completions {
    /// The shell, such as bash: `leasehold completions bash > /etc/bash_completion.d/leasehold`.
    #[arg(value_enum)]
    pub shell: Shell,
}

/// Runs it.
///
/// # Errors
/// When nothing can be written.
pub fn run(completions: &Completions) -> anyhow::Result<ExitCode> {
    let mut text = Vec::new();
    clap_complete::generate(completions.shell, &mut Invocation::command(), "leasehold", &mut text);
    std::io::stdout().write_all(&text)?;
    Ok(ExitCode::SUCCESS)
}
