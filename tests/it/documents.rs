//! What documents name is there: commands with their options, files and modules.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::CommandFactory;
use clap::error::ErrorKind;
use leasehold::commands::Invocation;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// README, ARCHITECTURE and all of docs, by their names.
fn documents() -> Vec<(String, String)> {
    let beside = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"].map(|name| root().join(name));
    let listed = std::fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let paths = beside.into_iter().chain(listed.filter(|path| path.extension().is_some_and(|end| end == "md")));
    let named = |path: PathBuf| (path.strip_prefix(root()).unwrap().display().to_string(), read(&path));
    paths.map(named).collect()
}

/// A command line as a document shows it, and whether it stands by itself, to be typed as it is.
struct Shown {
    line: String,
    is_whole: bool,
}

/// Lines of code that begin with our command, and what stands so between backticks in a sentence; none of them where a word
/// stands for any command.
fn commands(text: &str) -> Vec<Shown> {
    let mut found = Vec::new();
    let mut fenced = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if fenced || line.starts_with("    ") {
            let set = |word: &&str| word.chars().next().is_some_and(char::is_uppercase) && word.contains('=');
            let typed = line.trim().trim_start_matches("$ ");
            let command =
                typed.split(' ').skip_while(|word| *word == "sudo" || set(word)).collect::<Vec<_>>().join(" ");
            // What stands behind the command is said of it.
            let command = command.split("  ").next().unwrap_or_default();
            found.extend(command.starts_with("leasehold ").then(|| Shown { line: command.to_owned(), is_whole: true }));
        } else {
            let spans = line.split('`').skip(1).step_by(2).filter(|span| span.starts_with("leasehold "));
            found.extend(spans.map(|span| Shown { line: span.to_owned(), is_whole: false }));
        }
    }
    found.retain(|shown| !shown.line.starts_with("leasehold COMMAND"));
    found
}

/// As a shell takes it apart, up to a redirection, a pipe or a comment.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted, mut begun) = (Vec::new(), String::new(), false, false);
    for letter in line.chars() {
        match letter {
            '"' => (quoted, begun) = (!quoted, true),
            ' ' if !quoted => {
                words.extend(begun.then(|| std::mem::take(&mut word)));
                begun = false;
            }
            '#' | '|' | '>' | '&' | ';' if !quoted && !begun => return words,
            _ => {
                word.push(letter);
                begun = true;
            }
        }
    }
    words.extend(begun.then_some(word));
    words
}

#[test]
fn every_command_that_a_document_shows_is_one_with_those_options() {
    let (mut shown, mut wrong) = (0, Vec::new());
    for (name, text) in documents() {
        for Shown { line, is_whole } in commands(&text) {
            shown += 1;
            let Err(error) = Invocation::command().try_get_matches_from(words(&line)) else { continue };
            // In a sentence a word can stand for a value, and values can be left out.
            let is_unknown = matches!(error.kind(), ErrorKind::UnknownArgument | ErrorKind::InvalidSubcommand);
            if is_whole || is_unknown {
                wrong.push(format!("{name}: {line}\n{error}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(shown > 100, "only {shown} were found");
}

#[test]
fn every_command_is_in_the_list_of_commands() {
    let text = read(&root().join("docs/commands.md"));
    let listed: BTreeSet<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.split(" | ").next())
        .flat_map(|cell| cell.split('`').skip(1).step_by(2))
        .filter_map(|span| span.split(' ').next())
        .collect();
    let commands = Invocation::command();
    let missing: Vec<&str> =
        commands.get_subcommands().map(clap::Command::get_name).filter(|name| !listed.contains(name)).collect();
    assert_eq!(missing, [""; 0], "not in docs/commands.md");
}

/// Every file of ours beneath a folder, from the root on.
fn files(folder: &Path, into: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, into);
        } else {
            into.push(path.strip_prefix(root()).unwrap().display().to_string());
        }
    }
}

/// The folders that are ours, as ARCHITECTURE.md's map has them.
const FOLDERS: [&str; 17] = [
    "arena", "bench", "config", "ddns", "dhcp", "dns", "docs", "examples", "faults", "fuzz", "resolve", "src", "store",
    "tests", "tftp", "web", "zones",
];

/// What is written as a path in a text: `name.rs`, or `name/`, perhaps with folders before it.
fn paths(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|letter: char| !(letter.is_ascii_alphanumeric() || "_-./".contains(letter)));
    words
        .map(|word| word.trim_end_matches('.'))
        .filter(|word| word.len() > 1)
        .filter(|word| word.ends_with('/') || [".rs", ".md", ".toml"].iter().any(|end| word.ends_with(end)))
}

#[test]
fn every_file_that_the_architecture_names_is_there_and_every_part_is_on_its_map() {
    let text = read(&root().join("ARCHITECTURE.md"));
    let mut all = Vec::new();
    FOLDERS.iter().for_each(|folder| files(&root().join(folder), &mut all));
    let is_there = |path: &str| {
        let within = format!("/{path}");
        let is_it = |file: &String| match path.ends_with('/') {
            true => file.contains(&within),
            false => file.ends_with(&within),
        };
        root().join(path).exists() || all.iter().any(is_it)
    };
    let lost: Vec<&str> = paths(&text).filter(|path| !is_there(path)).collect();
    assert_eq!(lost, [""; 0], "named in ARCHITECTURE.md, and in none of {FOLDERS:?}");

    let map = text.split("```").nth(1).unwrap();
    let entries: BTreeSet<&str> = map.lines().filter_map(|line| line.split_whitespace().next()).collect();
    for folder in FOLDERS {
        assert!(entries.contains(format!("{folder}/").as_str()), "{folder}/ is not on the map");
    }
    let named: BTreeSet<&str> = map.split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_')).collect();
    let top: Vec<PathBuf> = std::fs::read_dir(root().join("src")).unwrap().map(|entry| entry.unwrap().path()).collect();
    let parts: BTreeSet<&str> = top.iter().map(|path| path.file_stem().unwrap().to_str().unwrap()).collect();
    let missing: Vec<&&str> =
        parts.iter().filter(|part| !["lib", "main"].contains(part) && !named.contains(*part)).collect();
    assert_eq!(missing, [&""; 0], "not on the map of ARCHITECTURE.md");
}
