//! What is different between two configurations, in words, and what of it needs a restart.
//!
//! Nothing is done here: a reload shows these words, and refuses as a whole when one of them is among
//! [`Difference::refused`]. Secrets are compared and never shown.

mod dhcp_part;
mod dns_part;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;

use crate::Config;
use crate::settings::{HookSettings, HookTarget, WebSettings, WebToken, WebUser};
pub use dhcp_part::client_of;

/// What became of a part of the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verb {
    /// It is new.
    Added,
    /// It is gone.
    Removed,
    /// It says something else.
    Changed,
}

impl Verb {
    /// As one word, for scripts.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Changed => "changed",
        }
    }
}

/// One thing that is different.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// What became of it.
    pub verb: Verb,
    /// What it is, with its name: "subnet 192.168.30.0/24".
    pub part: String,
    /// What of it; empty when the part says all.
    pub what: String,
}

impl Change {
    pub(crate) fn new(verb: Verb, part: impl Into<String>, what: impl Into<String>) -> Self {
        Self { verb, part: part.into(), what: what.into() }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { verb, part, what } = self;
        write!(f, "{part} {}", verb.word())?;
        if what.is_empty() { Ok(()) } else { write!(f, ": {what}") }
    }
}

/// All that is different.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Difference {
    /// In the order of the file's sections.
    pub changes: Vec<Change>,
    /// What only a restart can change, a sentence for each. With any, nothing may be applied.
    pub refused: Vec<String>,
}

impl Difference {
    /// What leads from `old` to `new`.
    #[must_use]
    pub fn between(old: &Config, new: &Config) -> Self {
        let mut found = Self::default();
        found.daemon(old, new);
        dhcp_part::compare(&old.dhcp, &new.dhcp, &mut found.changes);
        dns_part::compare(old, new, &mut found.changes);
        found.section("the names of switches (`[[switch]]`)", old.switches != new.switches);
        found.section("the TFTP server (`[tftp]`)", old.tftp != new.tftp);
        found.rest(old, new);
        found
    }

