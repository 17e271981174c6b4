//! A reconciler, the DHCP side's table, a store and a DNS server, with a clock and a network that loses on demand.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use dns::{Fqdn, HostIdentity, Rcode, Update};

use crate::Now;
use crate::model_server::ModelServer;
use crate::reconcile::{ConfirmedRow, News, Outcome, Reconciler, SendTicket};
use crate::settings::{Auth, Settings, ZoneRoute, ZoneServer};
use crate::wanted::{Claim, RowKey, WantedRow, WantedTable};

/// When the transport gives up.
const TIMEOUT_MS: u64 = 5_000;
/// For how long a server may have a message in its queue: no longer than its signature counts.
const BEHIND_MS: u64 = 250_000;

/// What becomes of one update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Arrives,
    LoseRequest,
    LoseReply,
    Tsig(Rcode),
    Answers(Rcode),
    Garbled,
    /// No answer; the server does it all the same, so many milliseconds later.
    Late(u64),
    /// No answer, or this one; the server does it all the same, right behind so many others that it does.
    Behind(Option<Rcode>, usize),
}

pub(super) struct World {
    pub(super) settings: Arc<Settings>,
    pub(super) reconciler: Reconciler,
    pub(super) table: WantedTable,
    pub(super) claims: BTreeMap<u8, Claim>,
    pub(super) wanted_stored: HashMap<RowKey, WantedRow>,
    pub(super) stored: HashMap<RowKey, ConfirmedRow>,
    pub(super) server: ModelServer,
    pub(super) now: Now,
    /// Of the next updates, the last first.
    pub(super) fates: Vec<Fate>,
    /// Of all others; `None`: they arrive.
    pub(super) down: Option<Fate>,
    /// Of what goes to this server, in the place of `down`.
    pub(super) down_at: HashMap<SocketAddr, Fate>,
    /// What servers do later.
    pub(super) late: Vec<(u64, Update)>,
    /// What servers do behind so many others, until when.
    behind: Vec<(usize, u64, Update)>,
    /// How much was sent to each.
    pub(super) sent_to: HashMap<SocketAddr, usize>,
    /// A name whose updates are refused.
    pub(super) refused: Option<Fqdn>,
    pub(super) sent: usize,
    pub(super) most_in_flight: usize,
    pub(super) news: Vec<News>,
    pub(super) under_way: Vec<(u64, SendTicket, Outcome)>,
}

pub(super) fn name(text: &str) -> Fqdn {
    text.parse().unwrap()
}

pub(super) fn identity(n: u8) -> HostIdentity {
    HostIdentity::from_hardware(1, &[2, 0, 0, 0, 0, n])
}

pub(super) fn ip(n: u8) -> IpAddr {
    IpAddr::from([10, 0, 0, n])
}

/// The address of a zone's first server, its second and so on.
pub(super) fn server(n: u8) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, n], 53))
}

impl World {
    pub(super) fn new() -> Self {
        let address: SocketAddr = "192.0.2.1:53".parse().unwrap();
        let route = |apex| ZoneRoute { apex: name(apex), server: ZoneServer::remote(address, None) };
        let settings = Settings { zones: vec![route("lan"), route("10.in-addr.arpa")].into(), ..Settings::default() };
        let settings = Arc::new(settings);
        Self {
            reconciler: Reconciler::new(settings.clone()),
            settings,
            table: WantedTable::default(),
            claims: BTreeMap::new(),
            wanted_stored: HashMap::new(),
            stored: HashMap::new(),
            server: ModelServer::default(),
            now: Now { boot_ms: 0, wall_secs: 1_700_000_000 },
            fates: Vec::new(),
            down: None,
            down_at: HashMap::new(),
            late: Vec::new(),
            behind: Vec::new(),
            sent_to: HashMap::new(),
            refused: None,
            sent: 0,
            most_in_flight: 0,
            news: Vec::new(),
            under_way: Vec::new(),
        }
    }

    /// The zones have so many servers, which share what they hold.
    pub(super) fn with_servers(servers: u8) -> Self {
        let mut world = Self::new();
        let servers: Arc<[SocketAddr]> = (1..=servers).map(server).collect();
        let to = ZoneServer::Remote { servers, auth: Auth::Unsigned };
        let route = |apex| ZoneRoute { apex: name(apex), server: to.clone() };
        world.settings =
            Arc::new(Settings { zones: vec![route("lan"), route("10.in-addr.arpa")].into(), ..Settings::default() });
        world.reconciler = Reconciler::new(world.settings.clone());
        world
    }

    /// A lease of 10.0.0.n changes: what it claims now.
    pub(super) fn set(&mut self, n: u8, after: Option<Claim>) {
        let before = self.claims.remove(&n);
        let applied = self.table.apply(ip(n), before, after.clone());
        if let Some(after) = after {
            self.claims.insert(n, after);
        }
        for row in applied.rows {
            self.wanted_stored.insert(row.key.clone(), row.clone());
            self.reconciler.handle_wanted(self.now, row);
        }
    }

    /// The process ends and starts again: what was under way is lost, what was stored is loaded.
    pub(super) fn restart(&mut self) {
        self.under_way.clear();
        let confirmed: Vec<ConfirmedRow> = self.stored.values().cloned().collect();
        self.table = WantedTable::load(self.wanted_stored.values().cloned(), &confirmed);
        let wanted = self.wanted_stored.values().cloned();
        self.reconciler = Reconciler::load(self.settings.clone(), self.now, wanted, confirmed);
    }

