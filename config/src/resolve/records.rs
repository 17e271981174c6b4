//! Static records: the owner, type and data of each as a master file has them.

use std::collections::BTreeMap;

use ::zones::master::lines::Lines;
use dns::text::{Word, rdata_from_words};
use dns::{Fqdn, Rdata, RecordType, Rrset};

use super::keys::plain;
use super::scalars::{finite_seconds, name_from};
use crate::fault::{Findings, Span};
use crate::file::At;
use crate::file::kinds::FreeText;
use crate::file::v1;

/// Sets by name and type.
pub(super) type Sets = BTreeMap<(Fqdn, RecordType), Rrset>;

/// The static records as sets: those of `filed`, and those that the configuration itself has.
///
/// `is_meant` says which of the file's records these are: those of the zone, or those of one view.
pub(super) fn records(
    zone: &v1::Zone,
    filed: Sets,
    (apex, ttl_default): (&Fqdn, u32),
    is_meant: &dyn Fn(&v1::Record) -> bool,
    findings: &mut Findings,
) -> Vec<Rrset> {
    let mut sets = filed;
    let mut placed: Vec<(Fqdn, RecordType, Span)> = Vec::new();
    for at in zone.records.iter().flatten().filter(|at| is_meant(&at.value)) {
        let record = &at.value;
        let (Some(owner), Some(rtype), Some(data)) = (&record.name, record_type(record, findings), &record.data) else {
            continue;
        };
        let ttl = record.ttl.as_ref().and_then(|ttl| finite_seconds(ttl, "ttl", findings)).unwrap_or(ttl_default);
        let Some(owner_name) = relative(&owner.value.0, owner.span, apex, findings) else { continue };
        if !owner_name.is_within(apex) {
            findings.fault(
                owner.span,
                format!("`{}` is not within the zone `{}`", owner.value.0, plain(apex)),
                "outside the zone",
                "write the name relative to the zone, such as \"www\", or \"@\" for the zone itself",
            );
            continue;
        }
        let Some(rdata) = record_data(rtype, data, apex, findings) else { continue };
        placed.push((owner_name.clone(), rtype, at.span));
        sets.entry((owner_name.clone(), rtype))
            .and_modify(|set| {
                // RFC 2181 section 5.2: the records of a set have one TTL.
                set.ttl = set.ttl.min(ttl);
                set.insert(rdata.clone());
            })
            .or_insert_with(|| Rrset::single(owner_name, rtype, ttl, rdata));
    }
    check_aliases(&sets, &placed, apex, findings);
    sets.into_values().collect()
}

/// RFC 1034 section 3.6.2: "If a CNAME RR is present at a node, no other data should be present".
fn check_aliases(sets: &Sets, placed: &[(Fqdn, RecordType, Span)], apex: &Fqdn, findings: &mut Findings) {
    for ((owner, rtype), set) in sets {
        if *rtype != RecordType::CNAME {
            continue;
        }
        let others = sets.keys().any(|(name, other)| name == owner && other != rtype);
        if others || owner == apex || set.rdata.len() > 1 {
            let span = placed.iter().rev().find(|(name, kind, _)| name == owner && kind == rtype);
            findings.fault(
                span.map_or_else(Span::default, |(_, _, span)| *span),
                format!("`{}` has a CNAME record and other records", plain(owner)),
                "an alias stands alone",
                "give the alias a name of its own, or take the other records out (RFC 1034 section 3.6.2)",
            );
        }
    }
}

/// A name in a zone file: `@` is the apex, without a final dot it is relative to the apex.
pub(crate) fn relative(text: &str, span: Span, apex: &Fqdn, findings: &mut Findings) -> Option<Fqdn> {
    let text = text.trim();
    if text == "@" {
        return Some(apex.clone());
    }
    // A wildcard (RFC 4592) is the one name with a character of its own.
    let (wildcard, stem) = match text.strip_prefix("*.") {
        Some(stem) => (true, stem),
        None if text == "*" => return apex.prepend_label(b"*").ok(),
        None => (false, text),
    };
    let name = name_from(stem, span, findings)?;
    let full = if text.ends_with('.') { Ok(name) } else { name.concat(apex) };
    let full = full.and_then(|full| if wildcard { full.prepend_label(b"*") } else { Ok(full) });
    match full {
        Ok(full) => Some(full),
        Err(error) => {
            findings.fault(span, format!("`{text}` is not a name: {error}"), "not a name", "choose a shorter one");
            None
        }
    }
}

