//! Runs the stories in `tests/scenarios`. One step a line:
//!
//! - `subnet PREFIX pool FIRST LAST lease SECONDS`, once, first; `reserve ADDRESS for CLIENT`, at any time.
//! - `at SECONDS`: the clock, counted from the start. `restart`: only what was committed is left.
//! - `CLIENT MESSAGE [ADDRESS] => OUTCOME`: a client (a letter) is heard; the outcome is `OFFER ADDRESS`, `ACK ADDRESS`,
//!   `NAK`, `silence`, or for a message without reply what happened. `fails` in place of an outcome: the commit fails.
//! - `time => KIND ADDRESS ...` or `time => nothing`: what time alone brings.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use dhcp::client::ClientMessage;
use dhcp::decision::{CommitOutcome, Decision};
use dhcp::lease::Lease;
use dhcp::message::MessageType;
use dhcp::options::code;
use dhcp::settings::{LeaseTime, ReservedFor, Settings, Subnet};

use crate::network::*;

#[test]
fn every_scenario_goes_as_it_is_told() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 5);
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let mut story = Story::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.split('#').next().unwrap().trim();
            if !line.is_empty() {
                let name = file.file_name().unwrap().to_string_lossy();
                story.step(line).unwrap_or_else(|told| panic!("{name}:{}: {line}\n  but: {told}", number + 1));
            }
        }
    }
}

struct Story {
    settings: Settings,
    server: Server,
    start_secs: u64,
}

impl Story {
    fn new() -> Self {
        let server = Server::new(settings([]));
        Self { settings: settings([]), start_secs: server.now.wall_secs, server }
    }

    /// The error is what happened instead.
    fn step(&mut self, line: &str) -> Result<(), String> {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["subnet", prefix, "pool", first, last, "lease", secs] => {
                let secs = secs.parse().unwrap();
                self.settings = settings([Subnet {
                    prefix: prefix.parse().unwrap(),
                    pools: vec![range(first.parse().unwrap(), last.parse().unwrap())],
                    lease_secs: LeaseTime { default: secs, min: secs, max: secs },
                    ..subnet()
                }]);
                self.configure();
            }
            ["reserve", address, "for", client] => {
                let reserved = &mut self.settings.subnets[0].reservations;
                let client = ReservedFor::Hardware(mac(client.as_bytes()[0]));
                reserved.push(reservation(address.parse().unwrap(), client));
                reserved.sort_by_key(|reservation| reservation.address);
                self.configure();
            }
            ["at", secs] => {
                let at = self.start_secs + secs.parse::<u64>().unwrap();
                self.server.pass(at.checked_sub(self.server.now.wall_secs).unwrap());
            }
            ["restart"] => {
                let stored: Vec<Lease> = self.server.engine.leases().collect();
                let now = self.server.now;
                self.server = Server::restarted(self.settings.clone(), stored, now);
            }
            ["time", "=>", ref told @ ..] => {
                let brought: Vec<String> =
                    self.server.tick().iter().map(|(kind, address)| format!("{kind:?} {address}")).collect();
                let brought = if brought.is_empty() { "nothing".into() } else { brought.join(" ") };
                return same(&brought, &told.join(" "));
            }
            _ => return self.hear(&words),
        }
        Ok(())
    }

    fn configure(&mut self) {
        self.server.engine.reconfigure(Arc::new(self.settings.clone()), self.server.now);
    }

    fn hear(&mut self, words: &[&str]) -> Result<(), String> {
        let split = words.iter().position(|word| ["=>", "fails"].contains(word)).unwrap();
        let (said, outcome) = words.split_at(split);
        let (way, message) = message(said);
        let decision = self.server.decide(&way, &message);
        let fails = outcome == ["fails"];
        if let Some(ticket) = decision.ticket {
            let outcome = if fails { CommitOutcome::Failed } else { CommitOutcome::Committed };
            self.server.engine.settle(ticket, outcome);
        }
        if fails { Ok(()) } else { same(&outcome_of(&decision), &outcome[1..].join(" ")) }
    }
}

fn message(said: &[&str]) -> (Way, ClientMessage) {
    let client = said[0].as_bytes()[0];
    let address = said.get(2).map_or(ZERO, |address| address.parse().unwrap());
    match said[1] {
        "DISCOVER" if address == ZERO => (on_link(), discover(client)),
        "DISCOVER" => (on_link(), discover(client).with(code::REQUESTED_IP_ADDRESS, address.octets())),
        "SELECTING" => (on_link(), selecting(client, address)),
        "CHOOSES-ANOTHER" => (on_link(), init_reboot(client, address).with(code::SERVER_IDENTIFIER, [192, 168, 30, 2])),
        "INIT-REBOOT" => (on_link(), init_reboot(client, address)),
        "RENEWING" => (unicast(address), extending(client, address)),
        "REBINDING" => (on_link(), extending(client, address)),
        "RELEASE" => (unicast(address), release(client, address)),
        "DECLINE" => (on_link(), decline(client, address)),
        other => panic!("no such message: {other}"),
    }
}

fn outcome_of(decision: &Decision) -> String {
    match &decision.reply {
        Some((reply, _)) if reply.message_type == MessageType::Nak => "NAK".into(),
        Some((reply, _)) => format!("{} {}", reply.message_type, reply.yiaddr),
        None if decision.events.is_empty() => "silence".into(),
        None => kinds(decision).iter().map(|(kind, address)| format!("{kind:?} {address}")).collect(),
    }
}

fn same(happened: &str, told: &str) -> Result<(), String> {
    if happened == told { Ok(()) } else { Err(happened.to_owned()) }
}
