//! Programs under test: started, watched by what they print, signalled by their own process id.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// How long a condition is left before it is looked at again.
const POLL: Duration = Duration::from_millis(20);

/// Looks at `probe` until it yields a value; panics with `what` when `within` has passed.
pub(crate) fn wait_for<T>(what: &str, within: Duration, mut probe: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + within;
    loop {
        if let Some(value) = probe() {
            return value;
        }
        assert!(Instant::now() < deadline, "not within {within:?}: {what}");
        thread::sleep(POLL);
    }
}

/// Runs a command to its end and returns what it printed; panics when it fails.
pub(crate) fn succeed(command: &mut Command) -> String {
    let output = finish(command);
    assert!(
        output.status.success(),
        "{command:?} ended with {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Runs a command to its end, whatever its exit code.
pub(crate) fn finish(command: &mut Command) -> Output {
    command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

/// What a program has printed so far, on both of its outputs.
#[derive(Default)]
struct Log {
    text: Mutex<String>,
    grown: Condvar,
}

impl Log {
    fn lock(&self) -> MutexGuard<'_, String> {
        self.text.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// A pipe rather than a file: an AppArmor profile would refuse a file outside its own paths.
    fn follow(self: &Arc<Self>, pipe: impl Read + Send + 'static) {
        let log = Arc::clone(self);
        thread::spawn(move || {
            let mut lines = BufReader::new(pipe);
            let mut line = Vec::new();
            while lines.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
                log.lock().push_str(&String::from_utf8_lossy(&line));
                log.grown.notify_all();
                line.clear();
            }
        });
    }
}

/// A program that runs until it is stopped, killed or dropped.
pub(crate) struct Running {
    name: String,
    child: Child,
    log: Arc<Log>,
}

impl Running {
    /// Starts `command`; `name` heads its log when a test fails.
    pub(crate) fn start(name: &str, command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let log = Arc::new(Log::default());
        log.follow(child.stdout.take().expect("standard output is piped"));
        log.follow(child.stderr.take().expect("standard error is piped"));
        Self { name: name.to_owned(), child, log }
    }

    /// The process id; also that of the program itself, as every wrapper before it ends in `exec`.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// All that it has printed.
    pub(crate) fn log(&self) -> String {
        self.log.lock().clone()
    }

    /// How often `needle` stands in its output.
    pub(crate) fn count(&self, needle: &str) -> usize {
        self.log.lock().matches(needle).count()
    }

    /// Waits until `needle` stands in its output at least `times` times.
    pub(crate) fn wait_log(&mut self, needle: &str, times: usize, within: Duration) {
        let deadline = Instant::now() + within;
        let mut text = self.log.lock();
        while text.matches(needle).count() < times {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let printed = text.clone();
                drop(text);
                panic!("{}: no {needle:?} ({times} wanted) within {within:?}:\n{printed}", self.name);
            }
            // A short slice, so that a program that ended is noticed too.
            text = match self.log.grown.wait_timeout(text, left.min(Duration::from_millis(200))) {
                Ok((text, _)) => text,
                Err(poisoned) => poisoned.into_inner().0,
            };
            if let Ok(Some(status)) = self.child.try_wait() {
                // Its last lines may still be on the way through the pipe.
                if text.matches(needle).count() < times && left < within.saturating_sub(Duration::from_secs(1)) {
                    let printed = text.clone();
                    drop(text);
                    panic!("{} ended with {status} before {needle:?}:\n{printed}", self.name);
                }
            }
        }
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).expect("a process id fits");
        kill(Pid::from_raw(pid), signal).unwrap_or_else(|error| panic!("{}: {signal}: {error}", self.name));
    }

    /// Waits for it to end by itself.
    pub(crate) fn wait_end(&mut self, within: Duration) -> ExitStatus {
        let what = format!("{} ends", self.name);
        wait_for(&what, within, || self.child.try_wait().ok().flatten())
    }

    /// SIGTERM, then waits for its end.
    pub(crate) fn stop(&mut self, within: Duration) -> ExitStatus {
        self.signal(Signal::SIGTERM);
        self.wait_end(within)
    }

    /// SIGKILL: no chance to tidy up.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
        if thread::panicking() {
            let log = self.log();
            let tail: Vec<&str> = log.lines().rev().take(120).collect();
            eprintln!("---- the end of {}'s output", self.name);
            for line in tail.iter().rev() {
                eprintln!("{line}");
            }
        }
    }
}