    /// Sends what may be sent, and delivers what has arrived by now.
    pub(super) fn step(&mut self) -> bool {
        let mut busy = false;
        while let Some(send) = self.reconciler.poll_send(self.now) {
            busy = true;
            self.sent += 1;
            let at = send.server.primary();
            if let Some(at) = at {
                *self.sent_to.entry(at).or_default() += 1;
            }
            let there = at.and_then(|at| self.down_at.get(&at).copied());
            let fate = there.or_else(|| self.fates.pop()).or(self.down).unwrap_or(Fate::Arrives);
            let refuses = |name: &Fqdn| format!("{:?}", send.update.changes).contains(&format!("{name}"));
            let (delay_ms, outcome) = match fate {
                _ if self.refused.as_ref().is_some_and(refuses) => (1, Outcome::Answer(Rcode::REFUSED)),
                Fate::Arrives => (0, Outcome::Answer(self.make(&send.update))),
                Fate::LoseRequest => (TIMEOUT_MS, Outcome::Timeout),
                Fate::LoseReply => {
                    self.make(&send.update);
                    (TIMEOUT_MS, Outcome::Timeout)
                }
                Fate::Late(after_ms) => {
                    self.late.push((self.now.boot_ms + after_ms, send.update.clone()));
                    (TIMEOUT_MS, Outcome::Timeout)
                }
                Fate::Behind(answer, others) => {
                    self.behind.push((others, self.now.boot_ms + BEHIND_MS, send.update.clone()));
                    answer.map_or((TIMEOUT_MS, Outcome::Timeout), |code| (1, Outcome::Answer(code)))
                }
                Fate::Tsig(code) => (1, Outcome::TsigError(code)),
                Fate::Answers(code) => (1, Outcome::Answer(code)),
                Fate::Garbled => (TIMEOUT_MS, Outcome::BadAnswer),
            };
            self.under_way.push((self.now.boot_ms + delay_ms, send.ticket, outcome));
            self.most_in_flight = self.most_in_flight.max(self.under_way.len());
        }
        let boot_ms = self.now.boot_ms;
        for (_, update) in self.late.extract_if(.., |(due_ms, _)| *due_ms <= boot_ms) {
            self.server.apply(&update);
        }
        let arrived: Vec<_> = self.under_way.extract_if(.., |(due_ms, ..)| *due_ms <= boot_ms).collect();
        for (_, ticket, outcome) in arrived {
            busy = true;
            self.reconciler.handle_outcome(self.now, ticket, outcome);
        }
        self.absorb();
        busy
    }

    /// The server makes an update, and whatever was to come right behind it.
    fn make(&mut self, update: &Update) -> Rcode {
        let code = self.server.apply(update);
        if update.changes.is_empty() {
            return code;
        }
        let boot_ms = self.now.boot_ms;
        self.behind.retain(|(_, until_ms, _)| *until_ms > boot_ms);
        self.behind.iter_mut().for_each(|(others, ..)| *others = others.saturating_sub(1));
        for (.., update) in self.behind.extract_if(.., |(others, ..)| *others == 0) {
            self.server.apply(&update);
        }
        code
    }

    fn absorb(&mut self) {
        let effects = self.reconciler.take_effects();
        for row in effects.confirmed {
            self.stored.insert(row.key.clone(), row);
        }
        for key in effects.gone {
            self.stored.remove(&key);
        }
        for (key, generation) in effects.settled {
            if self.table.remove_settled(&key, generation).is_some() {
                self.wanted_stored.remove(&key);
            }
        }
        self.news.extend(effects.news);
    }

    /// Lets time pass.
    pub(super) fn advance(&mut self, ms: u64) {
        let end = self.now.boot_ms + ms;
        loop {
            while self.step() {}
            let late = self.late.iter().map(|(due_ms, _)| *due_ms);
            let answers = self.under_way.iter().map(|(due_ms, ..)| *due_ms);
            let next = answers.chain(late).chain(self.reconciler.poll_timeout()).min();
            let next = next.filter(|next| *next <= end).unwrap_or(end);
            let passed = next.max(self.now.boot_ms + 1).min(end) - self.now.boot_ms;
            if passed == 0 {
                return;
            }
            self.now.boot_ms += passed;
            self.now.wall_secs = 1_700_000_000 + self.now.boot_ms / 1_000;
        }
    }

    /// Lets time pass until nothing is left to be done.
    pub(super) fn run(&mut self) {
        for _ in 0..10_000 {
            while self.step() {}
            if self.reconciler.is_quiet() {
                return;
            }
            self.advance(500);
        }
        let rows: Vec<_> = self.reconciler.rows().filter(|row| row.stage != crate::reconcile::Stage::Done).collect();
        panic!("not quiet: {rows:#?}");
    }

    /// [`World::run`]; then DNS must hold what the table wants, where nobody else stands in the way.
    pub(super) fn settle(&mut self) {
        self.run();
        for row in self.table.iter() {
            let status = self.reconciler.row(&row.key).map(|status| status.row.generation);
            assert_eq!(status, Some(row.generation), "{row:?}");
        }
    }
}
