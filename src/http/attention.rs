//! Is all well? What needs somebody, in sentences that say what, why, since when, and what happens next.

use std::collections::BTreeMap;

use dhcp::engine::SubnetCounts;
use ipnet::Ipv4Net;
use web::model::{
    Attention, BlockFigures, ForwarderFigures, LeaseTotals, Level, NameTotals, Storage, UpstreamFigures, Way,
};

use super::history::Pace;
use super::names::{Groups, Refused, Why};
use crate::control::{AuditSummary, HeldBackView, ZoneServersView};

/// A subnet with less than this share of its addresses left needs somebody, of a hundred.
const FREE_PERCENT_MIN: usize = 10;
/// For so long after the start it is no wonder that a zone is not known yet.
const SEEK_SECS: u64 = 15;
/// More of one kind are told together.
const OF_ONE_KIND_MAX: usize = 5;

/// What is known.
pub(super) struct Seen<'a> {
    pub(super) storage: &'a Storage,
    pub(super) counts: &'a [SubnetCounts],
    pub(super) pace: &'a dyn Fn(Ipv4Net, usize) -> Option<Pace>,
    pub(super) zones: &'a [ZoneServersView],
    pub(super) refused: &'a Groups,
    /// How long the daemon has run, in seconds.
    pub(super) up_secs: u64,
    pub(super) held_back: &'a [HeldBackView],
    pub(super) audit: Option<&'a AuditSummary>,
    pub(super) forwarder: Option<&'a ForwarderFigures>,
}

/// What needs somebody, the worst first.
pub(super) fn list(seen: &Seen<'_>) -> Vec<Attention> {
    let mut found = Vec::new();
    if seen.storage.full {
        found.push(Attention {
            level: Level::Bad,
            title: "The lease store has no room".to_owned(),
            detail: "Renewals get what is left of their lease, new clients no answer. Make room on its disk: then all \
                     goes on by itself."
                .to_owned(),
            since: None,
            way: None,
        });
    }
    found.extend(bounded(servers(seen.zones), "zones", "/zones"));
    found.extend(bounded(names(seen), "kinds of refusal", "/dns-work?state=refused"));
    found.extend(bounded(subnets(seen), "subnets", "/subnets"));
    found.extend(seen.held_back.iter().map(held_back));
    found.extend(seen.audit.and_then(audit));
    if let Some(forwarder) = seen.forwarder {
        found.extend(bounded(upstreams(forwarder), "groups of upstreams", "/queries"));
        found.extend(bounded(forwarder.upstreams.iter().filter_map(forged).collect(), "upstreams", "/queries"));
        found.extend(bounded(forwarder.blocks.iter().filter_map(block_list).collect(), "block lists", "/queries"));
    }
    found.sort_by_key(|one| std::cmp::Reverse(one.level));
    found
}

/// No more of one kind than so many; the rest as one.
fn bounded(mut found: Vec<Attention>, what: &str, path: &str) -> Vec<Attention> {
    if found.len() > OF_ONE_KIND_MAX {
        let rest = found.split_off(OF_ONE_KIND_MAX - 1);
        let level = rest.iter().map(|one| one.level).max().unwrap_or(Level::Warn);
        found.push(Attention {
            level,
            title: format!("{} more {what} need somebody", rest.len()),
            detail: rest.first().map(|one| format!("{}, and others.", one.title)).unwrap_or_default(),
            since: None,
            way: way("See all", path),
        });
    }
    found
}

fn way(words: &str, path: &str) -> Option<Way> {
    Some(Way { words: words.to_owned(), path: path.to_owned() })
}

/// Zones that no server takes updates of.
fn servers(zones: &[ZoneServersView]) -> Vec<Attention> {
    let failing = |zone: &&ZoneServersView| {
        !zone.servers.is_empty() && zone.servers.iter().all(|server| server.standing == "failing")
    };
    let told = |zone: &ZoneServersView| {
        let server = zone.servers.first()?;
        let name = zone.zone.trim_end_matches('.');
        let waiting = match zone.queued {
            0 => "No name waits for it now.".to_owned(),
            1 => "One name or address waits for it.".to_owned(),
            many => format!("{} names and addresses wait for it.", grouped(many)),
        };
        Some(Attention {
            level: Level::Bad,
            title: format!("{name} cannot be updated at {}", server.server),
            // Its state says when it is tried next.
            detail: format!("{}. {waiting}", sentence(server.state.strip_prefix("fails: ").unwrap_or(&server.state))),
            since: server.failing_since,
            way: way("See why", &format!("/zones/{name}")),
        })
    };
    zones.iter().filter(failing).filter_map(told).collect()
}

