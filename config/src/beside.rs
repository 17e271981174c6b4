//! The file beside the main one: reservations, static records and machines that commands, the API and the page have made.
//!
//! It is TOML that a person can read, change and keep in git, with three tables alone: `[[reservation]]`, `[[record]]` and
//! `[[host]]`. Both files are checked as one, so that whatever holds for the main file holds for this one too, conflicts
//! between the two among it; a fault is told with the file that it is in.
//!
//! Editing ([`edit`]; `records` the static records) keeps comments and the order of what is there.

pub mod edit;
pub mod machines;
mod records;

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use ipnet::Ipv4Net;
use toml::de::DeTable;

use crate::fault::{Fault, Faults, Findings, Severity, Span};
use crate::file::At;
use crate::file::v1::{File, Record, Reservation, Zone};
use crate::resolve::ReadSecret;
use crate::{Checked, Config, file, resolve};

/// The tables that may stand in it.
const TABLES: [&str; 3] = ["reservation", "record", "host"];

/// What a new one begins with.
pub const HEADER: &str = "# Reservations, static records and machines made by commands, the API and the page.\n\
                          # They are checked together with the main file; edit this one as you like, and keep it in git.\n";

/// A file as it was read.
#[derive(Clone, Copy, Debug)]
pub struct Text<'t> {
    /// Its name, for faults.
    pub name: &'t str,
    /// What it says.
    pub text: &'t str,
}

/// What was found in one of the files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Faults and warnings.
    pub faults: Faults,
    /// What the file says, to draw them.
    pub text: String,
}

/// All that was found, the main file first; none that nothing was found in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllFound(pub Vec<Found>);

impl AllFound {
    /// Drawn for a terminal.
    #[must_use]
    pub fn render(&self, color: bool) -> String {
        self.0.iter().map(|found| crate::render(&found.faults, &found.text, color)).collect()
    }

    /// As [`Faults::to_json`], of all files in one list.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        let lists = self.0.iter().map(|found| found.faults.to_json(&found.text));
        lists.flat_map(|list| list.as_array().cloned().unwrap_or_default()).collect()
    }

    /// How many refuse the files, and how many are only warnings.
    #[must_use]
    pub fn count(&self) -> (usize, usize) {
        let counts = self.0.iter().map(|found| found.faults.count());
        counts.fold((0, 0), |(faults, warnings), (more, others)| (faults + more, warnings + others))
    }

    /// Whether nothing was found.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Where the file beside a main one is: `leasehold.local.toml` beside `leasehold.toml`.
#[must_use]
pub fn path_beside(main: &Path) -> PathBuf {
    let stem = main.file_stem().map_or(Cow::Borrowed("leasehold"), |stem| stem.to_string_lossy());
    main.with_file_name(format!("{stem}.local.toml"))
}

/// Checks the main file, with the one beside it where there is one.
///
/// # Errors
/// Everything that is wrong with the files, warnings among it.
pub fn check(
    main: Text<'_>,
    beside: Option<Text<'_>>,
    secrets: &dyn ReadSecret,
) -> Result<(Config, AllFound), AllFound> {
    let Some(beside) = beside else {
        let of_main = |faults: Faults| {
            let found = Found { faults, text: main.text.to_owned() };
            AllFound(if found.faults.is_empty() { Vec::new() } else { vec![found] })
        };
        return match crate::check(main.text, main.name, secrets) {
            Ok(Checked { config, warnings }) => Ok((config, of_main(warnings))),
            Err(faults) => Err(of_main(faults)),
        };
    };
    // One text after the other: places beyond the first are the second's.
    let both = format!("{}\n{}", main.text, beside.text);
    let boundary = main.text.len() + 1;
    let mut findings = Findings::default();
    only_its_tables(beside.text, boundary, &mut findings);
    let mut written = file::read(&both, &mut findings);
    gather(&mut written, &mut findings);
    let mut config = resolve::resolve(&written, secrets, &mut findings);
    crate::show(&mut config, &written, main);
    let faults = findings.into_faults(main.name, &both);
    let refused = faults.refuse();
    let found = split(faults, boundary, main, beside);
    if refused { Err(found) } else { Ok((config, found)) }
}