/// The type of a record, if it is one that a zone can hold.
fn record_type(record: &v1::Record, findings: &mut Findings) -> Option<RecordType> {
    let at = record.rtype.as_ref()?;
    let text = at.value.0.trim();
    match text.parse::<RecordType>() {
        Ok(RecordType::SOA) => {
            findings.fault(
                at.span,
                "the SOA record is made of `ns`, `hostmaster` and `ttl`",
                "made already",
                "take it out, or write it in the zone's `file`",
            );
            None
        }
        Ok(rtype) if rtype.is_data() => Some(rtype),
        _ => {
            no_type(text, at.span, findings);
            None
        }
    }
}

/// Says that there is no such type.
pub(super) fn no_type(text: &str, span: Span, findings: &mut Findings) {
    findings.fault(
        span,
        format!("`{text}` is not a type of record"),
        "no such type",
        "write a type such as A, AAAA, CNAME, MX, SRV or TXT, or TYPE and its number",
    );
}

/// How the data of the commonest types look.
fn example(rtype: RecordType) -> &'static str {
    match rtype.0 {
        1 => "192.168.30.2",
        2 | 5 | 12 | 39 => "mail",
        13 => r#""PC" "Linux""#,
        15 => "10 mail",
        16 => "any text",
        28 => "2001:db8::2",
        33 => "0 5 5060 sip",
        35 => r#"100 10 "u" "E2U+sip" "!^.*$!sip:info@nasir.xyz!" ."#,
        44 => "4 2 123456789ABCDEF67890123456789ABCDEF67890123456789ABCDEF123456789",
        52 => "3 1 1 0C72AC70B745AC19998811B131D662C9AC69DBDBE7CB23E5B514B56664C5D3D6",
        64 | 65 => "1 . alpn=h2",
        257 => r#"0 issue "letsencrypt.org""#,
        _ => r"\# 2 0102",
    }
}

/// The data of a record, as a master file has it. A TXT record's may be one text without quotes.
pub(crate) fn record_data(rtype: RecordType, at: &At<FreeText>, apex: &Fqdn, findings: &mut Findings) -> Option<Rdata> {
    let text = at.value.0.as_str();
    let trimmed = text.trim();
    if rtype == RecordType::TXT && !trimmed.starts_with(['"', '\\']) {
        return Some(Rdata::txt(&[trimmed]));
    }
    // A record that is one name has the faults of names.
    if matches!(rtype, RecordType::CNAME | RecordType::NS | RecordType::PTR) && !trimmed.contains(char::is_whitespace) {
        let target = relative(trimmed, at.span, apex, findings)?;
        return Some(match rtype {
            RecordType::CNAME => Rdata::cname(&target),
            RecordType::NS => Rdata::ns(&target),
            _ => Rdata::ptr(&target),
        });
    }
    // In TOML a text with quotes or a backslash stands in single quotes.
    let mend = || match example(rtype) {
        text if text.contains(['"', '\\']) => format!("write it like '{text}'"),
        text => format!("write it like \"{text}\""),
    };
    let mut lines = Lines::new(text);
    let line = match (lines.next(), lines.next()) {
        (Some(Ok(line)), None) => line,
        (Some(Err((token, why))), _) => {
            let span = word_span(at, token.column, 1);
            findings.fault(span, format!("`{trimmed}` is not {rtype} data: {why}"), "wrong data", mend());
            return None;
        }
        _ => {
            findings.fault(at.span, format!("`{trimmed}` is not {rtype} data"), "wrong data", mend());
            return None;
        }
    };
    let words: Vec<Word<'_>> = line.tokens.iter().map(|token| token.word).collect();
    match rdata_from_words(rtype, &words, apex) {
        Ok(rdata) => Some(rdata),
        Err(error) => {
            let token = line.tokens.get(error.word).filter(|_| line.tokens.len() > 1);
            let span = token.map_or(at.span, |token| word_span(at, token.column, token.word.text.len()));
            let why = error.message;
            findings.fault(span, format!("`{trimmed}` is not {rtype} data: {why}"), "wrong data", mend());
            None
        }
    }
}

/// Where a word of a text stands in the file; all of the text, when it is not written there as it is.
fn word_span(at: &At<FreeText>, column: usize, length: usize) -> Span {
    let text = at.value.0.as_str();
    let is_plain = at.span.end - at.span.start == text.len() + 2;
    match text.char_indices().nth(column - 1) {
        Some((offset, _)) if is_plain => {
            let start = at.span.start + 1 + offset;
            Span { start, end: (start + length).min(at.span.end - 1) }
        }
        _ => at.span,
    }
}