/// Names that were refused; those of zones that cannot be updated at all are told with these.
fn names(seen: &Seen<'_>) -> Vec<Attention> {
    let down = |zone: &str| {
        seen.zones.iter().any(|view| {
            view.zone.trim_end_matches('.') == zone && view.servers.iter().all(|server| server.standing == "failing")
        })
    };
    let mut found = Vec::new();
    for ((zone, why), refused) in seen.refused {
        let told_with_zone = *why == Why::Refused && zone.as_deref().is_some_and(down);
        if told_with_zone || (*why == Why::Sought && seen.up_secs < SEEK_SECS) {
            continue;
        }
        found.push(of_names(zone.as_deref(), *why, refused));
    }
    found
}

fn of_names(zone: Option<&str>, why: Why, refused: &Refused) -> Attention {
    let (level, one, many) = match why {
        Why::Refused => (Level::Bad, "is refused", "are refused"),
        Why::Conflict => (Level::Warn, "is somebody else's", "are somebody else's"),
        Why::NoZone => (Level::Warn, "is in no zone", "are in no zone"),
        Why::Sought => (Level::Warn, "waits for its zone", "wait for their zone"),
    };
    let of = zone.map_or_else(String::new, |zone| format!(" of {zone}"));
    let (title, example, path) = match refused.rows {
        1 => (format!("{} {one}", refused.example), String::new(), format!("/dns-work?q={}", refused.example)),
        rows => {
            let state = if why == Why::Sought { "pending" } else { "refused" };
            let title = format!("{} names and addresses{of} {many}", grouped(rows));
            (title, format!("{}: ", refused.example), format!("/dns-work?state={state}"))
        }
    };
    Attention {
        level,
        title,
        detail: format!("{example}{}.", sentence(&refused.words)),
        since: refused.since,
        way: way("See why", &path),
    }
}

/// Subnets that are nearly full.
fn subnets(seen: &Seen<'_>) -> Vec<Attention> {
    let nearly = |counts: &&SubnetCounts| counts.pool > 0 && counts.free * 100 < counts.pool * FREE_PERCENT_MIN;
    let told = |counts: &SubnetCounts| {
        let SubnetCounts { prefix, pool, free, .. } = counts;
        let percent = (pool - free) * 100 / pool;
        let (level, title, left) = match free {
            0 => (Level::Bad, format!("{prefix} is full"), "No new client gets an address there".to_owned()),
            1 => (Level::Warn, format!("{prefix} is {percent} % full"), "One address is left".to_owned()),
            _ => {
                (Level::Warn, format!("{prefix} is {percent} % full"), format!("{} addresses are left", grouped(*free)))
            }
        };
        let pace = (seen.pace)(*prefix, *free).filter(|_| *free > 0).and_then(Pace::full_in_secs);
        let next = pace.map_or_else(String::new, |secs| format!(", for about {} at this hour's pace", span(secs)));
        Attention {
            level,
            title,
            detail: format!("{left}{next}. A larger pool or shorter leases help."),
            since: None,
            way: way("Open subnet", &format!("/subnets/{prefix}")),
        }
    };
    seen.counts.iter().filter(nearly).map(told).collect()
}

fn held_back(held: &HeldBackView) -> Attention {
    let zone = held.zone.trim_end_matches('.');
    Attention {
        level: Level::Warn,
        title: format!("{} of {} names of {zone} are not deleted yet", grouped(held.held), grouped(held.names)),
        detail: format!(
            "The configuration withdraws more than is deleted unasked. `leasehold dns confirm-deletions {zone}` deletes them."
        ),
        since: None,
        way: way("Open zone", &format!("/zones/{zone}")),
    }
}

fn audit(audit: &AuditSummary) -> Option<Attention> {
    let wrong = audit.counts.wrong();
    let (title, detail) = match (audit.failed.as_slice(), wrong) {
        ([], 0) => return None,
        ([], 1) => ("One name is not as it should be in DNS".to_owned(), "`leasehold dns audit` tells which."),
        ([], many) => {
            (format!("{} names are not as they should be in DNS", grouped(many)), "`leasehold dns audit` tells which.")
        }
        ([first, ..], _) => {
            (format!("{} could not be audited", first.trim_end_matches('.')), "`leasehold dns audit` tells why.")
        }
    };
    Some(Attention {
        level: Level::Warn,
        title,
        detail: format!("The last audit of the zones found it. {detail}"),
        since: Some(audit.at),
        way: way("See zones", "/zones"),
    })
}