    /// Whether the two come to the same. (Comments of the file, or the order of its tables, may differ.)
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.refused.is_empty()
    }

    fn section(&mut self, part: &str, changed: bool) {
        if changed {
            self.changes.push(Change::new(Verb::Changed, part, ""));
        }
    }

    fn daemon(&mut self, old: &Config, new: &Config) {
        let (before, after) = (&old.daemon, &new.daemon);
        let path = |key: &str, what: &str, old: &std::path::Path, new: &std::path::Path| {
            (old != new).then(|| {
                format!(
                    "{what} cannot change while the daemon runs: `{key}` was {}, and is {} now; restart the daemon, or \
                     take it back",
                    old.display(),
                    new.display()
                )
            })
        };
        self.refused.extend(path("store", "the directory of the lease store", &before.store, &after.store));
        self.refused.extend(path("control", "the control socket", &before.control, &after.control));
        if before.ports != after.ports {
            self.refused.push(
                "the ports of DHCP cannot change while the daemon runs (`server_port`, `client_port`, `relay_port` in \
                 [server]); restart the daemon, or take it back"
                    .to_owned(),
            );
        }
        if before.interfaces != after.interfaces {
            let what = listed(&before.interfaces, &after.interfaces);
            self.changes.push(Change::new(Verb::Changed, "the interfaces (`interfaces` in [server])", what));
        }
        if (before.log, before.log_format) != (after.log, after.log_format) {
            self.refused.push(
                "what is logged cannot change while the daemon runs (`log`, `log_format` in [server]); restart the \
                 daemon, or take it back"
                    .to_owned(),
            );
        }
        if old.dns.enabled != new.dns.enabled {
            self.refused.push(format!(
                "the DNS server cannot be turned {} while the daemon runs (`enabled` in [dns], or the first or last \
                 embedded zone); restart the daemon, or take it back",
                if new.dns.enabled { "on" } else { "off" }
            ));
        }
        if old.dns.secondary != new.dns.secondary {
            self.refused.push(
                "zones that are copies of other servers' cannot change while the daemon runs (`kind = \"secondary\"` in \
                 [[zone]], its primaries, keys and views); restart the daemon, or take it back"
                    .to_owned(),
            );
        }
        if old.serves_dhcp() != new.serves_dhcp() {
            self.refused.push(format!(
                "DHCP cannot be turned {} while the daemon runs (the {} [[subnet]]); restart the daemon, or take it \
                 back",
                if new.serves_dhcp() { "on" } else { "off" },
                if new.serves_dhcp() { "first" } else { "last" }
            ));
        }
    }

    /// Who may come over HTTP.
    fn people(&mut self, old: &WebSettings, new: &WebSettings) {
        let users = |web: &WebSettings| -> BTreeMap<String, WebUser> {
            web.users.iter().map(|user| (format!("user {} of the page", user.name), user.clone())).collect()
        };
        let tokens = |web: &WebSettings| -> BTreeMap<String, WebToken> {
            web.tokens.iter().map(|token| (format!("token {} of the API", token.name), token.clone())).collect()
        };
        let password = |old: &WebUser, new: &WebUser| match old.password_hash == new.password_hash {
            true => "",
            false => "another password: who has signed in has to do it again",
        };
        self.named(&users(old), &users(new), password);
        self.named(&tokens(old), &tokens(new), |_, _| "");
        self.section("the names of the page (`names` in [web])", old.names != new.names);
        self.section(
            "what this machine's users may do (`loopback_role` in [web])",
            old.loopback_role != new.loopback_role,
        );
    }

    fn named<T: PartialEq>(
        &mut self,
        old: &BTreeMap<String, T>,
        new: &BTreeMap<String, T>,
        words: impl Fn(&T, &T) -> &'static str,
    ) {
        for (name, one) in new {
            match old.get(name) {
                None => self.changes.push(Change::new(Verb::Added, name, "")),
                Some(before) if before != one => {
                    self.changes.push(Change::new(Verb::Changed, name, words(before, one)))
                }
                Some(_) => {}
            }
        }
        for name in old.keys().filter(|name| !new.contains_key(*name)) {
            self.changes.push(Change::new(Verb::Removed, name, ""));
        }
    }

    /// What the daemon has given up at its start, it does not get back.
    fn service(&mut self, old: &Config, new: &Config) {
        if old.service != new.service {
            self.refused.push(
                "what the daemon gives up cannot change while it runs ([service]); restart the daemon, or take it back"
                    .to_owned(),
            );
        }
        let programs = |config: &Config| -> BTreeSet<PathBuf> {
            let program = |hook: &HookSettings| match &hook.target {
                HookTarget::Command(program, _) => Some(program.clone()),
                HookTarget::Url(_) => None,
            };
            config.hooks.iter().filter_map(program).collect()
        };
        let more: Vec<PathBuf> = programs(new).difference(&programs(old)).cloned().collect();
        if let Some(program) = more.first().filter(|_| old.service.sandbox) {
            self.refused.push(format!(
                "the daemon may start no program that was not named when it began ({}, `command` in [[hook]]); restart \
                 the daemon, or take it back",
                program.display()
            ));
        }
        self.section("who is told of lease events (`[[hook]]`)", old.hooks != new.hooks);
    }

    /// What of the DNS server is as it was when the daemon began.
    fn set_up_once(&mut self, old: &Config, new: &Config) {
        let log = |config: &Config| config.dns.forward.as_ref().map(|forward| forward.resolver.log.clone());
        if log(old).unwrap_or_default() != log(new).unwrap_or_default() {
            self.refused.push(
                "the log of questions cannot change while the daemon runs (`log`, `log_questions`, `log_file` in \
                 [resolver]); restart the daemon, or take it back"
                    .to_owned(),
            );
        }
        let rooms = |config: &Config| {
            let protection = &config.dns.protection;
            (protection.connections, protection.connections_per_client, protection.idle_secs)
        };
        if old.dns.encrypted != new.dns.encrypted {
            self.refused.push(
                "where DNS is served by TLS and HTTPS, and with which certificate, cannot change while the daemon runs \
                 (`tls_listen`, `https_listen`, `https_path`, `certificate`, `certificate_key` in [dns]; a certificate's \
                 file is followed by itself); restart the daemon, or take it back"
                    .to_owned(),
            );
        }
        if rooms(old) != rooms(new) {
            self.refused.push(
                "the room for DNS connections cannot change while the daemon runs (`connections` and what follows it in \
                 [dns.limits]); restart the daemon, or take it back"
                    .to_owned(),
            );
        }
    }

    /// Whatever else is different: a section that is not known here is not taken over in silence.
    fn rest(&mut self, old: &Config, new: &Config) {
        let mut merged = old.clone();
        merged.dhcp = new.dhcp.clone();
        merged.ddns = new.ddns.clone();
        merged.switches = new.switches.clone();
        merged.tftp = new.tftp.clone();
        merged.daemon = new.daemon.clone();
        let (dns, now) = (&mut merged.dns, &new.dns);
        dns.enabled = now.enabled;
        dns.listen = now.listen.clone();
        dns.zones = now.zones.clone();
        dns.secondary = now.secondary.clone();
        dns.gss_keytab = now.gss_keytab.clone();
        dns.views = now.views.clone();
        dns.own_names = now.own_names.clone();
        dns.forward = now.forward.clone();
        dns.protection = now.protection.clone();
        self.set_up_once(old, new);
        if let (Some(web), Some(now)) = (&mut merged.web, &new.web) {
            self.people(web, now);
            (web.text, web.file) = (now.text.clone(), now.file.clone());
            (web.users, web.tokens) = (now.users.clone(), now.tokens.clone());
            (web.names, web.loopback_role) = (now.names.clone(), now.loopback_role);
        }
        if merged.web != new.web {
            self.refused.push(
                "the page and the API cannot change while the daemon runs ([web]); restart the daemon, or take it back"
                    .to_owned(),
            );
            merged.web = new.web.clone();
        }
        self.service(old, new);
        merged.service = new.service.clone();
        merged.hooks = new.hooks.clone();
        if merged.dns != new.dns {
            self.refused.push(
                "something in [dns] changed that a running daemon cannot take over; restart the daemon, or take it back"
                    .to_owned(),
            );
            merged.dns = new.dns.clone();
        }
        if merged != *new {
            self.refused.push(
                "something changed that a running daemon cannot take over; restart the daemon, or take it back"
                    .to_owned(),
            );
        }
    }
}

