//! New settings while it runs lead to what a start with them would: the same leases, and the same in DNS.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use ddns::wanted::{Want, WantedRow};
use dhcp::identity::HardwareAddress;
use dhcp::lease::LeaseState;

use super::*;

const NOW: Now = Now { boot_ms: 1_000, wall_secs: 1_800_000_000 };
const NAMES: [&str; 4] = ["pc", "tv", "nas", "printer"];

/// xorshift64.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }

    fn one_in(&mut self, many: usize) -> bool {
        self.below(many) == 0
    }

    /// A file with some of what decides about names.
    fn configuration(&mut self) -> String {
        let mut text = String::from("[dns]\nenabled = true\n[ddns]\n");
        if self.one_in(3) {
            text.push_str("generate = \"ip\"\nreplace = \"when-absent\"\n");
        }
        for zone in ["one.test", "two.test", "sub.one.test"] {
            if !self.one_in(4) || zone == "one.test" {
                text.push_str(&format!("[[zone]]\nname = \"{zone}\"\n"));
                if self.one_in(3) {
                    let name = NAMES[self.below(4)];
                    text.push_str(&format!("records = [{{ name = \"{name}\", type = \"A\", data = \"10.9.9.9\" }}]\n"));
                }
            }
        }
        for subnet in 0..2_usize {
            if subnet == 1 && self.one_in(4) {
                continue;
            }
            text.push_str(&format!(
                "[[subnet]]\nprefix = \"10.0.{subnet}.0/24\"\npools = [\"10.0.{subnet}.10-10.0.{subnet}.99\"]\n"
            ));
            let domains: Vec<&str> = ["one.test", "two.test", "sub.one.test"]
                .into_iter()
                .filter(|domain| text.contains(&format!("name = \"{domain}\"")))
                .collect();
            if !self.one_in(5) {
                text.push_str(&format!("domain = \"{}\"\n", domains[self.below(domains.len())]));
            }
            if self.one_in(6) {
                text.push_str("active = false\n");
            }
            let mut free: Vec<usize> = (0..4).collect();
            for host in 1..4_usize {
                if self.one_in(3) {
                    let name = NAMES[free.remove(self.below(free.len()))];
                    let number = subnet * 10 + host;
                    text.push_str(&format!(
                        "[[subnet.reservation]]\nhardware = \"02:00:00:00:00:{number:02x}\"\n\
                         address = \"10.0.{subnet}.{}\"\nhostname = \"{name}\"\n",
                        10 + host
                    ));
                }
            }
        }
        text
    }
}

type Both = (Arc<dhcp::settings::Settings>, Arc<ddns::settings::Settings>);

/// A configuration that can be served; those that cannot are not the matter here.
fn settings(random: &mut Random) -> Both {
    loop {
        let text = random.configuration();
        if let Ok(checked) = config::check(&text, "test.toml", &|_: &std::path::Path| Err("none".to_owned())) {
            return (Arc::new(checked.config.dhcp), Arc::new(checked.config.ddns));
        }
    }
}

fn lease(random: &mut Random, subnet: u8, host: u8) -> Lease {
    let hostname = if random.one_in(4) { "" } else { NAMES[random.below(4)] };
    Lease {
        address: Ipv4Addr::new(10, 0, subnet, 10 + host),
        subnet: format!("10.0.{subnet}.0/24").parse().unwrap(),
        state: LeaseState::Bound,
        hardware: HardwareAddress::new(1, &[2, 0, 0, 0, 0, subnet * 10 + host]).unwrap(),
        client_id: None,
        started_at: NOW.wall_secs,
        renewed_at: NOW.wall_secs,
        expires_at: NOW.wall_secs + 3_600,
        hostname: hostname.as_bytes().into(),
        client_fqdn: dns::Bytes::default(),
        name: None,
        relay: Ipv4Addr::UNSPECIFIED,
        relay_agent_info: dns::Bytes::default(),
        server_identifier_override: None,
    }
}

/// Lets it do what it wants to do at once; every commit succeeds.
fn run(core: &mut Core, most: usize) {
    for _ in 0..10_000 {
        if core.poll_timeout() != Some(0) {
            return;
        }
        for work in core.handle_timeout(NOW, most) {
            if let Some(id) = work.transaction {
                core.settle(id, CommitOutcome::Committed);
            }
        }
    }
    panic!("it never ends");
}

/// What clients and DNS see of it: the leases, and what is wanted in DNS.
fn seen(core: &Core) -> (Vec<Lease>, BTreeMap<RowKey, Option<Want>>) {
    let wanted = core.wanted().iter().map(|row| (row.key, row.want));
    (core.engine().leases().collect(), wanted.collect())
}

/// As the store holds it, for a core that is made anew.
fn restarted(core: &Core, (dhcp, ddns): &Both) -> Core {
    let rows: Vec<WantedRow> = core.wanted().iter().collect();
    let leases = core.engine().leases().collect();
    let mut core = Core::new(Arc::clone(dhcp), Arc::clone(ddns), leases, WantedTable::load(rows, &[]), NOW);
    let mended = core.mend_wanted();
    if let Some(id) = mended.transaction {
        core.settle(id, CommitOutcome::Committed);
    }
    core
}

#[test]
fn a_reload_leads_to_what_a_restart_with_the_new_file_would() {
    for seed in 1..=400_u64 {
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let before = settings(&mut random);
        let mut leases = Vec::new();
        for (subnet, host) in (0..2).flat_map(|subnet| (1..6).map(move |host| (subnet, host))) {
            if !random.one_in(3) {
                leases.push(lease(&mut random, subnet, host));
            }
        }
        let mut reloaded = Core::new(Arc::clone(&before.0), Arc::clone(&before.1), leases, WantedTable::default(), NOW);
        run(&mut reloaded, 100);
        // Several files, one after the other; some come before the pass of the one before is over.
        let mut now = before;
        for step in 0..3 {
            let next = settings(&mut random);
            let most = [1, 3, 100][random.below(3)];
            let mut anew = restarted(&reloaded, &next);
            reloaded.reconfigure(Arc::clone(&next.0), Arc::clone(&next.1), Vec::new(), NOW);
            run(&mut reloaded, most);
            run(&mut anew, 100);
            let (ours, theirs) = (seen(&reloaded), seen(&anew));
            assert_eq!(ours.0, theirs.0, "leases: seed {seed}, step {step}\n{now:#?}\n{next:#?}");
            assert_eq!(ours.1, theirs.1, "names: seed {seed}, step {step}");
            now = next;
        }
    }
}
