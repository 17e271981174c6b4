//! What becomes of a question for a name of others, in words: for somebody who looks into it.

use std::net::{IpAddr, Ipv4Addr};

use dns::{Fqdn, Rcode, RecordType};
use resolve::blocking::BlockList;
use resolve::query_log::Fate;
use resolve::{Key, Transport};

use super::{Asker, Forwarder, Group, Known, Outcome, Shared, is_failure, shown};

impl Forwarder {
    /// What is answered to whoever asks for the address of a name, and why. Others are asked, as for anybody.
    pub(in crate::dns_server) async fn explain(&self, name: &Fqdn) -> String {
        let shared = &self.0;
        let key = Key::new(name, RecordType::A, false, false);
        let listed = shared.listed(&key);
        let known = shared.known(&key);
        let asked = match &known {
            Known::Answer(outcome) if outcome.fate == Fate::Local => "answered here".to_owned(),
            Known::Answer(_) => "it was known".to_owned(),
            Known::Stale(_, group) | Known::Nothing(group) => format!("asked of {}", asked_of(group)),
        };
        let outcome = match known {
            Known::Answer(outcome) => outcome,
            // As somebody on this machine, so that it has a share like others, and is remembered like others.
            _ => {
                let asker = Asker { source: IpAddr::V4(Ipv4Addr::LOCALHOST), transport: Transport::Udp };
                let outcome = shared.resolve(&key, Some(asker.source)).await;
                shared.note(&key, asker, outcome.fate, outcome.answer.view());
                outcome
            }
        };
        let aliases = shared.listed_aliases(&key, &outcome);
        format!("{listed}{aliases}{}; {asked}", shared.told(&key, &outcome))
    }
}

fn asked_of(group: &Group) -> String {
    match group.peers.is_empty() {
        false => shown(&group.peers),
        true => "nobody: there is no upstream for it".to_owned(),
    }
}

/// For whom a list is.
fn whom(list: &BlockList) -> String {
    match list.clients.is_empty() {
        true => "everybody".to_owned(),
        false => list.clients.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    }
}

impl Shared {
    /// Which lists have the name, and for whom.
    fn listed(&self, key: &Key) -> String {
        let lists = self.blocks.load();
        let blocking = lists.0.iter().filter(|list| list.has(key.name()));
        blocking.map(|list| format!("the block list {} has it, for {}; ", list.name, whom(list))).collect()
    }

    /// Which lists have a name that its aliases lead to, and for whom.
    fn listed_aliases(&self, key: &Key, outcome: &Outcome) -> String {
        let lists = self.blocks.load();
        let answer = outcome.answer.view();
        let told = lists.0.iter().filter_map(|list| {
            let target = answer.alias_to(key.name(), |target| list.has_alias(key.name(), target))?;
            let target = Fqdn::from_wire(&target).ok()?;
            Some(format!("it is an alias of {target}, which the block list {} has, for {}; ", list.name, whom(list)))
        });
        told.collect()
    }

    /// The answer in words.
    fn told(&self, key: &Key, outcome: &Outcome) -> String {
        let answer = &outcome.answer;
        let reason = answer.reason.as_ref().map_or_else(String::new, |reason| format!(": {}", reason.words));
        let rcode = answer.rcode();
        if is_failure(answer) {
            let code = rcode.mnemonic().map_or_else(|| rcode.0.to_string(), str::to_owned);
            return format!("it cannot be resolved ({code}){reason}");
        }
        let what = match (rcode, answer.answer_count()) {
            (Rcode::NX_DOMAIN, _) => "there is no such name (NXDOMAIN)".to_owned(),
            (_, 0) => "it has no address (no A record)".to_owned(),
            (_, 1) => "it is resolved, with one record".to_owned(),
            (_, count) => format!("it is resolved, with {count} records"),
        };
        let stale = if outcome.stale { ", out of date: no upstream answers" } else { "" };
        let proof = match &self.validator {
            Some(validator) if validator.validates(key) && answer.authentic => ", and validated",
            Some(validator) if validator.validates(key) => ", and not signed",
            Some(_) => ", and not to be validated",
            None => "",
        };
        format!("{what}{stale}{proof}{reason}")
    }
}
