//! How much the daemon logs, and how: by its file, and by the command line that wins over it.

use std::os::unix::net::UnixStream;
use std::time::Duration;

use crate::netns::Lab;
use crate::process::wait_for;

const PATIENCE: Duration = Duration::from_secs(20);

/// What a daemon on loopback, with this in `[server]` and these words behind `run`, logs until it has ended.
fn logged(keys: &str, words: &[&str]) -> String {
    let lab = Lab::new();
    let host = lab.host("host");
    let config = format!(
        "[server]\ninterfaces = [\"lo\"]\nserver_port = 6767\nstore = \"/run/store\"\ncontrol = \"/run/control.sock\"\n{keys}\n\
         [[subnet]]\nprefix = \"192.168.30.0/24\"\npools = [\"192.168.30.100-192.168.30.199\"]\n"
    );
    host.write("/run/leasehold.toml", &config);
    let words: Vec<&str> =
        ["run", "--config", "/run/leasehold.toml"].into_iter().chain(words.iter().copied()).collect();
    let mut running = host.start(env!("CARGO_BIN_EXE_leasehold"), &words);
    let socket = host.path("/run/control.sock");
    wait_for("leasehold serves", PATIENCE, || UnixStream::connect(&socket).ok());
    assert!(running.stop(PATIENCE).success(), "{}", running.log());
    running.log()
}

fn is_json(log: &str) -> bool {
    log.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok())
}

#[test]
fn the_file_says_how_much_is_logged_and_how_and_the_command_line_wins() {
    let usual = logged("", &[]);
    assert!(usual.contains(" INFO ") && !usual.contains(" DEBUG ") && !is_json(&usual), "{usual}");
    assert_eq!(logged("log = \"error\"", &[]), "");
    let json = logged("log_format = \"json\"", &[]);
    assert!(!json.is_empty() && is_json(&json), "{json}");
    let text = logged("log = \"error\"\nlog_format = \"json\"", &["--log", "info", "--log-format", "text"]);
    assert!(text.contains(" INFO ") && !is_json(&text), "{text}");
}
