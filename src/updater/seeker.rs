//! When servers are asked where their zones begin, and what has come of it so far.
//!
//! At the start all of it; what was not answered again and again, soon when the server said nothing and less often when
//! it said that it has no such zone; all of it once an hour, for zones are cut anew now and then; and early when an
//! answer to an update says that the zone is not where we took it to be.

use std::collections::BTreeMap;
use std::sync::Arc;

use ddns::cuts::{Cut, Seeks};
use ddns::settings::Settings;
use dns::Fqdn;
use tokio::task::JoinHandle;
use tracing::{debug, info, warn};

use crate::ddns_client::UpdateClient;
use crate::ddns_client::cuts::{Open, ask};

/// The pauses before a server that did not answer is asked again, in boot milliseconds: the first, and the longest. As
/// short as a probe of the reconciler's, because it bounds how long names are missing after the server is back.
const SILENT_PAUSE_MS: (u64, u64) = (250, 2_000);
/// The pause before a server that has no such zone is asked again.
const NOWHERE_PAUSE_MS: u64 = 30_000;
/// When everything is asked anew.
const ANEW_MS: u64 = 3_600_000;
/// Doubts are not looked into more often than this.
const DOUBT_PAUSE_MS: u64 = 60_000;

type Answers = Vec<(usize, Result<Cut, Open>)>;

#[derive(Debug)]
pub(super) struct Seeker {
    /// As they are configured.
    base: Arc<Settings>,
    cuts: Vec<Option<Cut>>,
    /// What the operator was told last of each quest that goes on.
    told: Vec<Option<String>>,
    asking: Option<JoinHandle<Answers>>,
    /// Boot milliseconds of the next questions about what is open.
    open_at: u64,
    pause_ms: u64,
    /// Boot milliseconds of the next questions about everything.
    anew_at: u64,
    /// Boot milliseconds before which no doubt is looked into.
    doubts_from: u64,
}

impl Drop for Seeker {
    fn drop(&mut self) {
        if let Some(asking) = &self.asking {
            asking.abort();
        }
    }
}

impl Seeker {
    pub(super) fn new(settings: &Arc<Settings>) -> Self {
        let quests = settings.quests.len();
        Self {
            base: Arc::clone(settings),
            cuts: vec![None; quests],
            told: vec![None; quests],
            asking: None,
            open_at: 0,
            pause_ms: SILENT_PAUSE_MS.0,
            anew_at: 0,
            doubts_from: 0,
        }
    }

    pub(super) fn has_quests(&self) -> bool {
        !self.cuts.is_empty()
    }

    /// The settings with what is known of the zones.
    pub(super) fn settings(&self) -> Arc<Settings> {
        if self.has_quests() { Arc::new(self.base.resolved(&self.cuts)) } else { Arc::clone(&self.base) }
    }

    /// A quest that nothing has come of that names could be sent by.
    fn is_open(&self, at: usize) -> bool {
        match &self.cuts[at] {
            None => true,
            Some(Cut::Nowhere) => !self.base.quests[at].written && matches!(self.base.quests[at].seeks, Seeks::Zone(_)),
            Some(_) => false,
        }
    }

    /// Boot milliseconds of the next questions.
    pub(super) fn due(&self) -> Option<u64> {
        if !self.has_quests() || self.asking.is_some() {
            return None;
        }
        let any_open = (0..self.cuts.len()).any(|at| self.is_open(at));
        Some(if any_open { self.open_at.min(self.anew_at) } else { self.anew_at })
    }

    /// An update's answer says that the zone is not what we took it for.
    pub(super) fn doubt(&mut self, boot_ms: u64) {
        if boot_ms >= self.doubts_from {
            self.doubts_from = boot_ms + DOUBT_PAUSE_MS;
            self.anew_at = boot_ms;
        }
    }

    /// Asks what is due.
    pub(super) fn ask(&mut self, client: &Arc<UpdateClient>, boot_ms: u64) {
        if self.due().is_none_or(|due| due > boot_ms) {
            return;
        }
        let all = boot_ms >= self.anew_at;
        if all {
            self.anew_at = boot_ms + ANEW_MS;
        }
        let asked: Vec<usize> = (0..self.cuts.len()).filter(|at| all || self.is_open(*at)).collect();
        let quests = asked.iter().map(|at| self.base.quests[*at].clone()).collect();
        let client = Arc::clone(client);
        self.asking = Some(tokio::spawn(async move { asked.into_iter().zip(ask(&client, quests).await).collect() }));
    }

    /// Waits for the answers to what was asked.
    pub(super) async fn answered(&mut self) -> Answers {
        match &mut self.asking {
            Some(asking) => {
                let answers = asking.await;
                self.asking = None;
                answers.unwrap_or_else(|error| {
                    debug!("questions about zones ended: {error}");
                    Vec::new()
                })
            }
            None => std::future::pending().await,
        }
    }

    /// Takes answers in. True: something else is known than before.
    pub(super) fn take(&mut self, boot_ms: u64, answers: Answers) -> bool {
        let before = self.cuts.clone();
        let mut silent = false;
        let mut news: BTreeMap<String, Vec<Fqdn>> = BTreeMap::new();
        for (at, answer) in answers {
            let name = self.base.quests[at].name();
            let words = match answer {
                Ok(cut) => {
                    if self.cuts[at].replace(cut.clone()).is_none() {
                        tell_found(&name, &cut);
                    }
                    let server = self.base.quests[at].server.primary();
                    let server = server.map(|server| server.to_string()).unwrap_or_default();
                    self.is_open(at).then(|| format!("{server} has no zone that holds it"))
                }
                // What was known stays: a server that is silent has not changed its zones.
                Err(open) => {
                    silent |= matches!(open, Open::Silent(_));
                    self.cuts[at].is_none().then(|| open.to_string())
                }
            };
            if let Some(words) = words.clone().filter(|_| self.told[at] != words) {
                news.entry(words).or_default().push(name);
            }
            self.told[at] = words;
        }
        // One server can leave hundreds of them open.
        for (words, names) in news {
            let Some(first) = names.first() else { continue };
            let more = names.len() - 1;
            let more = if more > 0 { format!(" (and {more} more)") } else { String::new() };
            warn!(
                "DNS: it is not known which zone holds {first}{more}: {words}; it is asked again, and the names wait"
            );
        }
        self.pause_ms = if silent { (self.pause_ms * 2).min(SILENT_PAUSE_MS.1) } else { SILENT_PAUSE_MS.0 };
        self.open_at = boot_ms + if silent { self.pause_ms } else { NOWHERE_PAUSE_MS };
        self.cuts != before
    }
}

/// A zone that begins where one would think is no news.
fn tell_found(name: &Fqdn, cut: &Cut) {
    match cut {
        Cut::Zone(apex) if apex != name => info!("DNS: {name} is in the zone {apex}"),
        Cut::Classless { apex, parent } => {
            info!("DNS: PTR records of the addresses from {name} on stand under {parent}, in the zone {apex}");
        }
        Cut::Zone(_) | Cut::Nowhere => {}
    }
}
