//! Runs the stories in `tests/scenarios`; docs/testing.md tells their language. [`said`] reads what a client says,
//! [`heard`] what it hears, [`value`] how both write a value.

mod heard;
mod said;
mod value;

use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;

use dhcp::decision::{CommitOutcome, Decision};
use dhcp::lease::Lease;
use dhcp::settings::{LeaseTime, ReservedFor, Settings, Subnet};

use self::heard::Heard;
use self::said::Said;
use crate::network::*;

#[test]
fn every_scenario_goes_as_it_is_told() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 5);
    let mut faults = Vec::new();
    for file in files {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        faults.extend(play(&fs::read_to_string(&file).unwrap()).err().map(|fault| format!("{name}:{fault}")));
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// A runner that finds nothing wrong would make every story true.
#[test]
fn a_scenario_that_is_not_true_fails_where_it_is_not() {
    let opening = "subnet 192.168.30.0/24 pool 192.168.30.100 192.168.30.101 lease 3600\n";
    for (story, fault) in [
        ("a DISCOVER => OFFER 192.168.30.101", "2: a DISCOVER => OFFER 192.168.30.101\n  but: OFFER 192.168.30.100"),
        ("a DISCOVER => silence", "but: OFFER 192.168.30.100"),
        ("a DISCOVER => OFFER 192.168.30.100\n  option 51 = 60s", "3: option 51 = 60s\n  but: 3600s"),
        ("a DISCOVER => OFFER 192.168.30.100\n  option 51 = absent", "but: 3600s"),
        ("a DISCOVER => OFFER 192.168.30.100\n  option 50 = 1.2.3.4", "but: absent"),
        ("a DISCOVER => OFFER 192.168.30.100\n  yiaddr = 192.168.30.101", "but: 192.168.30.100"),
        ("a DISCOVER => OFFER 192.168.30.100\n  order = 51 1", "but: 51 58 59 1"),
        ("a REQUEST => silence: other_server", "but: silence: no_address_named"),
        ("time => Expired 192.168.30.100", "but: nothing"),
        ("yiaddr = 192.168.30.100", "but: nobody replied"),
        ("a SINGS => silence", "no such message: SINGS"),
        ("a DISCOVER loudly => silence", "no such word: loudly"),
        ("a DISCOVER", "a message needs an outcome"),
    ] {
        let told = play(&format!("{opening}{story}")).unwrap_err();
        assert!(told.contains(fault), "{story}: {told}");
    }
}

/// The error names the line and tells what happened instead.
fn play(text: &str) -> Result<(), String> {
    let mut story = Story::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if !line.is_empty() {
            story.step(line).map_err(|told| format!("{}: {line}\n  but: {told}", number + 1))?;
        }
    }
    Ok(())
}

/// One server of a story, its settings, and its address on the link.
struct Actor {
    settings: Settings,
    server: Server,
    address: Ipv4Addr,
}

struct Story {
    actors: Vec<Actor>,
    start_secs: u64,
    /// The replies to the last message, in the order of the servers; who said nothing is left out.
    replies: Vec<Heard>,
}

impl Story {
    fn new() -> Self {
        let first = Actor { settings: settings([]), server: Server::new(settings([])), address: SERVER };
        Self { start_secs: first.server.now.wall_secs, actors: vec![first], replies: Vec::new() }
    }