/// Names that cannot be resolved, since nobody answers who is asked about them.
fn upstreams(forwarder: &ForwarderFigures) -> Vec<Attention> {
    let mut groups: BTreeMap<&[String], Vec<&UpstreamFigures>> = BTreeMap::new();
    for one in &forwarder.upstreams {
        groups.entry(&one.domains).or_default().push(one);
    }
    groups.retain(|_, group| group.iter().all(|one| matches!(one.state.as_str(), "down" | "looping")));
    let told = groups.into_iter().map(|(domains, group)| {
        let what = match domains {
            [] => "names of others".to_owned(),
            [first] => first.clone(),
            [first, ..] => format!("{first} and other domains"),
        };
        let asked: Vec<&str> = group.iter().map(|one| one.upstream.as_str()).collect();
        let looping = group.iter().all(|one| one.state == "looping");
        let why = if looping { "What is asked of it comes back to this server" } else { "It does not answer" };
        let why = if group.len() > 1 {
            why.replace("It does", "They do").replace("of it ", "of them ")
        } else {
            why.to_owned()
        };
        Attention {
            level: Level::Bad,
            title: format!("Nobody resolves {what}"),
            detail: format!(
                "{why}: {}. What was known before is answered for a while; it is asked again by itself.",
                asked.join(", ")
            ),
            since: None,
            way: way("See queries", "/queries"),
        }
    });
    told.collect()
}

/// Somebody on the way tries to answer in an upstream's place.
fn forged(upstream: &UpstreamFigures) -> Option<Attention> {
    upstream.guarded.then(|| Attention {
        level: Level::Warn,
        title: format!("Somebody sends answers in the name of {}", upstream.upstream),
        detail: format!(
            "{} datagrams came from its address that were no answers. It is asked more carefully, and by TCP where \
             somebody guesses; an upstream by TLS or HTTPS cannot be imitated.",
            grouped(usize::try_from(upstream.forged).unwrap_or(usize::MAX))
        ),
        since: None,
        way: way("See queries", "/queries"),
    })
}

/// A list that is not as new as it should be.
fn block_list(list: &BlockFigures) -> Option<Attention> {
    let words = list.trouble.as_ref()?;
    let standing = match list.names {
        0 => "Nothing is blocked by it".to_owned(),
        names => format!("Its {} names count on", grouped(names)),
    };
    Some(Attention {
        level: Level::Warn,
        title: format!("The block list {} is out of date", list.name),
        detail: format!("{}. {standing}; it is tried again by itself.", sentence(words)),
        since: list.trouble_since,
        way: way("See queries", "/queries"),
    })
}

/// The first words of the page.
pub(super) fn verdict(things: usize) -> String {
    const NUMBERS: [&str; 9] = ["One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine"];
    match things {
        0 => "All is well".to_owned(),
        1 => "One thing needs you".to_owned(),
        many => match NUMBERS.get(many - 1) {
            Some(number) => format!("{number} things need you"),
            None => format!("{many} things need you"),
        },
    }
}

/// What can be said of the whole.
pub(super) fn whole(leases: LeaseTotals, names: NameTotals) -> String {
    let devices = match leases.bound {
        0 => return "No device has an address yet.".to_owned(),
        1 => "One device has an address".to_owned(),
        many => format!("{} devices have an address", grouped(many)),
    };
    match names {
        NameTotals { wanted: 0, .. } => format!("{devices}. No names are kept in DNS."),
        NameTotals { pending: 0, refused: 0, .. } => format!("{devices}, and DNS holds every name."),
        NameTotals { pending: 1, refused: 0, .. } => format!("{devices}; one name is on its way to DNS."),
        NameTotals { pending, refused: 0, .. } => {
            format!("{devices}; {} names are on their way to DNS.", grouped(pending))
        }
        NameTotals { refused: 1, .. } => format!("{devices}; one name is missing in DNS."),
        NameTotals { refused, .. } => format!("{devices}; {} names are missing in DNS.", grouped(refused)),
    }
}

/// `12,345`.
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

fn span(secs: u64) -> String {
    match secs {
        0..120 => format!("{secs} s"),
        120..7_200 => format!("{} min", secs / 60),
        _ => format!("{} h", secs / 3_600),
    }
}

