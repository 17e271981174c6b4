//! What is done on terminals alone: colours, and a word about what takes longer than a second.

use std::io::{IsTerminal, Write};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// For so long nothing is said.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often the word is written again.
const EVERY: Duration = Duration::from_millis(250);

/// Whether colours are written there: on a terminal that knows them, unless `NO_COLOR` says otherwise
/// (<https://no-color.org>).
#[must_use]
pub fn has_colours(place: &impl IsTerminal) -> bool {
    let said = |name: &str| std::env::var_os(name);
    place.is_terminal() && wants_colours(said("NO_COLOR").as_deref(), said("TERM").as_deref())
}

fn wants_colours(no_color: Option<&std::ffi::OsStr>, term: Option<&std::ffi::OsStr>) -> bool {
    no_color.is_none_or(std::ffi::OsStr::is_empty) && term.is_none_or(|term| term != "dumb")
}

/// Does `work`; when that takes longer than a second, standard error says what is being done and for how long already,
/// where it is a terminal.
pub fn with_progress<T>(what: &str, work: impl FnOnce() -> T) -> T {
    if !std::io::stderr().is_terminal() {
        return work();
    }
    telling(what, PATIENCE, std::io::stderr(), work)
}

fn telling<T>(what: &str, patience: Duration, mut out: impl Write + Send, work: impl FnOnce() -> T) -> T {
    let begun = Instant::now();
    std::thread::scope(|scope| {
        let (done, wait) = channel::<()>();
        scope.spawn(move || {
            let mut pause = patience;
            // Nothing is ever sent: the channel closes when the work is done.
            while wait.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
                pause = EVERY.min(patience);
                // A terminal that is gone is told nothing.
                _ = write!(out, "\r\x1b[K{what}: {} s", begun.elapsed().as_secs()).and_then(|()| out.flush());
            }
            if pause != patience {
                _ = write!(out, "\r\x1b[K").and_then(|()| out.flush());
            }
        });
        let result = work();
        drop(done);
        result
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_color_and_a_terminal_without_any_are_respected() {
        let wants = |no_color: Option<&str>, term: Option<&str>| {
            wants_colours(no_color.map(AsRef::as_ref), term.map(AsRef::as_ref))
        };
        assert!(wants(None, Some("xterm")) && wants(Some(""), None));
        assert!(!wants(Some("1"), Some("xterm")) && !wants(None, Some("dumb")));
    }

    #[test]
    fn what_is_soon_done_says_nothing_and_what_takes_long_says_so_and_wipes_it_away() {
        let mut said = Vec::new();
        assert_eq!(telling("reading", Duration::from_secs(60), &mut said, || 7), 7);
        assert_eq!(said, b"");
        let patience = Duration::from_millis(500);
        telling("reading", patience, &mut said, || std::thread::sleep(3 * patience));
        let said = String::from_utf8_lossy(&said);
        assert!(said.starts_with("\r\x1b[Kreading: 0 s") && said.ends_with("\r\x1b[K"), "{said:?}");
    }
}
