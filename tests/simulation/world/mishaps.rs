//! What befalls a world: crashes, failing and full disks, clock jumps, a DNS server that goes or refuses, strangers.

use dns::Rcode;
use store::simulated::{Failure, Kind, Rates};

use super::holds::Holds;
use super::{Checked, Event, SERVER, World};
use crate::packet::{DECLINE, DISCOVER, Packet, RELEASE, REQUEST};
use crate::plan::make_by_hand;
use crate::remote::Door;
use crate::server::{Server, Started};
use store::rows::Row;

impl World {
    pub(super) fn mishap(&mut self) -> Checked {
        if self.quiet {
            return Ok(());
        }
        let next = self.now + 500 + self.rng.below(self.plan.mishap_pause_ms);
        self.at(next, Event::Mishap);
        match self.rng.below(19) {
            0 => return self.die(true, &[]),
            1 => return self.die(false, &[]),
            2 => {
                let kind = *self.rng.pick(&[Kind::Write, Kind::Sync, Kind::Rename, Kind::SyncDir, Kind::Create]);
                self.note(|| format!("crash at next {kind:?}"));
                self.storage.fail_next(kind, Failure::Crash);
            }
            3 => self.disturb_disk(),
            4 | 5 if self.plan.disk_fails => {
                let used = self.storage.used();
                self.note(|| format!("disk full: {used} bytes"));
                self.storage.set_capacity(Some(used));
                let until = self.now + 10_000 + self.rng.below(150_000);
                self.at(until, Event::Room);
                // The segment that was ready for this is begun, so that room soon ends.
                self.compact();
            }
            6 | 7 => {
                let door = self.some_door();
                let up = &mut self.remote.doors[door].up;
                *up = !*up;
                let up = *up;
                self.note(|| format!("DNS {door} up={up}"));
            }
            8 => {
                let codes = [Rcode::REFUSED, Rcode::SERV_FAIL, Rcode::NOT_AUTH, Rcode::BAD_KEY, Rcode::BAD_TIME];
                let door = self.some_door();
                self.remote.doors[door].refuses = self.rng.permille(500).then(|| *self.rng.pick(&codes));
            }
            9 if self.plan.clock_jumps => {
                let by = i64::try_from(self.rng.below(600)).expect("small") - 300;
                self.jump(by);
            }
            10 | 11 => self.rogue(),
            12 | 13 => self.make_by_hand()?,
            14 => return self.check_store(),
            15 => self.confirm_deletions(),
            16..=18 if self.plan.edits => self.edit(),
            _ => self.compact(),
        }
        Ok(())
    }

    fn some_door(&mut self) -> usize {
        let doors = self.remote.doors.len() as u64;
        usize::try_from(self.rng.below(doors)).expect("few")
    }

    fn jump(&mut self, by: i64) {
        match by {
            0 => {}
            1.. => self.count("clock jumped forward"),
            _ => self.count("clock jumped back"),
        }
        self.skew += by;
        self.skew_max = self.skew_max.max(self.skew);
        if by > 0 {
            self.last_jump = (self.now, self.jumped);
            self.jumped += by.unsigned_abs();
        }
        self.note(|| format!("the clock jumps by {by} s"));
    }

    fn compact(&mut self) {
        if let Some(server) = &mut self.server {
            server.begin_compaction();
        }
        let at = self.now + self.rng.below(200);
        self.at(at, Event::Compaction(self.run));
    }

    /// The operator edits the configuration; a server that does not run finds it when it starts.
    fn edit(&mut self) {
        let what = self.plan.edit(&mut self.rng);
        self.note(|| what.to_owned());
        self.count(what);
        let now = self.clock();
        if let Some(server) = &mut self.server {
            server.reconfigure(now, &self.plan.settings);
            self.schedule();
        }
    }

    /// Somebody with a key, or the other server's administrator, makes a record.
    fn make_by_hand(&mut self) -> Checked {
        let Some(number) = self.to_be_made() else { return Ok(()) };
        let (zone, set) = &self.plan.by_hand[number];
        let update = make_by_hand(zone, set);
        if !self.plan.settings.embedded {
            if let Some(rcode) = self.remote.update(0, &update) {
                self.made_by_hand(number, rcode);
            }
            return Ok(());
        }
        let now = self.clock();
        if let Some(server) = &mut self.server {
            server.update_from_outside(now, number, &update);
            self.schedule();
        }
        Ok(())
    }

