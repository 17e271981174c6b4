//! `docs/first-ten-minutes.md`, its commands run as they stand: from the program alone to a phone-sized page that shows the
//! first lease. The part that builds from a clone needs minutes and the network of crates: it is run whole with
//! `LEASEHOLD_BUILD_CLONE=1`, else up to where `cargo` would begin to compile.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::clients::{Client, Kind, Naming};
use crate::lan;
use crate::leasehold::PROGRAM;
use crate::netns::Lab;
use crate::process::{Running, succeed};

const PATIENCE: Duration = Duration::from_secs(60);
/// The store goes where it goes unasked, and yet not to this machine's disk.
const BEGIN: &str = "set -euo pipefail\nmount -t tmpfs none /var/lib\ncd /run/new-user\n";
const DOCUMENT: &str = include_str!("../../docs/first-ten-minutes.md");

/// A part of the document that is done, in its order.
#[derive(Debug, PartialEq, Eq)]
enum Part<'a> {
    /// A comment that says what happens in the network.
    Told(&'a str),
    /// Commands, and what stands behind the fence's `sh`.
    Commands(&'a str, &'a str),
}

fn parts(text: &str) -> Vec<Part<'_>> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(['`', '<']) {
        rest = &rest[at..];
        if let Some(block) = rest.strip_prefix("```sh") {
            let (kind, block) = block.split_once('\n').unwrap();
            let (commands, after) = block.split_once("\n```").unwrap();
            found.push(Part::Commands(kind.trim(), commands));
            rest = after;
        } else if let Some(comment) = rest.strip_prefix("<!-- ") {
            let (words, after) = comment.split_once(" -->").unwrap();
            found.push(Part::Told(words));
            rest = after;
        } else {
            rest = &rest[1..];
        }
    }
    found
}

/// A shell in which the document's commands run one after the other; `sudo` is nobody else here.
fn shell(host: &crate::netns::Host, place: &Path) -> Command {
    let bin = place.join("bin");
    fs::create_dir_all(&bin).unwrap();
    for (name, target) in [("leasehold", PathBuf::from(PROGRAM)), ("sudo", PathBuf::from("/usr/bin/env"))] {
        let link = bin.join(name);
        if !link.exists() {
            std::os::unix::fs::symlink(target, link).unwrap();
        }
    }
    let mut command = host.command("bash");
    let path = format!("/run/new-user/bin:{}", std::env::var("PATH").unwrap_or_default());
    command.env("PATH", path).env("HOME", "/run/new-user");
    command
}

#[test]
fn the_commands_lead_from_the_program_alone_to_a_phones_page_with_the_first_lease() {
    let lab = Lab::new();
    let server = lan::server(&lab);
    let phone = lan::client_host(&lab, &server, "phone");
    let place = server.path("/run/new-user");
    fs::create_dir_all(&place).unwrap();
    let mut client = Client::new(Kind::Udhcpc, &phone, Naming::Hostname("phone".to_owned()));
    let mut daemon: Option<Running> = None;
    let mut address = None;
    let mut outputs = String::new();
    let mut looked = false;
    for part in parts(DOCUMENT) {
        match part {
            Part::Commands("build", _) => {}
            Part::Commands(kind, commands) => {
                assert_eq!(kind, "", "{commands}");
                let mut lines = Vec::new();
                for line in commands.lines() {
                    match line.strip_suffix(" &") {
                        // What is left running is watched, and ended with the test.
                        Some(line) => {
                            let script = format!("{BEGIN}exec {line}");
                            daemon = Some(Running::start("leasehold", shell(&server, &place).args(["-c", &script])));
                            daemon.as_mut().unwrap().wait_log(": ready: ", 1, PATIENCE);
                        }
                        None => lines.push(line),
                    }
                }
                let script = format!("{BEGIN}{}", lines.join("\n"));
                outputs.push_str(&succeed(shell(&server, &place).args(["-c", &script])));
            }
            Part::Told("A device takes its lease here.") => address = Some(client.take().to_string()),
            Part::Told("The page is looked at here.") => {
                let mut browser = crate::page::drive(&lab, &server, "first", &[&crate::page::pictures()]);
                let ended = browser.wait_end(2 * PATIENCE);
                assert!(ended.success() && browser.log().contains("DONE"), "{}", browser.log());
                looked = true;
            }
            Part::Told(other) => panic!("nobody knows what is meant by {other:?}"),
        }
    }
    let address = address.expect("a device took its lease");
    assert!(looked && outputs.contains("192.168.30.0/24"), "{outputs}");
    assert!(outputs.matches(address.as_str()).count() >= 3, "leases, dig and the API tell {address}: {outputs}");
    assert!(daemon.expect("it was started").stop(PATIENCE).success());
}

#[test]
fn a_clone_has_all_that_a_build_needs() {
    let lab = Lab::new();
    let host = lab.host("builder");
    let place = host.path("/run/new-user");
    fs::create_dir_all(&place).unwrap();
    let whole = std::env::var_os("LEASEHOLD_BUILD_CLONE").is_some();
    let list = parts(DOCUMENT);
    let Some(Part::Commands(_, commands)) = list.iter().find(|part| matches!(part, Part::Commands("build", _))) else {
        panic!("the document says how it is built")
    };
    assert!(commands.contains("cargo build --release --locked"), "{commands}");
    let commands = match whole {
        true => (*commands).to_owned(),
        // It resolves, by the lock file, and nothing that the workspace names is missing from the clone.
        false => {
            let upto = commands.split("sudo install").next().unwrap();
            // What other systems need beside it is in nobody's registry here.
            let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
            let resolve =
                format!("cargo metadata --locked --offline --filter-platform {platform} --format-version 1 > metadata");
            upto.replace("cargo build --release --locked", &resolve)
        }
    };
    // On the machine itself: cargo's registry is there.
    let mut command = Command::new("bash");
    command.current_dir(&place).env("LEASEHOLD_REPOSITORY", env!("CARGO_MANIFEST_DIR"));
    // Beside the clone, whose directory has the program's name.
    let installed = place.join("bin");
    fs::create_dir_all(&installed).unwrap();
    let commands = commands.replace("sudo install", "install").replace("/usr/local/bin/", "../bin/");
    succeed(command.args(["-c", &format!("set -euo pipefail\n{commands}")]));
    match whole {
        true => assert!(succeed(Command::new(installed.join("leasehold")).arg("--version")).contains("leasehold")),
        false => {
            assert!(fs::read_to_string(place.join("leasehold/metadata")).unwrap().contains("leasehold-web"));
        }
    }
}

#[test]
fn the_parts_of_a_document_are_found_in_their_order() {
    let text = "a `b`\n```sh\none\ntwo\n```\n<!-- Told. -->\n```toml\nx = 1\n```\n```sh build\nthree\n```\n";
    let expected = [Part::Commands("", "one\ntwo"), Part::Told("Told."), Part::Commands("build", "three")];
    assert_eq!(parts(text), expected);
}