/// With a capital letter, and without a full stop.
fn sentence(words: &str) -> String {
    let mut letters = words.trim_end_matches('.').chars();
    // A name is written as it is.
    let is_word =
        words.split([' ', ',', ';']).next().is_some_and(|first| first.bytes().all(|byte| byte.is_ascii_lowercase()));
    match letters.next() {
        Some(first) if is_word => first.to_uppercase().chain(letters).collect(),
        Some(first) => std::iter::once(first).chain(letters).collect(),
        None => String::new(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use super::*;

    fn counts(prefix: &str, pool: usize, free: usize) -> SubnetCounts {
        let prefix = prefix.parse().unwrap();
        SubnetCounts { prefix, pool, free, bound: pool - free, quarantined: 0, offered: 0, pools: Vec::new() }
    }

    fn seen<'a>(storage: &'a Storage, counts: &'a [SubnetCounts], refused: &'a Groups) -> Seen<'a> {
        Seen {
            storage,
            counts,
            pace: &|_, _| None,
            zones: &[],
            refused,
            held_back: &[],
            audit: None,
            up_secs: 60,
            forwarder: None,
        }
    }

    #[test]
    fn nothing_needs_anybody_while_all_is_well() {
        let storage = Storage::default();
        assert_eq!(list(&seen(&storage, &[counts("10.0.0.0/24", 200, 20)], &Groups::new())), []);
        assert_eq!(verdict(0), "All is well");
    }

    #[test]
    fn the_worst_comes_first_and_each_says_where_to_go_on() {
        let storage = Storage { full: true, ..Storage::default() };
        let subnets = [counts("10.0.0.0/24", 200, 19), counts("10.0.1.0/24", 200, 0)];
        let refused = Refused {
            rows: 3,
            example: "nas.lab.example.net".to_owned(),
            words: "the server refused it (NOTAUTH)".to_owned(),
            since: Some(5),
        };
        let groups = Groups::from([((Some("lab.example.net".to_owned()), Why::Conflict), refused)]);
        let found = list(&seen(&storage, &subnets, &groups));
        let told: Vec<(Level, &str)> = found.iter().map(|one| (one.level, one.title.as_str())).collect();
        assert_eq!(
            told,
            [
                (Level::Bad, "The lease store has no room"),
                (Level::Bad, "10.0.1.0/24 is full"),
                (Level::Warn, "3 names and addresses of lab.example.net are somebody else's"),
                (Level::Warn, "10.0.0.0/24 is 90 % full"),
            ]
        );
        assert_eq!(found[2].detail, "nas.lab.example.net: The server refused it (NOTAUTH).");
        assert_eq!(found[1].way.as_ref().unwrap().path, "/subnets/10.0.1.0/24");
        assert_eq!(verdict(found.len()), "Four things need you");
    }

    #[test]
    fn upstreams_that_are_silent_and_lists_that_cannot_be_fetched_need_somebody() {
        let upstream = |address: &str, domains: &[&str], state: &str| UpstreamFigures {
            upstream: address.to_owned(),
            domains: domains.iter().map(ToString::to_string).collect(),
            state: state.to_owned(),
            ..UpstreamFigures::default()
        };
        let list = |name: &str, names, trouble: Option<&str>| BlockFigures {
            name: name.to_owned(),
            names,
            trouble: trouble.map(str::to_owned),
            trouble_since: trouble.map(|_| 7),
            ..BlockFigures::default()
        };
        let forwarder = ForwarderFigures {
            upstreams: vec![
                upstream("192.0.2.1", &[], "down"),
                upstream("192.0.2.2", &[], "suspect"),
                upstream("10.0.0.53", &["corp.example"], "down"),
                upstream("10.0.1.53", &["corp.example"], "looping"),
            ],
            blocks: vec![list("ads", 1_200, Some("it could not be fetched: timeout")), list("good", 5, None)],
            ..ForwarderFigures::default()
        };
        let storage = Storage::default();
        let found = super::list(&Seen { forwarder: Some(&forwarder), ..seen(&storage, &[], &Groups::new()) });
        let titles: Vec<&str> = found.iter().map(|one| one.title.as_str()).collect();
        assert_eq!(titles, ["Nobody resolves corp.example", "The block list ads is out of date"]);
        assert!(found[0].detail.starts_with("They do not answer: 10.0.0.53, 10.0.1.53."), "{found:?}");
        assert!(found[1].detail.ends_with("Its 1,200 names count on; it is tried again by itself."), "{found:?}");
        assert_eq!(found[1].since, Some(7));
    }

    #[test]
    fn many_full_subnets_are_told_as_a_few() {
        let storage = Storage::default();
        let subnets: Vec<SubnetCounts> = (0..40).map(|at| counts(&format!("10.0.{at}.0/24"), 100, 1)).collect();
        let found = list(&seen(&storage, &subnets, &Groups::new()));
        assert_eq!(found.len(), OF_ONE_KIND_MAX);
        assert_eq!(found.last().unwrap().title, "36 more subnets need somebody");
    }

    #[test]
    fn numbers_and_sentences_are_as_people_write_them() {
        assert_eq!((grouped(7), grouped(1_284), grouped(1_234_567)), ("7".into(), "1,284".into(), "1,234,567".into()));
        assert_eq!(sentence("the server is silent."), "The server is silent");
        assert_eq!(sentence("nas.example is taken"), "nas.example is taken");
    }
}