/// Each fault to its own file.
fn split(faults: Faults, boundary: usize, main: Text<'_>, beside: Text<'_>) -> AllFound {
    let (mut of_main, mut of_beside) = (Vec::new(), Vec::new());
    for mut fault in faults.list {
        let is_beside = fault.span.start >= boundary;
        if let Some((span, words)) = fault.related.take() {
            if (span.start >= boundary) == is_beside {
                fault.related = Some((moved(span, boundary, is_beside), words));
            } else {
                let (other, at) = match is_beside {
                    true => (main, span.start),
                    false => (beside, span.start - boundary),
                };
                let at = crate::fault::Position::of(other.text, at);
                fault.label = format!("{}; {}:{}:{}: {words}", fault.label, other.name, at.line, at.column);
            }
        }
        fault.span = moved(fault.span, boundary, is_beside);
        if is_beside { of_beside.push(fault) } else { of_main.push(fault) }
    }
    let found = |of: Text<'_>, list: Vec<Fault>| Found {
        faults: Faults { file: of.name.to_owned(), list },
        text: of.text.to_owned(),
    };
    let both = [found(main, of_main), found(beside, of_beside)];
    AllFound(both.into_iter().filter(|found| !found.faults.is_empty()).collect())
}

fn moved(span: Span, boundary: usize, is_beside: bool) -> Span {
    let by = if is_beside { boundary } else { 0 };
    Span { start: span.start - by, end: span.end.saturating_sub(by) }
}

/// Whatever is the main file's to say does not belong into this one.
fn only_its_tables(text: &str, boundary: usize, findings: &mut Findings) {
    let (document, _) = DeTable::parse_recoverable(text);
    for key in document.get_ref().keys().filter(|key| !TABLES.contains(&key.get_ref().as_ref())) {
        let Span { start, end } = key.span().into();
        findings.fault(
            Span { start: start + boundary, end: end + boundary },
            format!("`{}` does not belong into this file", key.get_ref()),
            "the main file's",
            "write it in the main file; here stand [[reservation]], [[record]] and [[host]] alone",
        );
    }
}

/// Reservations and records that stand by themselves go to the subnets and zones that they are for.
pub(crate) fn gather(file: &mut File, findings: &mut Findings) {
    for at in file.subnet.iter().flat_map(|subnet| &subnet.value.reservation) {
        if let Some(subnet) = &at.value.subnet {
            findings.fault(
                subnet.span,
                "the reservation stands in a subnet's table already",
                "not needed here",
                "take it out; it is for a [[reservation]] that stands by itself",
            );
        }
    }
    for at in file.zone.iter().filter_map(|zone| zone.value.records.as_ref()).flatten() {
        let (zone, view) = (at.value.zone.as_ref().map(|zone| zone.span), at.value.view.as_ref().map(|view| view.span));
        if let Some(span) = zone.or(view) {
            findings.fault(
                span,
                "the record stands in a zone's table already",
                "not needed here",
                "take it out; it is for a [[record]] that stands by itself",
            );
        }
    }
    for at in std::mem::take(&mut file.reservation) {
        place_reservation(file, at, findings);
    }
    for at in std::mem::take(&mut file.record) {
        place_record(file, at, findings);
    }
}

