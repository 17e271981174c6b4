//! `leasehold explain NAME|ADDRESS|MAC`: the running daemon's story, as a person reads it.

use std::fmt::Write as _;
use std::process::ExitCode;

use crate::commands::Daemon;
use crate::control::{Request, local_time};
use crate::explain::views::{Explanation, LeaseStory, Policy, RecordStory};

pub(super) fn run(asked: &str, daemon: &Daemon) -> anyhow::Result<ExitCode> {
    let told: Explanation = daemon.ask(&Request::Explain(asked.to_owned()))?;
    if daemon.json {
        println!("{}", serde_json::to_string_pretty(&told)?);
    } else {
        print!("{}", text(&told));
    }
    Ok(ExitCode::SUCCESS)
}

fn text(told: &Explanation) -> String {
    let mut out = String::new();
    line(&mut out, "", &told.verdict);
    for reservation in &told.reservations {
        line(&mut out, "RESERVATION", reservation);
    }
    if let Some(words) = &told.elsewhere {
        line(&mut out, "ELSEWHERE", words);
    }
    told.leases.iter().for_each(|lease| lease_lines(&mut out, lease));
    told.records.iter().for_each(|record| record_lines(&mut out, record));
    if told.left_out > 0 {
        line(&mut out, "", &format!("{} more leases and reservations are not told of", told.left_out));
    }
    out
}

/// A heading and what stands beside it.
fn line(out: &mut String, heading: &str, words: &str) {
    let _ = match heading {
        "" => writeln!(out, "{words}"),
        heading => writeln!(out, "{heading:<13}{words}"),
    };
}

fn lease_lines(out: &mut String, lease: &LeaseStory) {
    let end = match (lease.state.as_str(), lease.ends_at) {
        (_, None) => "without end".to_owned(),
        ("bound" | "quarantined", Some(at)) => format!("until {}", local_time(at)),
        (_, Some(at)) => format!("since {}", local_time(at)),
    };
    let LeaseStory { address, subnet, state, hardware, .. } = lease;
    line(out, "LEASE", &format!("{address} in {subnet}, {state} {end}, of {hardware}"));
    if let Some(id) = &lease.client_id {
        line(out, "", &format!("{:<13}client identifier {id}", ""));
    }
    if let Some(hostname) = &lease.sent_hostname {
        line(out, "SENT", &format!("host name (option 12) \"{hostname}\""));
    }
    if let Some(sent) = &lease.sent_fqdn {
        let bit = |set: bool| u8::from(set);
        let flags = format!("N={} E={} O={} S={}", bit(sent.n), bit(sent.e), bit(sent.o), bit(sent.s));
        line(out, "SENT", &format!("full name (option 81) \"{}\", {flags}", sent.name));
    }
    if lease.sent_hostname.is_none() && lease.sent_fqdn.is_none() {
        line(out, "SENT", "no name");
    }
    if let Some(cleaned) = &lease.cleaned {
        line(out, "CLEANED", cleaned);
    }
    for (at, step) in lease.steps.iter().enumerate() {
        line(out, if at == 0 { "STEPS" } else { "" }, &format!("{}{step}", if at == 0 { "" } else { "             " }));
    }
    line(out, "NAME", &format!("{}: {}", lease.name.as_deref().unwrap_or("none"), lease.decision));
    if let Some(Policy { domain, client_updates, conflict_guard, conflict, ttl, after_expiry, generate }) =
        &lease.policy
    {
        line(
            out,
            "RULES",
            &format!("domain {domain}, client_updates {client_updates}, conflict_check {conflict_guard}"),
        );
        line(out, "", &format!("{:<13}conflict {conflict}; generated names: {generate}", ""));
        line(out, "", &format!("{:<13}TTL {ttl}; after expiry {after_expiry}", ""));
    }
}

fn record_lines(out: &mut String, record: &RecordStory) {
    let RecordStory { key, rtype, state, tries, .. } = record;
    let wanted = record.wanted.as_deref().unwrap_or("nothing");
    let ttl = record.ttl_secs.map_or_else(String::new, |secs| format!(" with a TTL of {secs} s"));
    line(out, if rtype == "PTR" { "POINTER" } else { "RECORDS" }, &format!("{key}: {wanted}{ttl} is wanted; {state}"));
    let at = match (&record.zone, &record.servers) {
        (None, _) => "in no zone of the configuration".to_owned(),
        (Some(zone), None) => format!("zone {zone} of this server itself"),
        (Some(zone), Some(servers)) => {
            let key = record.key_name.as_ref().map_or_else(
                || "not signed".to_owned(),
                // An account of a realm; no key of ours has such a name.
                |key| match key.contains('@') {
                    true => format!("signed by the ticket of {key}"),
                    false => format!("signed by key {key}"),
                },
            );
            let used = record.used.as_ref().map_or_else(String::new, |used| format!(", now at {used}"));
            format!("zone {zone} at {}{used}, {key}", servers.join(", "))
        }
    };
    let beside = |words: &str| format!("{:<13}{words}", "");
    let stands = (rtype == "PTR" && !record.owner.is_empty()).then(|| format!("{} in ", record.owner));
    line(out, "", &beside(&format!("{}{at}", stands.unwrap_or_default())));
    line(out, "", &beside(&record.prerequisite));
    if let Some(found) = &record.found {
        line(out, "", &beside(&format!("asked now: {found}")));
    }
    let answered =
        record.answered_at.map_or_else(|| "no answer yet".to_owned(), |at| format!("last answer {}", local_time(at)));
    let next = record.next_try_secs.map_or_else(String::new, |secs| format!(", next try in {secs} s"));
    let failed = if *tries > 0 { format!(", {tries} tries since the last success") } else { String::new() };
    line(out, "", &beside(&format!("{answered}{failed}{next}")));
    if let Some(since) = record.zone_down_since {
        line(out, "", &beside(&format!("the zone cannot be updated since {}", local_time(since))));
    }
}
