//! `leasehold status`.

use std::process::ExitCode;

use clap::Args;
use comfy_table::{ContentArrangement, Table, presets};

use web::model::{DnsFigures, ForwarderFigures, PastFigures};

use crate::control::{self, AuditSummary, Request, StatusView, SubnetView};

/// Show how the running daemon stands: subnets' use, the store, and what was counted.
#[derive(Args, Debug)]
pub struct Status {
    /// Where the daemon is.
    #[command(flatten)]
    pub daemon: super::Daemon,
}

/// Runs it. The exit code is 1 while the store has no room.
///
/// # Errors
/// When no daemon answers at the socket.
pub fn run(status: &Status) -> anyhow::Result<ExitCode> {
    let view: StatusView = status.daemon.ask(&Request::Status)?;
    let code = if view.storage_full { ExitCode::FAILURE } else { ExitCode::SUCCESS };
    if status.daemon.json {
        println!("{}", serde_json::to_string_pretty(&view)?);
        return Ok(code);
    }
    println!("leasehold {}", view.version);
    view.confinement.iter().for_each(|confinement| println!("{confinement}"));
    if view.storage_full {
        println!("the disk of the lease store is full: renewals get what is left of their leases, new clients nothing");
    }
    match view.subnets.is_empty() {
        true => println!("no subnet: no DHCP is served"),
        false => println!("{}", table(&view.subnets)),
    }
    for line in view.zones.iter().flat_map(|zone| zone.lines(false)) {
        println!("{line}");
    }
    for copy in &view.copies {
        println!("{}", copy.line());
    }
    if let Some(audit) = &view.audit {
        print_audit(audit);
    }
    for held in &view.held_back {
        let zone = &held.zone;
        println!(
            "zone {zone}: {} of {} names are wanted no more since the configuration changed, and not deleted (leasehold dns \
             confirm-deletions {zone})",
            held.held, held.names
        );
    }
    view.dns.iter().flat_map(dns_lines).for_each(|line| println!("{line}"));
    let counters = &view.counters;
    println!("{} datagrams received, {} replies sent since the start", counters.received, counters.sent);
    if counters.repeated > 0 {
        println!(
            "{} waited in a crowd until their clients had asked again: the later ones were served",
            counters.repeated
        );
    }
    if counters.crowded_out > 0 {
        println!("{} not answered: more waited than may", counters.crowded_out);
    }
    for (reason, count) in &counters.dropped {
        println!("{count} not answered: {reason}");
    }
    Ok(code)
}

fn table(subnets: &[SubnetView]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(["SUBNET", "POOL", "FREE", "BOUND", "OFFERED", "QUARANTINED"]);
    for subnet in subnets {
        let counts = [subnet.pool, subnet.free, subnet.bound, subnet.offered, subnet.quarantined];
        table.add_row(std::iter::once(subnet.prefix.clone()).chain(counts.map(|count| count.to_string())));
    }
    table
}

/// What the last audit of the zones found.
fn print_audit(audit: &AuditSummary) {
    let c = &audit.counts;
    println!(
        "zones audited at {}: {} right, {} missing, {} changed, {} stale, {} foreign",
        control::local_time(audit.at),
        c.right,
        c.missing,
        c.changed,
        c.stale,
        c.foreign
    );
    for zone in &audit.failed {
        println!("zone {zone} could not be read");
    }
    for zone in &audit.stopped {
        println!("zone {zone} is not repaired: too much would be deleted (leasehold dns repair --zone {zone})");
    }
}

/// The DNS server in lines.
fn dns_lines(dns: &DnsFigures) -> Vec<String> {
    let by = |word: &str| dns.requests.get(word).copied().unwrap_or_default();
    let (udp, tcp, tls, https) = (by("udp"), by("tcp"), by("tls"), by("https"));
    let mut lines =
        vec![format!("{udp} DNS requests by UDP, {tcp} by TCP, {tls} by TLS, {https} by HTTPS since the start")];
    let refused = [
        (dns.connections_refused, "DNS connections closed at once: their asker had its share"),
        (dns.handshakes_failed, "DNS connections came to no TLS"),
        (dns.http_refused, "requests by HTTPS held no DNS message"),
    ];
    lines.extend(refused.iter().filter(|(count, _)| *count > 0).map(|(count, words)| format!("{count} {words}")));
    let PastFigures { steps, octets, crowded_out } = dns.past;
    if steps > 0 || crowded_out > 0 {
        let crowded = match crowded_out {
            0 => String::new(),
            some => format!(", {some} made room for those of other zones"),
        };
        lines.push(format!("steps of zones kept for transfers: {steps} in {} KiB{crowded}", octets / 1024));
    }
    lines.extend(dns.forwarder.iter().flat_map(forwarder_lines));
    lines
}

