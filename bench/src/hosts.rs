//! Two network namespaces, servers in one and clients in the other, and programs that end with the run.

use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

/// The addresses of both ends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Link {
    pub(crate) server: &'static str,
    pub(crate) client: &'static str,
    /// The prefix's length.
    pub(crate) length: u8,
}

/// The namespaces, removed on drop.
#[derive(Debug)]
pub(crate) struct Hosts {
    server: String,
    client: String,
}

impl Hosts {
    pub(crate) fn new(link: Link) -> anyhow::Result<Self> {
        let id = std::process::id();
        let hosts = Self { server: format!("lhb-s-{id}"), client: format!("lhb-c-{id}") };
        let (server, client) = (&hosts.server, &hosts.client);
        for line in [
            format!("netns add {server}"),
            format!("netns add {client}"),
            format!("link add srv0 netns {server} type veth peer name cli0 netns {client}"),
            format!("-n {server} addr add {}/{} dev srv0", link.server, link.length),
            format!("-n {client} addr add {}/{} dev cli0", link.client, link.length),
            format!("-n {server} link set srv0 up"),
            format!("-n {server} link set lo up"),
            format!("-n {client} link set cli0 up"),
            format!("-n {client} link set lo up"),
        ] {
            let status = Command::new("ip").args(line.split(' ')).status().context("running ip (as root?)")?;
            if !status.success() {
                bail!("`ip {line}` failed: namespaces need root");
            }
        }
        Ok(hosts)
    }

    /// The servers' namespace.
    pub(crate) fn server_name(&self) -> &str {
        &self.server
    }

    /// Starts a program in the servers' namespace, its output in `log`.
    pub(crate) fn serve(
        &self,
        program: &str,
        args: &[&str],
        env: &[(&str, &str)],
        log: &Path,
    ) -> anyhow::Result<Running> {
        let output = File::create(log).with_context(|| log.display().to_string())?;
        let child = Command::new("ip")
            .args(["netns", "exec", &self.server, program])
            .args(args)
            .envs(env.iter().copied())
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("starting {program}"))?;
        Ok(Running { child, name: program.to_owned() })
    }

    /// Starts a program in the clients' namespace whose input and output are piped.
    pub(crate) fn converse(&self, program: &str, args: &[&str]) -> anyhow::Result<Child> {
        Command::new("ip")
            .args(["netns", "exec", &self.client, program])
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("running {program}"))
    }

    /// Runs a program in the clients' namespace to its end and returns what it printed.
    pub(crate) fn ask(&self, program: &str, args: &[&str]) -> anyhow::Result<String> {
        let output = Command::new("ip")
            .args(["netns", "exec", &self.client, program])
            .args(args)
            .stderr(Stdio::inherit())
            .output()
            .with_context(|| format!("running {program}"))?;
        if !output.status.success() {
            bail!("{program} ended with {}", output.status);
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

impl Drop for Hosts {
    fn drop(&mut self) {
        for name in [&self.server, &self.client] {
            // What is left of a namespace costs nothing, and the next run has other names.
            drop(Command::new("ip").args(["netns", "del", name]).status());
        }
    }
}

/// A program that is ended on drop.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    name: String,
}

impl Running {
    /// The program's process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// What the kernel says of its memory, in kilobytes: `VmRSS` is resident now, `VmHWM` was at most.
    pub(crate) fn memory_kb(&self, field: &str) -> anyhow::Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id()))?;
        let told = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        Ok(told.with_context(|| format!("no {field}"))?.trim().trim_end_matches(" kB").parse()?)
    }

    /// Waits until `ready` says so.
    pub(crate) fn wait_until(&mut self, what: &str, mut ready: impl FnMut() -> bool) -> anyhow::Result<()> {
        let until = Instant::now() + Duration::from_secs(20);
        while Instant::now() < until {
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended with {status} before {what}", self.name);
            }
            if ready() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        bail!("{}: no {what} in 20 s", self.name)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // `ip netns exec` becomes the program, so the child is the program itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
