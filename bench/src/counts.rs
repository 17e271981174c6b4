//! What a server's threads do for one exchange: instructions, cycles, system calls and context switches, counted by
//! `perf stat`. Unlike rates they hardly change with what else the machine does.
//!
//! What the kernel does in the threads' name counts (the client's side of the veth pair receives in the sender's), what
//! its own threads do for them (the disk's) does not.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, bail};
use nix::sys::signal::{Signal, kill};
use nix::sys::stat::Mode;
use nix::unistd::{Pid, mkfifo};

/// In the order of [`Counts`]' fields.
const EVENTS: [&str; 6] =
    ["instructions:u", "instructions:k", "cycles", "raw_syscalls:sys_enter", "context-switches", "task-clock"];

/// Of all threads of a process while it was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Counts {
    pub(crate) user: f64,
    pub(crate) kernel: f64,
    pub(crate) cycles: f64,
    pub(crate) calls: f64,
    pub(crate) switches: f64,
    pub(crate) micros: f64,
}

impl Counts {
    /// From what `perf stat -x,` writes: a line for each event, value first, its name third.
    fn read(text: &str) -> Option<Self> {
        let value = |event: &str| {
            let mut lines = text.lines().map(|line| line.split(',').collect::<Vec<_>>());
            let fields = lines.find(|fields| fields.get(2) == Some(&event))?;
            fields[0].parse::<f64>().ok()
        };
        let [user, kernel, cycles, calls, switches, millis] = EVENTS.map(value);
        let micros = millis? * 1_000.0;
        Some(Self { user: user?, kernel: kernel?, cycles: cycles?, calls: calls?, switches: switches?, micros })
    }

    /// The share of one of `done`.
    pub(crate) fn of_each(self, done: u64) -> Self {
        let each = |value: f64| value / done.max(1) as f64;
        Self {
            user: each(self.user),
            kernel: each(self.kernel),
            cycles: each(self.cycles),
            calls: each(self.calls),
            switches: each(self.switches),
            micros: each(self.micros),
        }
    }
}

/// A `perf stat` of a process that waits to be told when to count.
pub(crate) struct Counting {
    perf: Child,
    control: File,
    told: BufReader<File>,
    output: PathBuf,
}

impl Counting {
    /// Attaches to all threads of `process`; its files are made in `dir`. Nothing is counted yet.
    pub(crate) fn attach(process: u32, dir: &Path) -> anyhow::Result<Self> {
        let path = |name: &str| dir.join(format!("perf-{name}"));
        let (control, told, output) = (path("control"), path("told"), path("counts"));
        for fifo in [&control, &told] {
            drop(fs::remove_file(fifo));
            mkfifo(fifo, Mode::S_IRUSR | Mode::S_IWUSR).context("making a fifo")?;
        }
        let both = format!("fifo:{},{}", control.display(), told.display());
        let perf = Command::new("perf")
            .args(["stat", "-D", "-1", "-x,", "-e", &EVENTS.join(","), "--control", &both, "-o"])
            .arg(&output)
            .args(["-p", &process.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("running perf (is it installed?)")?;
        // Opened for both directions, so that opening waits for nobody.
        let open = |path: &Path| File::options().read(true).write(true).open(path);
        Ok(Self { perf, control: open(&control)?, told: BufReader::new(open(&told)?), output })
    }

    /// Counts from now on.
    pub(crate) fn begin(&mut self) -> anyhow::Result<()> {
        self.tell("enable")
    }

    /// Counts no more: what was counted.
    pub(crate) fn end(mut self) -> anyhow::Result<Counts> {
        self.tell("disable")?;
        kill(Pid::from_raw(self.perf.id().try_into()?), Signal::SIGINT)?;
        self.perf.wait()?;
        let text = fs::read_to_string(&self.output)?;
        Counts::read(&text).with_context(|| format!("perf counted otherwise than expected:\n{text}"))
    }

    fn tell(&mut self, what: &str) -> anyhow::Result<()> {
        if let Some(status) = self.perf.try_wait()? {
            bail!("perf ended with {status}");
        }
        writeln!(self.control, "{what}")?;
        let mut line = Vec::new();
        self.told.read_until(b'\n', &mut line)?;
        Ok(())
    }
}

impl Drop for Counting {
    fn drop(&mut self) {
        drop(self.perf.kill());
        drop(self.perf.wait());
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn what_perf_writes_becomes_counts_of_each() {
        let text = "# started on Sun\n\n200,,instructions:u,7,100.00,0.33,insn per cycle\n400,,instructions:k,7,100.00,,\n\
                    1000,,cycles,7,100.00,,\n20,,raw_syscalls:sys_enter,7,100.00,,\n2,,context-switches,7,100.00,,\n\
                    0.50,msec,task-clock,7,100.00,0.059,CPUs utilized\n";
        let each = Counts::read(text).unwrap().of_each(10);
        assert_eq!((each.user, each.kernel, each.calls), (20.0, 40.0, 2.0));
        assert_eq!((each.cycles, each.switches, each.micros), (100.0, 0.2, 50.0));
        assert_eq!(Counts::read("<not counted>,,instructions:u,0,0.00,,"), None);
    }
}
