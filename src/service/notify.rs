//! Words to the service manager, by the socket that it names in `NOTIFY_SOCKET` (sd_notify(3)).

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// Where the service manager names its socket.
const SOCKET: &str = "NOTIFY_SOCKET";

/// What a service manager is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word<'a> {
    /// It serves.
    Ready,
    /// A configuration is being taken up; since when, in microseconds of `CLOCK_MONOTONIC`.
    Reloading(u64),
    /// It is ending.
    Stopping,
    /// How it is, in a line.
    Status(&'a str),
    /// It makes progress.
    Watchdog,
}

/// The datagram that says all of `words`: one assignment a line.
#[must_use]
pub fn message(words: &[Word<'_>]) -> String {
    let line = |word: &Word<'_>| match word {
        Word::Ready => "READY=1".to_owned(),
        Word::Reloading(at) => format!("RELOADING=1\nMONOTONIC_USEC={at}"),
        Word::Stopping => "STOPPING=1".to_owned(),
        // Whatever follows a line break would be read as another word.
        Word::Status(text) => format!("STATUS={}", text.replace(['\n', '\r'], " ")),
        Word::Watchdog => "WATCHDOG=1".to_owned(),
    };
    words.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// The way to the service manager, when there is one.
#[derive(Debug, Default)]
pub struct Notifier {
    socket: Option<UnixDatagram>,
}

impl Notifier {
    /// By the socket that the environment names. Nobody there, or a name that is none, is nobody to tell.
    #[must_use]
    pub fn from_environment() -> Self {
        let name = std::env::var_os(SOCKET);
        Self { socket: name.and_then(|name| connect(&name).ok()) }
    }

    /// To the socket of this name; `@` in front means an abstract one.
    ///
    /// # Errors
    /// There is no such socket.
    pub fn to(name: &OsStr) -> io::Result<Self> {
        Ok(Self { socket: Some(connect(name)?) })
    }

    /// Whether anybody listens.
    #[must_use]
    pub fn is_heard(&self) -> bool {
        self.socket.is_some()
    }

    /// Tells it; a service manager that does not take it misses it, and nothing waits.
    pub fn tell(&self, words: &[Word<'_>]) {
        if let Some(socket) = &self.socket {
            // Nothing can be done about a manager that does not listen.
            _ = socket.send(message(words).as_bytes());
        }
    }
}

fn connect(name: &OsStr) -> io::Result<UnixDatagram> {
    let bytes = name.as_bytes();
    let address = match bytes.strip_prefix(b"@") {
        Some(rest) => SocketAddr::from_abstract_name(rest)?,
        None => SocketAddr::from_pathname(OsStr::from_bytes(bytes))?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    socket.connect_addr(&address)?;
    Ok(socket)
}

/// How long the service manager waits between two signs of life before it thinks us dead; `None`: it does not watch.
#[must_use]
pub fn watched_every() -> Option<Duration> {
    let said = |name: &str| std::env::var(name).ok();
    watched(said("WATCHDOG_USEC").as_deref(), said("WATCHDOG_PID").as_deref(), std::process::id())
}

/// From the two variables (sd_watchdog_enabled(3)): the second, where it is there, must name us.
fn watched(micros: Option<&str>, pid: Option<&str>, own: u32) -> Option<Duration> {
    if pid.is_some_and(|pid| pid.parse() != Ok(own)) {
        return None;
    }
    micros?.parse().ok().filter(|micros| *micros > 0).map(Duration::from_micros)
}

/// Now, as [`Word::Reloading`] wants it.
#[must_use]
pub fn monotonic_micros() -> u64 {
    let now = nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC).map(Duration::from).unwrap_or_default();
    u64::try_from(now.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_a_line_and_no_status_can_say_another_word() {
        let words = [Word::Ready, Word::Status("well\nSTOPPING=1"), Word::Reloading(7), Word::Watchdog];
        let expected = "READY=1\nSTATUS=well STOPPING=1\nRELOADING=1\nMONOTONIC_USEC=7\nWATCHDOG=1";
        assert_eq!(message(&words), expected);
    }

    #[test]
    fn words_arrive_at_a_socket_with_a_path_and_at_an_abstract_one() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notify");
        let abstract_name = format!("leasehold-test-{}", std::process::id());
        let by_path = UnixDatagram::bind(&path).unwrap();
        let address = SocketAddr::from_abstract_name(abstract_name.as_bytes()).unwrap();
        let by_name = UnixDatagram::bind_addr(&address).unwrap();
        for (socket, name) in [(by_path, path.into_os_string()), (by_name, format!("@{abstract_name}").into())] {
            Notifier::to(&name).unwrap().tell(&[Word::Stopping]);
            let mut buffer = [0; 64];
            let length = socket.recv(&mut buffer).unwrap();
            assert_eq!(&buffer[..length], b"STOPPING=1");
        }
        assert!(Notifier::to(OsStr::new("/nowhere/at/all")).is_err());
        Notifier::default().tell(&[Word::Ready]);
    }

    #[test]
    fn the_watchdog_is_ours_only_when_it_names_us() {
        assert_eq!(watched(Some("3000000"), None, 7), Some(Duration::from_secs(3)));
        assert_eq!(watched(Some("3000000"), Some("7"), 7), Some(Duration::from_secs(3)));
        assert_eq!(watched(Some("3000000"), Some("8"), 7), None);
        assert_eq!(watched(Some("0"), None, 7), None);
        assert_eq!(watched(Some("soon"), None, 7), None);
        assert_eq!(watched(None, Some("7"), 7), None);
    }
}