    /// Somebody asks for another's address, ends another's lease, or wants what is reserved for another.
    fn rogue(&mut self) {
        let mac = [2, 0, 0, 0, 9, u8::try_from(self.rng.below(8)).expect("small")];
        let mut victims = self.promises.of_others(mac);
        if self.rng.permille(200) {
            victims = vec![crate::plan::RESERVED];
        }
        if victims.is_empty() {
            return;
        }
        let victim = *self.rng.pick(&victims);
        let kind = *self.rng.pick(&[RELEASE, DECLINE, REQUEST, REQUEST, DISCOVER]);
        let xid = u32::try_from(self.rng.below(1 << 32)).expect("32 bits");
        let mut packet = Packet { op: 1, xid, mac, options: vec![(53, vec![kind])], ..Packet::default() };
        if kind == RELEASE || (kind == REQUEST && self.rng.permille(300)) {
            packet.ciaddr = victim.into();
        } else {
            packet.options.push((50, victim.octets().to_vec()));
        }
        if matches!(kind, RELEASE | DECLINE) || (kind == REQUEST && packet.ciaddr == 0 && self.rng.permille(500)) {
            packet.options.push((54, SERVER.octets().to_vec()));
        }
        self.note(|| format!("a stranger sends {kind} for {victim}"));
        self.send_to_server(None, packet);
    }

    /// `leasehold db check` finds nothing wrong, also while the store is written to.
    pub(super) fn check_store(&self) -> Checked {
        // A disk that is gone, or a store that is not there yet, cannot be read.
        let Ok(report) = store::db::check(&self.storage) else { return Ok(()) };
        if !report.is_sound() {
            return Err(format!("the store is damaged: {:?}", report.losses));
        }
        let leases = self.model.leases().count() as u64;
        if report.counts.leases != leases {
            return Err(format!("the store holds {} leases, {leases} were stored", report.counts.leases));
        }
        Ok(())
    }

    fn disturb_disk(&mut self) {
        if !self.quiet && self.plan.disk_fails {
            self.storage.fail_randomly(Rates { write: 300, sync: 300, space: 30 });
        }
    }

    /// No more mishaps; clients fall silent; whatever is broken is mended.
    pub(super) fn calm(&mut self) -> Checked {
        self.note(|| "quiet".to_owned());
        self.quiet = true;
        self.storage.set_capacity(None);
        self.remote.doors.fill(Door::WELL);
        // A clock in the past would hold up every expiry for an hour.
        self.jump(self.skew_max - self.skew);
        if self.storage.crashed() {
            return self.die(true, &[]);
        }
        self.storage.calm();
        if self.server.is_none() {
            self.at(self.now + 100, Event::Start);
        }
        Ok(())
    }

    pub(super) fn start(&mut self) -> Checked {
        if self.server.is_some() {
            return Ok(());
        }
        match Server::start(self.plan.settings.clone(), self.storage.clone(), self.machine()) {
            Ok(Started { server, found, first }) => {
                self.note(|| "server started".to_owned());
                if found != self.model {
                    return Err(format!("after a start: {}", self.model.difference(&found)));
                }
                self.server = Some(server);
                self.jumped_at_start = self.jumped;
                self.run += 1;
                self.promises.forget_offers();
                self.pay_for_start();
                self.holds = Holds::default();
                self.note_refusals();
                (self.turn, self.committing) = (None, false);
                self.clock();
                self.find_made_by_hand();
                self.carry_out(first)?;
                self.schedule();
                Ok(())
            }
            Err(error) if error.contains("damaged") || self.quiet => Err(format!("the store does not open: {error}")),
            // The disk fails, or the power does: whoever runs the daemon tries again.
            Err(error) => {
                self.count("start failed");
                self.note(|| format!("start failed: {error}"));
                if self.storage.crashed() {
                    return self.die(true, &[]);
                }
                self.at(self.now + 2_000, Event::Start);
                Ok(())
            }
        }
    }

    /// The process dies (`power` false), or the machine. What was not acknowledged may be there up to any point.
    pub(super) fn die(&mut self, power: bool, unacknowledged: &[Vec<Row>]) -> Checked {
        let power = power || self.storage.crashed();
        self.count(if power { "power failure" } else { "process killed" });
        if !unacknowledged.is_empty() {
            self.count("failed commit");
        }
        self.note(|| format!("died, power={power}, {} transactions unacknowledged", unacknowledged.len()));
        self.server = None;
        self.run += 1;
        if power {
            self.storage.crash();
            self.booted_at = self.now;
        } else {
            self.storage.kill();
        }
        self.storage.calm();
        // What the disk holds now decides which of the unacknowledged ones count.
        let found = Server::read(self.storage.clone())
            .map_err(|error| format!("the store does not open after a crash: {error}"))?;
        self.storage.kill();
        let mut unacknowledged = unacknowledged.iter();
        while self.model != found {
            let Some(rows) = unacknowledged.next() else {
                return Err(format!("after a crash: {}", self.model.difference(&found)));
            };
            self.count("stored, never acknowledged");
            self.check_rows(rows)?;
            self.pay_for_changes(rows);
            self.model.apply(rows);
        }
        self.disturb_disk();
        let at = self.now + 100 + self.rng.below(5_000);
        self.at(at, Event::Start);
        Ok(())
    }
}
