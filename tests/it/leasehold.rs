//! The daemon under test, on a host, with its store and its control socket among the host's private files.

use std::net::Ipv4Addr;
use std::process::Command;
use std::time::Duration;

use crate::netns::Host;
use crate::process::{Running, finish, succeed};

/// The program under test.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_leasehold");
/// Its configuration, as the host sees it.
pub(crate) const CONFIG: &str = "/run/leasehold.toml";
/// Its control socket, as the host sees it.
pub(crate) const CONTROL: &str = "/run/leasehold/control.sock";
/// The store's directory, as the host sees it.
pub(crate) const STORE: &str = "/run/leasehold/store";
const PATIENCE: Duration = Duration::from_secs(60);

/// A running daemon, or one that was killed and can go on.
pub(crate) struct Leasehold<'lab> {
    host: &'lab Host,
    running: Option<Running>,
}

/// One lease as `leasehold leases --json` shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Lease {
    pub(crate) address: Ipv4Addr,
    pub(crate) state: String,
    pub(crate) hardware: String,
    /// UTC seconds.
    pub(crate) expires_at: u64,
    /// `giaddr` of the relay that it came by.
    pub(crate) relay: Option<Ipv4Addr>,
    /// Where the client is, in words.
    pub(crate) place: Option<String>,
}

/// One line of `leasehold dns --json`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Name {
    /// The name, or the address for its PTR.
    pub(crate) key: String,
    /// Whether DNS holds what it should.
    pub(crate) done: bool,
    /// Why not, in words.
    pub(crate) state: String,
}

impl<'lab> Leasehold<'lab> {
    /// Starts it with this configuration (without `[server]`, which is added) and waits until it serves.
    pub(crate) fn start(host: &'lab Host, config: &str) -> Self {
        let mut daemon = Self::prepare(host, config);
        daemon.resume();
        daemon
    }

    /// Lays its configuration down and does not start it.
    pub(crate) fn prepare(host: &'lab Host, config: &str) -> Self {
        Self::rewrite(host, config);
        std::fs::create_dir_all(host.path(STORE).parent().expect("a parent")).expect("the store's parent");
        Self { host, running: None }
    }

    /// Lays another configuration down, for the next start.
    pub(crate) fn rewrite(host: &Host, config: &str) {
        host.write(
            CONFIG,
            &format!("[server]\nstore = \"{STORE}\"\ncontrol = \"{CONTROL}\"\nlog = \"debug\"\n\n{config}"),
        );
    }

    /// Starts it (again) on its store and waits until it serves.
    pub(crate) fn resume(&mut self) {
        self.launch();
        self.wait_ready();
    }

    /// Starts it and does not wait.
    pub(crate) fn launch(&mut self) {
        self.launch_under(&[]);
    }

    /// Starts it as the argument of another program, such as strace, and does not wait.
    pub(crate) fn launch_under(&mut self, wrapper: &[&str]) {
        let words: Vec<&str> = wrapper.iter().copied().chain([PROGRAM, "run", "--config", CONFIG]).collect();
        self.running = Some(self.host.start(words[0], &words[1..]));
    }

    /// Waits until it says that it serves.
    pub(crate) fn wait_ready(&mut self) {
        self.process().wait_log(": ready: ", 1, PATIENCE);
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.running.take().expect("the daemon runs").kill();
    }

    /// SIGTERM, and it must end well.
    pub(crate) fn stop(&mut self) {
        let status = self.process().stop(PATIENCE);
        assert!(status.success(), "leasehold ended with {status}:\n{}", self.process().log());
        self.running = None;
    }

    /// The running process.
    pub(crate) fn process(&mut self) -> &mut Running {
        self.running.as_mut().expect("the daemon runs")
    }

    /// What it has printed since it was last started.
    pub(crate) fn log(&self) -> String {
        self.running.as_ref().map(Running::log).unwrap_or_default()
    }

    /// `leasehold` with these words, on the same host.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = self.host.command(PROGRAM);
        command.args(words);
        command
    }

    /// Has it read its file again; it must take it over.
    pub(crate) fn reload(&self) -> String {
        succeed(&mut self.command(&["reload", "--socket", CONTROL]))
    }

    /// The leases that the running daemon shows.
    pub(crate) fn leases(&self) -> Vec<Lease> {
        let printed = succeed(&mut self.command(&["leases", "--all", "--json", "--socket", CONTROL]));
        let listed: serde_json::Value = serde_json::from_str(&printed).expect("JSON");
        let lease = |value: &serde_json::Value| Lease {
            address: value["address"].as_str().unwrap().parse().unwrap(),
            state: value["state"].as_str().unwrap().to_owned(),
            hardware: value["hardware"].as_str().unwrap().to_owned(),
            expires_at: value["expires_at"].as_u64().unwrap_or(u64::MAX),
            relay: value["relay"].as_str().map(|text| text.parse().unwrap()),
            place: value["place"].as_str().map(str::to_owned),
        };
        listed.as_array().expect("a list").iter().map(lease).collect()
    }

    /// What DNS should hold, as the running daemon shows it.
    pub(crate) fn names(&self) -> Vec<Name> {
        let printed = succeed(&mut self.command(&["dns", "--all", "--json", "--socket", CONTROL]));
        let listed: serde_json::Value = serde_json::from_str(&printed).expect("JSON");
        let name = |value: &serde_json::Value| Name {
            key: value["key"].as_str().unwrap().to_owned(),
            done: value["done"].as_bool().unwrap(),
            state: value["state"].as_str().unwrap().to_owned(),
        };
        listed.as_array().expect("a list").iter().map(name).collect()
    }

    /// `leasehold db check` on the store of a daemon that does not run.
    pub(crate) fn check_store(&self) {
        let output = finish(&mut self.command(&["db", "check", "--store", STORE]));
        assert!(
            output.status.success(),
            "the store is damaged:\n{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
}