    /// The error is what happened instead.
    fn step(&mut self, line: &str) -> Result<(), String> {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["server", address] => {
                let address = address.parse().map_err(|_| "not an address")?;
                let server = Server::restarted(settings([]), [], self.actors[0].server.now);
                self.actors.push(Actor { settings: settings([]), server, address });
            }
            ["at", secs] => self.pass(secs.parse().map_err(|_| "not seconds")?),
            ["restart"] => self.actors.iter_mut().for_each(Actor::restart),
            ["time", "=>", ref told @ ..] => {
                let brought: Vec<String> =
                    self.actors.iter_mut().map(|actor| told_by_time(&actor.server.tick())).collect();
                return same(&brought.join(" | "), &told.join(" "));
            }
            [_, "=", ..] | ["option", _, "=", ..] => return self.check(line),
            [_, word, ..] if word.starts_with(|first: char| first.is_ascii_uppercase()) => return self.hear(&words),
            _ => self.actors.last_mut().ok_or("no server")?.configure(&words)?,
        }
        Ok(())
    }

    fn pass(&mut self, at_secs: u64) {
        for actor in &mut self.actors {
            let at = self.start_secs + at_secs;
            actor.server.pass(at.checked_sub(actor.server.now.wall_secs).expect("time only goes on"));
        }
    }

    /// Every server that the message reaches decides, and stores what it decided.
    fn hear(&mut self, words: &[&str]) -> Result<(), String> {
        let split = words.iter().position(|word| ["=>", "fails"].contains(word)).ok_or("a message needs an outcome")?;
        let (said, outcome) = words.split_at(split);
        let said = said::read(said)?;
        let fails = outcome == ["fails"];
        self.replies.clear();
        let mut outcomes = Vec::new();
        for actor in self.actors.iter_mut().filter(|actor| said.reaches(actor.address)) {
            let decision = actor.decide(&said, if fails { CommitOutcome::Failed } else { CommitOutcome::Committed });
            outcomes.push(heard::outcome(&decision));
            self.replies.extend(decision.reply.map(|(reply, to)| Heard::new(&reply, to)));
        }
        if fails {
            return Ok(());
        }
        let told = outcome[1..].join(" ");
        // The reason for a silence is told where it matters.
        if !told.contains("silence:") {
            outcomes.iter_mut().filter(|outcome| outcome.starts_with("silence")).for_each(|it| it.truncate(7));
        }
        same(&outcomes.join(" | "), &told)
    }

    /// `FIELD = VALUE`, of the last reply; with two replies, `FIELD = VALUE | VALUE`.
    fn check(&self, line: &str) -> Result<(), String> {
        let (field, told) = line.split_once(" = ").ok_or("not FIELD = VALUE")?;
        if self.replies.is_empty() {
            return Err("nobody replied".into());
        }
        let told: Vec<&str> = told.trim().split(" | ").map(str::trim).collect();
        if told.len() != self.replies.len() {
            return Err(format!("{} servers replied", self.replies.len()));
        }
        for (reply, told) in self.replies.iter().zip(told) {
            reply.check(field.trim(), told)?;
        }
        Ok(())
    }
}

impl Actor {
    /// A line that is about the server's settings.
    fn configure(&mut self, words: &[&str]) -> Result<(), String> {
        match words {
            ["subnet", prefix, "pool", first, last, "lease", secs, bounds @ ..] => {
                let secs = secs.parse().map_err(|_| "not seconds")?;
                let (min, max) = match bounds {
                    [] => (secs, secs),
                    ["from", min, "to", max] => {
                        (min.parse().map_err(|_| "not seconds")?, max.parse().map_err(|_| "not seconds")?)
                    }
                    _ => return Err("no such word".into()),
                };
                self.settings.subnets.push(Subnet {
                    prefix: prefix.parse().map_err(|_| "not a prefix")?,
                    pools: vec![range(
                        first.parse().map_err(|_| "not an address")?,
                        last.parse().map_err(|_| "not an address")?,
                    )],
                    // Without options of its own.
                    scope: lasting(LeaseTime { default: secs, min, max }),
                    ..remote_subnet(0)
                });
                self.settings.subnets.sort_by_key(|subnet| subnet.prefix);
            }
            ["reserve", address, "for", client] => {
                let reserved = &mut self.settings.subnets.last_mut().ok_or("no subnet")?.reservations;
                let client = ReservedFor::Hardware(mac(client.as_bytes()[0]));
                reserved.push(reservation(address.parse().map_err(|_| "not an address")?, client));
                reserved.sort_by_key(|reservation| reservation.address);
            }
            ["give", "option", code, data] => {
                let code = code.parse().map_err(|_| "not a code")?;
                self.settings.scope.options.0.insert(code, value::read(data)?.into());
            }
            _ => return Err("no such line".into()),
        }
        self.server.engine.reconfigure(Arc::new(self.settings.clone()), self.server.now);
        Ok(())
    }

    fn restart(&mut self) {
        let stored: Vec<Lease> = self.server.engine.leases().collect();
        self.server = Server::restarted(self.settings.clone(), stored, self.server.now);
    }

    fn decide(&mut self, said: &Said, outcome: CommitOutcome) -> Decision {
        let decision = self.server.decide(&said.way_to(self.address), &said.message);
        if let Some(ticket) = decision.ticket {
            self.server.engine.settle(ticket, outcome);
        }
        decision
    }
}

fn told_by_time(brought: &[(dhcp::decision::LeaseEventKind, Ipv4Addr)]) -> String {
    let told: Vec<String> = brought.iter().map(|(kind, address)| format!("{kind:?} {address}")).collect();
    if told.is_empty() { "nothing".into() } else { told.join(" ") }
}

fn same(happened: &str, told: &str) -> Result<(), String> {
    if happened == told { Ok(()) } else { Err(happened.to_owned()) }
}
