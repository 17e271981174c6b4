//! DNS work: what is on its way, what was refused, and why.

use std::collections::BTreeMap;

use ddns::reconcile::{LastAnswer, RowStatus, Stage};
use ddns::settings::ZoneServer;
use ddns::wanted::{RowKey, Want};
use dns::Fqdn;
use web::Refusal;
use web::model::{DnsWork, DnsWorkQuery, DnsWorkRow, NameTotals, WINDOW, WorkState};

use super::desk::Desk;
use super::shown;

/// Rows of one answer that are sorted; a list of more is cut, and its totals are right.
const SORTED_MAX: usize = 100_000;

/// How a row stands, in one word.
pub(super) fn state_of(row: &RowStatus<'_>) -> WorkState {
    let failed = !matches!(row.last, LastAnswer::None | LastAnswer::Done);
    match row.stage {
        Stage::Done => WorkState::Done,
        Stage::Waits { .. } | Stage::NoZone => WorkState::Refused,
        Stage::Queued if failed => WorkState::Refused,
        Stage::AfterForward if row.last == LastAnswer::Conflict => WorkState::Refused,
        Stage::Queued | Stage::InFlight | Stage::AfterForward | Stage::Held | Stage::Sought => WorkState::Pending,
    }
}

/// Why rows are not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Why {
    /// A server refused them, or none answered.
    Refused,
    /// Somebody else owns the names: only a person can say who is to have them.
    Conflict,
    /// No zone of the configuration holds them.
    NoZone,
    /// It is not known where their zone begins: its server does not say.
    Sought,
}

/// Rows that are not done for one reason.
#[derive(Clone, Debug)]
pub(super) struct Refused {
    pub(super) rows: usize,
    /// One of them.
    pub(super) example: String,
    /// What happened to that one, and what comes next.
    pub(super) words: String,
    /// When the first of them was answered last.
    pub(super) since: Option<u64>,
}

/// What is not done, by zone and reason.
pub(super) type Groups = BTreeMap<(Option<String>, Why), Refused>;

impl Desk {
    /// How many rows stand how, and what is not done and needs somebody.
    pub(super) async fn count_names(&self) -> Result<(NameTotals, Groups), Refusal> {
        self.look_at_names(|reconciler, now| {
            let mut totals = NameTotals::default();
            let mut groups = Groups::new();
            for row in reconciler.rows() {
                totals.wanted += usize::from(row.row.want.is_some());
                match state_of(&row) {
                    WorkState::Done => totals.done += usize::from(row.row.want.is_some()),
                    WorkState::Pending => totals.pending += 1,
                    WorkState::Refused => totals.refused += 1,
                }
                let Some(why) = why(&row) else { continue };
                let group = groups.entry((row.apex.map(shown), why)).or_insert_with(|| Refused {
                    rows: 0,
                    example: key_words(&row.row.key),
                    words: row.words(now),
                    since: None,
                });
                group.rows += 1;
                let at = (row.at != 0).then_some(row.at);
                group.since = group.since.into_iter().chain(at).min();
            }
            (totals, groups)
        })
        .await
    }

    pub(super) async fn dns_work(&self, query: DnsWorkQuery) -> Result<DnsWork, Refusal> {
        self.look_at_names(move |reconciler, now| {
            let text = query.q.trim().to_lowercase();
            let (mut done, mut pending, mut refused, mut total) = (0, 0, 0, 0);
            let mut found: Vec<(WorkState, String, RowKey)> = Vec::new();
            for row in reconciler.rows() {
                let state = state_of(&row);
                match state {
                    WorkState::Done => {
                        done += 1;
                        continue;
                    }
                    WorkState::Pending => pending += 1,
                    WorkState::Refused => refused += 1,
                }
                let other = match query.state.as_str() {
                    "refused" => state != WorkState::Refused,
                    "pending" => state != WorkState::Pending,
                    _ => false,
                };
                let name = key_words(&row.row.key);
                if other || !(text.is_empty() || name.to_lowercase().contains(&text)) {
                    continue;
                }
                total += 1;
                if found.len() < SORTED_MAX {
                    found.push((state, name, row.row.key.clone()));
                }
            }
            found.sort();
            let offset = query.offset.min(total);
            let window = found.iter().skip(offset).take(query.limit.unwrap_or(WINDOW).min(WINDOW));
            let rows =
                window.filter_map(|(state, _, key)| Some(work_row(*state, &reconciler.row(key)?, now))).collect();
            DnsWork { done, pending, refused, total, offset, rows }
        })
        .await
    }
}

fn why(row: &RowStatus<'_>) -> Option<Why> {
    match (state_of(row), row.stage) {
        (_, Stage::Sought) => Some(Why::Sought),
        (_, Stage::NoZone) => Some(Why::NoZone),
        (WorkState::Refused, _) if row.last == LastAnswer::Conflict => Some(Why::Conflict),
        (WorkState::Refused, _) => Some(Why::Refused),
        _ => None,
    }
}

fn work_row(state: WorkState, row: &RowStatus<'_>, now: ddns::Now) -> DnsWorkRow {
    let key = &row.row.key;
    let next_try_secs = match row.stage {
        Stage::Waits { until_boot_ms } => Some(until_boot_ms.saturating_sub(now.boot_ms).div_ceil(1_000)),
        _ => None,
    };
    DnsWorkRow {
        key: key_words(key),
        rtype: type_of(key),
        wanted: row.row.want.as_ref().map(|want| wanted(key, want)),
        state,
        words: row.words(now),
        zone: row.apex.map(shown),
        server: row.used.map(server_words),
        tries: row.attempts,
        answered_at: (row.at != 0).then_some(row.at),
        next_try_secs,
    }
}

/// The name, or the address of a PTR.
pub(super) fn key_words(key: &RowKey) -> String {
    match key {
        RowKey::Forward(name) | RowKey::Stated(name, _) => shown(name),
        RowKey::Reverse(address) => address.to_string(),
    }
}

pub(super) fn type_of(key: &RowKey) -> String {
    match key {
        RowKey::Forward(_) => "A".to_owned(),
        RowKey::Reverse(_) => "PTR".to_owned(),
        RowKey::Stated(_, rtype) => rtype.to_string(),
    }
}

pub(super) fn wanted(key: &RowKey, want: &Want) -> String {
    match key {
        RowKey::Forward(_) => {
            let addresses: Vec<String> = want.addresses.iter().map(ToString::to_string).collect();
            addresses.join(", ")
        }
        RowKey::Reverse(_) => shown(&want.name),
        RowKey::Stated(_, rtype) => want.stated_words(*rtype),
    }
}

/// `embedded`, or the address and port.
pub(super) fn server_words(server: &ZoneServer) -> String {
    server.primary().map_or_else(|| "embedded".to_owned(), |address| address.to_string())
}

/// Used by [`super::zones`], for the names of apexes that people write without the last dot.
pub(super) fn name_of(text: &str) -> Result<Fqdn, Refusal> {
    text.parse().map_err(|error| Refusal::Bad(format!("{text:?} is no name: {error}")))
}
