//! How the DNS servers of zones are doing, to be shown.

use ddns::reconcile::{LastAnswer, ServerHealth, Standing, ZoneHealth};
use serde::{Deserialize, Serialize};

use super::local_time;

/// The servers of a zone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ZoneServersView {
    /// The apex.
    pub zone: String,
    /// Its servers, the preferred one first.
    pub servers: Vec<ServerView>,
    /// Names and addresses that wait to be sent.
    pub queued: usize,
}

/// One server of a zone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerView {
    /// Its address and port, or `embedded`.
    pub server: String,
    /// `in-use`; `reserve`: it would take updates, and another one does; `passed-over`: it does not do its work, and
    /// another one does; `failing`: neither it nor another one does.
    pub standing: String,
    /// Since when it does not do its work, in UTC seconds.
    pub failing_since: Option<u64>,
    /// What came back last: `none`, `done`, `timeout`, `bad-answer`, or a code such as `REFUSED`.
    pub last: String,
    /// When, in UTC seconds; `None`: it was not asked yet.
    pub answered_at: Option<u64>,
    /// Seconds until it is tried again, where that is known.
    pub next_try_secs: Option<u64>,
    /// The same in a sentence that says what happened and what to do.
    pub state: String,
}

impl ZoneServersView {
    /// Of what the updater says.
    #[must_use]
    pub fn new(health: &ZoneHealth) -> Self {
        let servers = health.servers.iter().map(ServerView::new).collect();
        Self { zone: health.apex.to_string(), servers, queued: health.queued }
    }

    /// A line for each server, or for those only that do not do their work.
    pub fn lines(&self, failing_only: bool) -> impl Iterator<Item = String> + '_ {
        let told = move |server: &&ServerView| !failing_only || server.failing_since.is_some();
        self.servers.iter().filter(told).map(|server| server.line(&self.zone))
    }
}

impl ServerView {
    fn new(health: &ServerHealth) -> Self {
        let standing = match health.standing {
            Standing::InUse => "in-use",
            Standing::Reserve => "reserve",
            Standing::PassedOver => "passed-over",
            Standing::Failing => "failing",
        };
        let last = match health.last {
            LastAnswer::None => "none".to_owned(),
            LastAnswer::Timeout => "timeout".to_owned(),
            LastAnswer::BadAnswer => "bad-answer".to_owned(),
            LastAnswer::Kerberos(_) => "no-ticket".to_owned(),
            LastAnswer::Refused(code) => code.mnemonic().map_or_else(|| code.0.to_string(), str::to_owned),
            LastAnswer::Done | LastAnswer::Conflict | LastAnswer::NoZone => "done".to_owned(),
        };
        Self {
            server: health.server.primary().map_or_else(|| "embedded".to_owned(), |address| address.to_string()),
            standing: standing.to_owned(),
            failing_since: health.failing_since,
            last,
            answered_at: (health.at != 0).then_some(health.at),
            next_try_secs: health.next_try_ms.map(|ms| ms.div_ceil(1_000)),
            state: health.words(),
        }
    }

    fn line(&self, zone: &str) -> String {
        let Self { server, state, .. } = self;
        let since = self.failing_since.map_or_else(String::new, |at| format!(" since {}", local_time(at)));
        let at = self.answered_at.map_or_else(String::new, |at| format!(" (last answer or try {})", local_time(at)));
        format!(
            "zone {zone} at {server}: {}{at}",
            state.replacen(':', &format!("{since}:"), usize::from(!since.is_empty()))
        )
    }
}