fn forwarder_lines(forwarder: &ForwarderFigures) -> Vec<String> {
    let ForwarderFigures { questions, validated, kept, kept_octets, evicted, refreshed, .. } = forwarder;
    let all = |counts: &std::collections::BTreeMap<String, u64>| {
        counts.iter().map(|(word, count)| format!("{count} {word}")).collect::<Vec<_>>().join(", ")
    };
    let mut lines = vec![
        format!("names of others: {}", all(questions)),
        format!(
            "their answers kept: {kept} in {} KiB, {evicted} made room, {refreshed} asked for anew before their end",
            kept_octets / 1024
        ),
    ];
    if !validated.is_empty() {
        lines.push(format!("validated: {}", all(validated)));
    }
    for one in &forwarder.upstreams {
        let domains = if one.domains.is_empty() { String::new() } else { format!(" for {}", one.domains.join(", ")) };
        let took = one.answers_in_ms.map_or_else(String::new, |ms| format!(", answers in {ms} ms"));
        let forged = match (one.forged, one.guarded) {
            (0, _) => String::new(),
            (count, false) => format!(", {count} datagrams in its name were no answers"),
            (count, true) => {
                format!(", {count} datagrams in its name were no answers: somebody guesses, it is guarded")
            }
        };
        lines.push(format!("upstream {}{domains}: {}{took}{forged}", one.upstream, one.state));
    }
    for list in &forwarder.blocks {
        let trouble = match (&list.trouble, list.trouble_since) {
            (Some(words), Some(since)) => format!("; since {} {words}", control::local_time(since)),
            _ => String::new(),
        };
        let blocked = if list.blocked > 0 { format!(", {} blocked", list.blocked) } else { String::new() };
        lines.push(format!("block list {}: {} names{blocked}{trouble}", list.name, list.names));
    }
    lines
}

#[cfg(test)]
mod tests {
    use web::model::{BlockFigures, UpstreamFigures};

    use super::*;

    #[test]
    fn what_the_dns_server_counted_and_whom_it_asks_are_told_in_lines() {
        let counts = |of: &[(&str, u64)]| of.iter().map(|(word, count)| ((*word).to_owned(), *count)).collect();
        let forwarder = ForwarderFigures {
            questions: counts(&[("asked", 2), ("known", 7)]),
            validated: counts(&[("bogus", 1), ("secure", 3)]),
            kept: 4,
            kept_octets: 2048,
            upstreams: vec![UpstreamFigures {
                upstream: "10.0.0.53".to_owned(),
                domains: vec!["corp.example".to_owned()],
                state: "down".to_owned(),
                answers_in_ms: Some(12),
                forged: 3,
                guarded: true,
                failed_at: None,
            }],
            blocks: vec![BlockFigures {
                name: "ads".to_owned(),
                names: 5,
                trouble: Some("it could not be fetched: timeout".to_owned()),
                trouble_since: Some(1_000_000),
                blocked: 9,
                ..BlockFigures::default()
            }],
            ..ForwarderFigures::default()
        };
        let dns = DnsFigures {
            requests: counts(&[("tls", 3), ("udp", 9)]),
            handshakes_failed: 1,
            past: PastFigures { steps: 7, octets: 2_500, crowded_out: 3 },
            forwarder: Some(forwarder),
            ..DnsFigures::default()
        };
        let mut lines = dns_lines(&dns);
        assert_eq!(lines[0], "9 DNS requests by UDP, 0 by TCP, 3 by TLS, 0 by HTTPS since the start");
        assert_eq!(lines.remove(1), "1 DNS connections came to no TLS");
        let steps = lines.remove(1);
        assert_eq!(steps, "steps of zones kept for transfers: 7 in 2 KiB, 3 made room for those of other zones");
        assert_eq!(lines[1], "names of others: 2 asked, 7 known");
        assert!(lines[2].starts_with("their answers kept: 4 in 2 KiB"), "{lines:?}");
        assert_eq!(
            lines[3..5],
            [
                "validated: 1 bogus, 3 secure",
                "upstream 10.0.0.53 for corp.example: down, answers in 12 ms, 3 datagrams in its name were no answers: \
                 somebody guesses, it is guarded"
            ]
        );
        assert!(lines[5].starts_with("block list ads: 5 names, 9 blocked; since 1970"), "{lines:?}");
        assert!(lines[5].ends_with("it could not be fetched: timeout"), "{lines:?}");
    }
}