/// What came to a list and what left it.
fn listed(old: &[String], new: &[String]) -> String {
    let (before, after): (BTreeSet<&String>, BTreeSet<&String>) = (old.iter().collect(), new.iter().collect());
    let came = after.difference(&before).map(|one| format!("{one} is new"));
    let left = before.difference(&after).map(|one| format!("{one} is removed"));
    let words: Vec<String> = came.chain(left).collect();
    if words.is_empty() { "in another order".to_owned() } else { words.join(", ") }
}

/// Compares two lists of things that have keys; of several with one key the last counts.
fn keyed<'v, K: Ord, T: PartialEq + 'v>(
    old: impl IntoIterator<Item = (K, &'v T)>,
    new: impl IntoIterator<Item = (K, &'v T)>,
    mut tell: impl FnMut(&K, Option<&'v T>, Option<&'v T>),
) {
    let before: BTreeMap<K, &T> = old.into_iter().collect();
    let after: BTreeMap<K, &T> = new.into_iter().collect();
    for (key, was) in &before {
        match after.get(key) {
            None => tell(key, Some(*was), None),
            Some(is) if was != is => tell(key, Some(*was), Some(*is)),
            Some(_) => {}
        }
    }
    for (key, is) in after.iter().filter(|(key, _)| !before.contains_key(*key)) {
        tell(key, None, Some(*is));
    }
}

fn verb<T: ?Sized>(old: Option<&T>, new: Option<&T>) -> Verb {
    match (old, new) {
        (None, _) => Verb::Added,
        (Some(_), None) => Verb::Removed,
        (Some(_), Some(_)) => Verb::Changed,
    }
}

/// The names of what is different among these.
fn named(pairs: &[(&str, bool)]) -> String {
    let different: Vec<&str> = pairs.iter().filter(|(_, changed)| *changed).map(|(name, _)| *name).collect();
    different.join(", ")
}

#[cfg(test)]
mod tests;
