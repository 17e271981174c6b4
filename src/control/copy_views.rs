//! How copies of other servers' zones stand, to be shown.

use serde::{Deserialize, Serialize};

use super::local_time;

/// A zone that is a copy of another server's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ZoneCopyView {
    /// The apex.
    pub zone: String,
    /// `fresh`; `stale`: no primary could be asked, or none had it, and it has not expired yet; `expired`; `not-loaded`: it
    /// has never been transferred. The last two are answered with SERVFAIL.
    pub state: String,
    /// Its primaries, the preferred one first.
    pub primaries: Vec<String>,
    /// Which of them had it last, since the start.
    pub primary: Option<String>,
    /// The copy's serial.
    pub serial: Option<u32>,
    /// How many names it has.
    pub names: Option<usize>,
    /// When a primary last was known to have nothing newer, in UTC seconds.
    pub checked_at: Option<u64>,
    /// When one is asked next, in UTC seconds; absent while one is asked.
    pub next_at: Option<u64>,
    /// When it expires unless one answers, or did, in UTC seconds.
    pub expires_at: Option<u64>,
    /// What went wrong at which primaries, since each last had it.
    pub error: Option<String>,
    /// When last, in UTC seconds.
    pub error_at: Option<u64>,
}

impl ZoneCopyView {
    /// Whether it is as it should be.
    #[must_use]
    pub fn is_fresh(&self) -> bool {
        self.state == "fresh"
    }

    /// How it stands, in one line.
    #[must_use]
    pub fn line(&self) -> String {
        let Self { state, .. } = self;
        let zone = self.zone.parse().map_or_else(|_| self.zone.clone(), |id| zones::zone_id::words(&id));
        let from = match &self.primary {
            Some(primary) => format!("copy of {primary}"),
            None => format!("copy, primaries {}", self.primaries.join(", ")),
        };
        let serial = self.serial.map(|serial| format!(", serial {serial}")).unwrap_or_default();
        let checked = self.checked_at.map(|at| format!(", checked at {}", local_time(at))).unwrap_or_default();
        let next = self.next_at.map_or_else(|| ", asked now".to_owned(), |at| format!(", next at {}", local_time(at)));
        let expires = match (&**state, self.expires_at) {
            ("expired", Some(at)) => format!(", expired at {}", local_time(at)),
            (_, Some(at)) => format!(", expires at {}", local_time(at)),
            (_, None) => String::new(),
        };
        let error = self.error.as_ref().map(|error| format!("; {error}"));
        format!("zone {zone}: {state}, {from}{serial}{checked}{next}{expires}{}", error.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_role_serial_times_and_what_is_wrong() {
        let view = ZoneCopyView {
            zone: "example.".to_owned(),
            state: "stale".to_owned(),
            primaries: vec!["192.0.2.1:53".to_owned()],
            primary: Some("192.0.2.1:53".to_owned()),
            serial: Some(7),
            checked_at: Some(1_800_000_000),
            next_at: Some(1_800_000_060),
            expires_at: Some(1_800_000_600),
            error: Some("192.0.2.1:53: no answer in time".to_owned()),
            ..ZoneCopyView::default()
        };
        let line = view.line();
        let parts = ["stale", "copy of 192.0.2.1:53", "serial 7", "checked at 20", "next at 20", "expires at 20"];
        assert!(parts.iter().all(|part| line.contains(part)), "{line}");
        assert!(line.ends_with("; 192.0.2.1:53: no answer in time") && !view.is_fresh(), "{line}");
        let cold = ZoneCopyView { state: "not-loaded".to_owned(), ..ZoneCopyView::default() };
        assert!(cold.line().contains("asked now"), "{}", cold.line());
    }
}
