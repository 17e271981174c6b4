//! The demonstration, and what the daemon says where it lacks a permission.
//!
//! Needs root (to give it up), network namespaces, `setpriv`, `dig`.

use std::fs;
use std::os::unix::fs::chown;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use crate::netns::{Host, Lab};
use crate::process::{Running, finish, succeed};

const PATIENCE: Duration = Duration::from_secs(30);
const NOBODY: u32 = 65_534;

/// The program where everybody can run it. Another process copies it: whatever this one has open for writing, the
/// children that other tests start just then have open too, and a file that is written to cannot be run.
fn program(lab: &Lab) -> PathBuf {
    let program = lab.directory().join("leasehold");
    succeed(Command::new("cp").arg(env!("CARGO_BIN_EXE_leasehold")).arg(&program));
    program
}

/// `leasehold` as nobody, with these capabilities at most.
fn as_nobody(lab: &Lab, host: &Host, capabilities: &str, words: &[&str]) -> Command {
    let user = format!("--reuid={NOBODY} --regid={NOBODY} --clear-groups");
    let mut command = host.tool("setpriv");
    command.args(user.split_whitespace());
    for set in ["--bounding-set", "--inh-caps", "--ambient-caps"] {
        command.arg(format!("{set}=-all{capabilities}"));
    }
    command.arg(program(lab)).args(words);
    command
}

#[test]
fn the_demonstration_needs_no_root_and_ends_well_once_both_records_resolve() {
    let lab = Lab::new();
    let host = lab.host("host");
    let output = finish(&mut as_nobody(&lab, &host, "", &["demo", "--once"]));
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{told}{}", String::from_utf8_lossy(&output.stderr));
    let mut at = 0;
    for part in ["DISCOVER ->", "OFFER    <-  192.168.30.100", "REQUEST  ->", "ACK      <-  192.168.30.100"] {
        at += told[at..].find(part).unwrap_or_else(|| panic!("{part} is missing or out of order:\n{told}"));
    }
    assert!(told.contains("A    client1.nasir.xyz is 192.168.30.100, "), "{told}");
    assert!(told.contains("PTR  192.168.30.100 is client1.nasir.xyz, "), "{told}");
}

#[test]
fn the_commands_that_the_demonstration_names_work_and_nothing_remains() {
    let lab = Lab::new();
    let host = lab.host("host");
    let mut demo = Running::start("demo", &mut as_nobody(&lab, &host, "", &["demo"]));
    demo.wait_log("dns --all --socket", 1, PATIENCE);
    let told = demo.log();
    let commands: Vec<&str> = told.lines().skip_while(|line| !line.starts_with("Serving")).skip(1).collect();
    let run = |index: usize| -> String { succeed(host.tool("sh").args(["-c", commands[index]])) };
    assert!(run(0).contains("192.168.30.100"), "{}", run(0));
    assert!(run(1).contains("client1.nasir.xyz."), "{}", run(1));
    assert!(run(2).contains("02:00:5e:10:00:01"), "{}", run(2));
    let counts = "192.168.30.0/24  100   99    1      0        0";
    assert!(run(3).contains(counts), "{}", run(3));
    assert!(run(4).contains("client1.nasir.xyz"), "{}", run(4));
    let (_, socket) = told.rsplit_once("--socket ").unwrap();
    let directory = PathBuf::from(socket.trim()).parent().unwrap().to_path_buf();
    assert!(directory.is_dir());
    assert!(demo.stop(PATIENCE).success(), "{}", demo.log());
    assert!(!directory.exists(), "{} is left behind", directory.display());
}

/// What `leasehold run` says on standard error to somebody who may do this much.
fn run_with(capabilities: &str) -> String {
    let lab = Lab::new();
    let (host, peer) = (lab.host("host"), lab.host("peer"));
    lab.cable(&host, "eth0", &peer, "eth0");
    host.ip("address add 192.168.30.1/24 dev eth0");
    let directory = lab.directory().join("nobody");
    fs::create_dir(&directory).unwrap();
    chown(&directory, Some(NOBODY), Some(NOBODY)).unwrap();
    let config = directory.join("leasehold.toml");
    let text = format!(
        "[server]\nstore = \"{0}/store\"\ncontrol = \"{0}/control.sock\"\n\n[[subnet]]\nprefix = \"192.168.30.0/24\"\n\
         pools = [\"192.168.30.100-192.168.30.199\"]\n",
        directory.display()
    );
    fs::write(&config, text).unwrap();
    let words = ["run", "--config", config.to_str().unwrap()];
    let output = finish(&mut as_nobody(&lab, &host, capabilities, &words));
    assert_eq!(output.status.code(), Some(1));
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn without_the_capabilities_the_daemon_says_which_it_lacks_and_how_to_give_them() {
    let told = run_with("");
    assert!(told.contains("no permission to send frames to clients that have no address yet"), "{told}");
    assert!(told.contains("the capability CAP_NET_RAW"), "{told}");
    let told = run_with(",+net_raw");
    assert!(told.contains("no permission to open UDP port 67"), "{told}");
    assert!(told.contains("the capability CAP_NET_BIND_SERVICE"), "{told}");
    assert!(told.contains("setcap cap_net_bind_service,cap_net_raw+ep"), "{told}");
}
