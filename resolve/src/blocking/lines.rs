//! A block list as people publish it, a line at a time.
//!
//! Three ways of writing are read, mixed as they come:
//!
//! ```text
//! 0.0.0.0 ads.example tracker.example     a hosts file: these names, and nothing beneath them
//! ads.example                             a plain list: this name, and nothing beneath it
//! *.ads.example                           this name and everything beneath it
//! ||ads.example^                          AdBlock's: this name and everything beneath it
//! @@||good.ads.example^                   an exception, likewise
//! # ! [ ...                               a remark
//! ```
//!
//! AdBlock's other rules (parts of a page, patterns, conditions on who shows it) say nothing about names alone. They are
//! counted, not guessed at.

use std::hash::BuildHasher;
use std::net::IpAddr;

use dns::Fqdn;

use super::Listed;
use super::set::{Reach, SetBuilder};

/// Names of a hosts file that are the machine's own.
const OWN_NAMES: [&str; 12] = [
    "localhost",
    "localhost.localdomain",
    "local",
    "broadcasthost",
    "ip6-localhost",
    "ip6-loopback",
    "ip6-localnet",
    "ip6-mcastprefix",
    "ip6-allnodes",
    "ip6-allrouters",
    "ip6-allhosts",
    "0.0.0.0",
];
/// Longer lines are nobody's names: 255 octets as text, a few of them with an address in front.
const LINE_OCTETS_MAX: usize = 4_096;
/// More names than this in one list are not read: they would take a good part of a small machine's memory.
pub const NAMES_MAX: usize = 10_000_000;

/// What one line says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// Nothing: empty, or a remark.
    Nothing,
    /// These names are blocked.
    Block(Vec<Fqdn>, Reach),
    /// This one is not.
    Allow(Fqdn, Reach),
    /// Something that says nothing about names, or is no name.
    Unknown,
}

/// What came of reading a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Read {
    /// Names blocked, each counted once.
    pub blocked: usize,
    /// Exceptions.
    pub allowed: usize,
    /// Lines that are not understood.
    pub unknown: usize,
    /// It was longer than is read.
    pub cut: bool,
}

/// Reads a list whole.
pub fn read<S: BuildHasher + Clone>(text: &[u8], hasher: &S) -> (Listed, Read)
where
    super::NameSet: From<SetBuilder<S>>,
{
    let (mut blocked, mut allowed) = (SetBuilder::new(hasher.clone()), SetBuilder::new(hasher.clone()));
    let mut read = Read::default();
    for line in text.split(|octet| *octet == b'\n') {
        match parse(line) {
            Line::Nothing => {}
            Line::Block(names, reach) => names.iter().for_each(|name| blocked.insert(name, reach)),
            Line::Allow(name, reach) => allowed.insert(&name, reach),
            Line::Unknown => read.unknown += 1,
        }
        if blocked.len() + allowed.len() >= NAMES_MAX {
            read.cut = true;
            break;
        }
    }
    let listed = Listed { blocked: blocked.into(), allowed: allowed.into() };
    (read.blocked, read.allowed) = (listed.blocked.len(), listed.allowed.len());
    (listed, read)
}

/// Reads one line, without its end.
#[must_use]
pub fn parse(line: &[u8]) -> Line {
    let Ok(line) = std::str::from_utf8(line) else { return Line::Unknown };
    let line = line.trim().trim_start_matches('\u{feff}');
    if line.is_empty() || line.starts_with(['#', '!', '[', ';']) {
        return Line::Nothing;
    }
    if line.len() > LINE_OCTETS_MAX {
        return Line::Unknown;
    }
    if let Some(rule) = line.strip_prefix("@@||") {
        return adblock(rule).map_or(Line::Unknown, |name| Line::Allow(name, Reach::Beneath));
    }
    if let Some(rule) = line.strip_prefix("||") {
        return adblock(rule).map_or(Line::Unknown, |name| Line::Block(vec![name], Reach::Beneath));
    }
    // Behind a space; within a word it is a rule on parts of a page.
    let line = line.split(" #").next().unwrap_or_default();
    let mut words = line.split_whitespace();
    let Some(first) = words.next() else { return Line::Nothing };
    if first.parse::<IpAddr>().is_ok() {
        let names: Vec<Fqdn> = words.filter(|word| !OWN_NAMES.contains(word)).filter_map(name).collect();
        return if names.is_empty() { Line::Nothing } else { Line::Block(names, Reach::Alone) };
    }
    if words.next().is_some() {
        return Line::Unknown;
    }
    match first.strip_prefix("*.") {
        Some(above) => name(above).map_or(Line::Unknown, |name| Line::Block(vec![name], Reach::Beneath)),
        None => name(first).map_or(Line::Unknown, |name| Line::Block(vec![name], Reach::Alone)),
    }
}

/// `name^`, with nothing behind it but what means the same.
fn adblock(rule: &str) -> Option<Fqdn> {
    let (text, rest) = rule.split_at_checked(rule.find('^')?)?;
    matches!(rest, "^" | "^|" | "^$important" | "^$all" | "^$document").then(|| name(text))?
}

/// A name of at least two labels, or of one that is no word for a whole list: letters, digits, hyphens, underscores.
fn name(text: &str) -> Option<Fqdn> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let name: Fqdn = text.chars().all(plain).then(|| text.parse().ok())??;
    // The root would block everything, which is a slip.
    (!name.is_root() && text.parse::<IpAddr>().is_err()).then_some(name)
}