fn place_reservation(file: &mut File, at: At<Reservation>, findings: &mut Findings) {
    let prefix_of = |text: &str| text.parse::<Ipv4Net>().ok();
    let written = &at.value;
    let is_meant = |prefix: Ipv4Net| match (&written.subnet, &written.address) {
        (Some(subnet), _) => prefix_of(&subnet.value.0) == Some(prefix),
        (None, Some(address)) => {
            address.value.0.parse().is_ok_and(|address: std::net::Ipv4Addr| prefix.contains(&address))
        }
        (None, None) => false,
    };
    let found = file.subnet.iter_mut().find(|subnet| {
        subnet.value.prefix.as_ref().and_then(|prefix| prefix_of(&prefix.value.0)).is_some_and(is_meant)
    });
    match (found, &written.subnet, &written.address) {
        (Some(subnet), ..) => subnet.value.reservation.push(at),
        (None, Some(subnet), _) => {
            findings.absent(
                subnet.span,
                format!("there is no [[subnet]] with the prefix {}", subnet.value.0),
                "no such subnet",
                "write the prefix of a [[subnet]] of the main file",
            );
        }
        (None, None, Some(address)) => {
            findings.absent(
                address.span,
                format!("{} is in no [[subnet]]", address.value.0),
                "in no subnet",
                "write an address of one of the subnets",
            );
        }
        (None, None, None) => {
            findings.absent(
                at.span,
                "it is not told in which subnet the reservation is",
                "neither `subnet` nor `address`",
                "add `subnet = \"192.168.30.0/24\"`, or an address",
            );
        }
    }
}

fn place_record(file: &mut File, at: At<Record>, findings: &mut Findings) {
    let Some(zone) = &at.value.zone else {
        findings.absent(
            at.span,
            "it is not told in which zone the record is",
            "no `zone`",
            "add `zone = \"nasir.xyz\"`, the name of a [[zone]]",
        );
        return;
    };
    let name_of = |text: &str| text.trim_end_matches('.').to_ascii_lowercase();
    let meant = name_of(&zone.value.0);
    let is_meant = |one: &At<Zone>| one.value.name.as_ref().is_some_and(|name| name_of(&name.value.0) == meant);
    let views_of =
        |one: &At<Zone>| -> Vec<String> { one.value.views.iter().flatten().map(|view| view.value.0.clone()).collect() };
    let zones: Vec<(usize, Vec<String>)> =
        file.zone.iter().enumerate().filter(|(_, one)| is_meant(one)).map(|(at, one)| (at, views_of(one))).collect();
    let found = match (&at.value.view, &zones[..]) {
        (Some(view), _) => zones.iter().find(|(_, views)| views.contains(&view.value.0)),
        (None, [sole]) => Some(sole),
        (None, _) => zones.iter().find(|(_, views)| views.is_empty()),
    };
    if let Some((found, _)) = found {
        file.zone[*found].value.records.get_or_insert_default().push(at);
        return;
    }
    let views: Vec<String> = zones.iter().flat_map(|(_, views)| views.iter().cloned()).collect();
    match &at.value.view {
        _ if zones.is_empty() => findings.absent(
            zone.span,
            format!("there is no [[zone]] named {}", zone.value.0),
            "no such zone",
            "write the name of a [[zone]] of the main file",
        ),
        Some(view) if views.is_empty() => findings.absent(
            view.span,
            format!("the zone {} is for all views alike", zone.value.0),
            "it has no `views`",
            "take the key out",
        ),
        Some(view) => findings.absent(
            view.span,
            format!("no [[zone]] named {} is for the view {}", zone.value.0, view.value.0),
            "no zone of this view",
            format!("write one of these: {}", views.join(", ")),
        ),
        None => findings.absent(
            zone.span,
            format!("there are several [[zone]]s named {}, each for other views", zone.value.0),
            "which of them is not told",
            format!("add `view` with one of these: {}", views.join(", ")),
        ),
    }
}

/// A fault of a whole file that is none of its text: it cannot be read.
#[must_use]
pub fn unreadable(name: &str, why: &str) -> AllFound {
    let fault = Fault {
        severity: Severity::Fault,
        span: Span::default(),
        message: format!("the file cannot be read: {why}"),
        label: "here".to_owned(),
        mend: "see to it that the daemon may read it".to_owned(),
        related: None,
    };
    AllFound(vec![Found { faults: Faults { file: name.to_owned(), list: vec![fault] }, text: String::new() }])
}
