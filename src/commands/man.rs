//! `leasehold man DIR`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, CommandFactory as _};

use super::Invocation;

/// Write the manual: a page for each command.
#[derive(Args, Debug)]
pub struct Man {
    /// The directory, such as /usr/local/share/man/man1; it is made where it is not there.
    #[arg(value_name = "DIR")]
    pub directory: PathBuf,
}

/// Runs it.
///
/// # Errors
/// When the directory cannot be written.
pub fn run(man: &Man) -> anyhow::Result<ExitCode> {
    let shown = man.directory.display();
    std::fs::create_dir_all(&man.directory).with_context(|| format!("cannot make {shown}"))?;
    clap_mangen::generate_to(Invocation::command(), &man.directory)
        .with_context(|| format!("cannot write the manual to {shown}"))?;
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::path::Path;

    use clap::Command;

    use super::*;

    /// Every page and every option of it, found missing one by one.
    fn missing(command: &Command, name: &str, directory: &Path, found: &mut Vec<String>) {
        let page = directory.join(format!("{name}.1"));
        let Ok(text) = std::fs::read_to_string(&page) else { return found.push(page.display().to_string()) };
        if command.get_about().is_none_or(|about| about.to_string().is_empty()) {
            found.push(format!("what {name} does"));
        }
        for argument in command.get_arguments().filter(|argument| !argument.is_hide_set()) {
            // roff writes a hyphen as `\-`.
            let shown = argument.get_long().map(|long| format!("--{long}").replace('-', "\\-"));
            if shown.is_some_and(|shown| !text.contains(&shown)) {
                found.push(format!("{} of {name}", argument.get_id()));
            }
            if argument.get_help().is_none_or(|help| help.to_string().is_empty()) {
                found.push(format!("what {} of {name} is", argument.get_id()));
            }
        }
        for one in command.get_subcommands().filter(|one| one.get_name() != "help") {
            missing(one, &format!("{name}-{}", one.get_name()), directory, found);
        }
    }

    #[test]
    fn the_manual_has_a_page_for_each_command_and_a_word_for_each_option() {
        let directory = tempfile::tempdir().unwrap();
        run(&Man { directory: directory.path().join("man1") }).unwrap();
        let mut found = Vec::new();
        let mut whole = Invocation::command();
        whole.build();
        missing(&whole, "leasehold", &directory.path().join("man1"), &mut found);
        assert_eq!(found, Vec::<String>::new());
        // The looking itself finds something that is missing.
        let more = whole.subcommand(Command::new("not-there"));
        missing(&more, "leasehold", &directory.path().join("man1"), &mut found);
        assert_eq!(found.len(), 1, "{found:?}");
    }
}
