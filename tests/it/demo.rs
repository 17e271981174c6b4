//! The demonstration, and what the daemon says where it lacks a permission.
//!
//! Needs root (to give it up), network namespaces, `setpriv`, `dig`.

use std::fs;
use std::os::unix::fs::chown;
use std::path::PathBuf;
use std::process::Command;

use crate::netns::{Host, Lab};
use crate::process::finish;

const NOBODY: u32 = 65_534;

/// The program where everybody can run it.
fn program(lab: &Lab) -> PathBuf {
    let program = lab.directory().join("leasehold");
    fs::copy(env!("CARGO_BIN_EXE_leasehold"), &program).unwrap();
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
