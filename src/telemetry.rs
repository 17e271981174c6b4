//! Spans for OpenTelemetry (feature `otel`): from the packet of a client to the moment at which DNS holds its name.
//!
//! A trace is one exchange of a client (all messages of one transaction number): a span for each message, from its arrival to
//! its reply, with what it waited for within; and behind it one for its name and one for its address, until DNS holds them.
//! What is there is noted where it happens, by functions that do nothing until [`start`] found where to send spans; a thread
//! of its own sends them, as OTLP over HTTP in JSON (the OpenTelemetry protocol's own encoding of protobuf). Nobody waits for
//! it: what does not fit is left out, and counted.
//!
//! The way to a collector is told by the variables of OpenTelemetry's specification. The protocol's own crates would bring
//! three dozen more along, for one form of JSON.

pub mod otlp;

use std::collections::HashMap;
use std::hash::{BuildHasher as _, Hash, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ddns::reconcile::Outcome;
use ddns::settings::ZoneServer;
use ddns::wanted::RowKey;
use dhcp::decision::LeaseEvent;
use tracing::{info, warn};

use self::otlp::{Collector, Span};
use crate::core::NameEvent;
use crate::core::pipeline::Arrival;
use crate::quiet::Quiet;

/// Spans that wait to be sent.
const WAITING_MAX: usize = 8 * 1_024;
/// Spans that are sent together.
const AT_ONCE: usize = 512;
/// What has happened within this time is sent together.
const TOGETHER: Duration = Duration::from_secs(1);
/// Messages whose reply is still to come, and names that DNS does not hold yet, that are remembered.
const OPEN_MAX: usize = 16 * 1_024;
/// A message that came so long ago was dropped; a name, given up.
const OPEN_NANOS: u64 = 300_000_000_000;
/// How long it is between two searches for those.
const SEARCH_NANOS: u64 = 1_000_000_000;
/// How long the end waits for what is still to be sent.
const PATIENCE: Duration = Duration::from_secs(3);
/// The smallest BOOTP message with the cookie of DHCP.
const OPTIONS_AT: usize = 240;

static TELLING: OnceLock<Telling> = OnceLock::new();

/// What is sent: spans, and whoever waits until those before are.
enum Item {
    Span(Span),
    Flush(SyncSender<()>),
}

struct Telling {
    to: SyncSender<Item>,
    open: Mutex<Open>,
    lost: AtomicU64,
    /// Makes the numbers of traces and spans.
    numbers: RandomState,
    counted: AtomicU64,
}

#[derive(Default)]
struct Open {
    messages: Noted<Message, Times>,
    names: Noted<RowKey, Pending>,
}

/// What waits for its end, up to [`OPEN_MAX`].
#[derive(Debug)]
struct Noted<K, V> {
    all: HashMap<K, V>,
    /// When it was last searched for what nobody waits for any more.
    searched: u64,
}

impl<K, V> Default for Noted<K, V> {
    fn default() -> Self {
        Self { all: HashMap::new(), searched: 0 }
    }
}

impl<K: Eq + Hash, V> Noted<K, V> {
    /// Whether it had room, also by forgetting what `began` so long ago that it does not end any more. It is searched once in a
    /// while only: whoever fills it, with messages that are dropped, would else have all of it searched for each of them.
    fn note(&mut self, key: K, value: V, now: u64, began: impl Fn(&V) -> u64) -> bool {
        if self.all.len() >= OPEN_MAX && now.saturating_sub(self.searched) >= SEARCH_NANOS {
            self.searched = now;
            self.all.retain(|_, value| began(value) + OPEN_NANOS > now);
        }
        let has_room = self.all.len() < OPEN_MAX || self.all.contains_key(&key);
        if has_room {
            self.all.insert(key, value);
        }
        has_room
    }
}

/// A message by its transaction number and its client's hardware address.
type Message = [u8; 20];

#[derive(Clone, Copy, Debug, Default)]
struct Times {
    arrived: u64,
    decided: u64,
}

#[derive(Clone, Debug)]
struct Pending {
    trace: u128,
    parent: u64,
    since: u64,
}

impl Pending {
    /// Whether it is not given up: an update that comes through hours later says nothing of the exchange.
    fn is_awaited(&self, now: u64) -> bool {
        self.since + OPEN_NANOS > now
    }
}

/// Begins to send spans, where the environment says where to; once in a process.
pub fn start() {
    let Some(collector) = Collector::from_environment() else { return };
    let (to, items) = sync_channel(WAITING_MAX);
    let telling = Telling {
        to,
        open: Mutex::default(),
        lost: AtomicU64::new(0),
        numbers: RandomState::new(),
        counted: AtomicU64::new(0),
    };
    if TELLING.set(telling).is_ok() {
        info!("spans are sent to {}", collector.shown());
        let sending = move || send(&collector, &items);
        if let Err(error) = std::thread::Builder::new().name("spans".to_owned()).spawn(sending) {
            warn!("no spans are sent: {error}");
        }
    }
}

/// Waits until what was told is sent, but not for ever. Blocks.
pub fn flush() {
    let Some(telling) = TELLING.get() else { return };
    let (to, done) = sync_channel(1);
    if telling.to.try_send(Item::Flush(to)).is_ok() {
        // A collector that does not answer loses the last spans.
        _ = done.recv_timeout(PATIENCE);
    }
}

/// A message has arrived.
pub fn arrived(payload: &[u8]) {
    let (Some(telling), Some(message)) = (TELLING.get(), message(payload)) else { return };
    let arrived = now();
    let mut open = telling.lock();
    if !open.messages.note(message, Times { arrived, decided: arrived }, arrived, |times| times.arrived) {
        telling.lost.fetch_add(1, Ordering::Relaxed);
    }
}

/// These are decided now.
pub fn deciding(arrivals: &[Arrival]) {
    let Some(telling) = TELLING.get() else { return };
    let decided = now();
    let mut open = telling.lock();
    for message in arrivals.iter().filter_map(|arrival| message(&arrival.payload)) {
        if let Some(times) = open.messages.all.get_mut(&message) {
            times.decided = decided;
        }
    }
}

/// What was decided is stored; its replies are to be sent.
#[derive(Debug)]
pub struct Stored {
    at: u64,
    messages: Vec<(Told, Times)>,
    /// What an embedded zone holds already, stored with its leases, of the message at this place.
    written: Vec<(RowKey, usize)>,
}

/// What is said of a message.
#[derive(Debug)]
struct Told {
    trace: u128,
    /// The number of its span, which its parts name.
    root: u64,
    kind: &'static str,
    attributes: Vec<(&'static str, String)>,
}

/// What is stored now, from which messages, and what it wants of DNS; to be told before the updater hears of it, which may be
/// done before the replies have left.
#[must_use]
pub fn stored(done: &[Arrival], events: &[LeaseEvent], names: &NameEvent) -> Option<Stored> {
    let telling = TELLING.get()?;
    let mut open = telling.lock();
    let (events, mut wanted) = (ByClient::of(events), Wanted::default());
    let mut messages: Vec<(Told, Times)> = Vec::new();
    for arrival in done {
        let Some(message) = message(&arrival.payload) else { continue };
        let Some(times) = open.messages.all.remove(&message) else { continue };
        let event = events.event_of(hardware_of(&arrival.payload));
        wanted.add(messages.len(), event);
        let (trace, root) = (telling.trace(&message), telling.number());
        let attributes = told(&arrival.payload, event);
        messages.push((Told { trace, root, kind: kind_of(&arrival.payload), attributes }, times));
    }
    let new = names.new.iter().flat_map(|new| {
        let forward = (RowKey::Forward(new.name.clone()), new.generation);
        [forward, (RowKey::Reverse(new.address), new.reverse_generation())]
    });
    let others = names.rows.iter().map(|row| (row.key.clone(), row.generation));
    let (at, mut written) = (now(), Vec::new());
    for (key, generation) in new.chain(others) {
        let is_written = names.written.binary_search(&generation).is_ok();
        for &place in wanted.by(&key) {
            if is_written {
                written.push((key.clone(), place));
                continue;
            }
            let (told, times) = &messages[place];
            let pending = Pending { trace: told.trace, parent: told.root, since: times.decided };
            if !open.names.note(key.clone(), pending, at, |pending| pending.since) {
                telling.lost.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
    Some(Stored { at, messages, written })
}

impl Stored {
    /// Their replies have left.
    pub fn sent(self) {
        let Some(telling) = TELLING.get() else { return };
        let sent = now();
        for (key, place) in &self.written {
            let (told, times) = &self.messages[*place];
            let pending = Pending { trace: told.trace, parent: told.root, since: times.decided };
            // It resolved before the reply left.
            telling.published(key, &pending, self.at);
        }
        for (told, times) in self.messages {
            let (trace, root) = (told.trace, told.root);
            let span =
                |name, parent, id, begin, end| Span { trace, id, parent, name, begin, end, attributes: Vec::new() };
            let attributes = told.attributes;
            telling.tell(Span { attributes, ..span(told.kind, None, root, times.arrived, sent) });
            for (name, begin, end) in [
                ("wait for its turn", times.arrived, times.decided),
                ("decide and store", times.decided, self.at),
                ("reply", self.at, sent),
            ] {
                telling.tell(span(name, Some(root), telling.number(), begin, end));
            }
        }
    }
}

/// DNS holds a name, or the PTR of an address, as it is wanted.
pub fn published(key: &RowKey) {
    let Some(telling) = TELLING.get() else { return };
    let pending = telling.lock().names.all.remove(key);
    let now = now();
    if let Some(pending) = pending.filter(|pending| pending.is_awaited(now)) {
        telling.published(key, &pending, now);
    }
}

/// One update on its way to a DNS server.
#[derive(Debug)]
pub struct Attempt {
    begin: u64,
    server: String,
    /// Of each row that an exchange waits for.
    of: Vec<(RowKey, Pending)>,
}

/// An update about these rows goes to this server now. Nothing where no exchange waits for any of them.
pub fn attempt<'r>(rows: impl Iterator<Item = &'r RowKey>, server: &ZoneServer) -> Option<Attempt> {
    let telling = TELLING.get()?;
    let (begin, open) = (now(), telling.lock());
    let awaited = |key: &RowKey| open.names.all.get(key).filter(|pending| pending.is_awaited(begin)).cloned();
    let of: Vec<(RowKey, Pending)> = rows.filter_map(|key| Some((key.clone(), awaited(key)?))).collect();
    drop(open);
    let server = match server {
        ZoneServer::Remote { servers, .. } => servers.first().map(ToString::to_string).unwrap_or_default(),
        ZoneServer::Embedded => "embedded".to_owned(),
    };
    (!of.is_empty()).then_some(Attempt { begin, server, of })
}

impl Attempt {
    /// This came of it.
    pub fn ended(self, outcome: &Outcome) {
        let Some(telling) = TELLING.get() else { return };
        let end = now();
        self.spans(outcome, end, || telling.number()).for_each(|span| telling.tell(span));
    }

    /// A span for each row, behind the message that its lease came of.
    fn spans(self, outcome: &Outcome, end: u64, mut number: impl FnMut() -> u64) -> impl Iterator<Item = Span> {
        let Self { begin, server, of } = self;
        let answer = match outcome {
            Outcome::Answer(code) | Outcome::TsigError(code) => {
                code.mnemonic().map_or_else(|| code.to_string(), str::to_owned)
            }
            Outcome::Timeout => "none in time".to_owned(),
            Outcome::BadAnswer => "none that could be believed".to_owned(),
            Outcome::Kerberos(_) => "not asked: there is no ticket".to_owned(),
        };
        let together = of.len().to_string();
        of.into_iter().map(move |(key, Pending { trace, parent, .. })| {
            let attributes = vec![
                ("dns.question.name", words_of(&key).1),
                ("server.address", server.clone()),
                ("dns.answer", answer.clone()),
                ("dns.update.rows", together.clone()),
            ];
            Span { trace, id: number(), parent: Some(parent), name: "DNS update", begin, end, attributes }
        })
    }
}

/// What is said once DNS holds a row, and whose it is.
fn words_of(key: &RowKey) -> (&'static str, String) {
    match key {
        RowKey::Forward(name) => ("DNS holds the name", name.to_string()),
        RowKey::Reverse(address) => ("DNS holds the address", address.to_string()),
        RowKey::Stated(name, rtype) => ("DNS holds the record", format!("{name} {rtype}")),
    }
}

impl Telling {
    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn number(&self) -> u64 {
        // Never 0, which means none.
        self.numbers.hash_one(self.counted.fetch_add(1, Ordering::Relaxed)).max(1)
    }

    /// The same for all messages of an exchange.
    fn trace(&self, message: &Message) -> u128 {
        let half = |which: u8| u128::from(self.numbers.hash_one((which, message)).max(1));
        half(1) << 64 | half(2)
    }

    fn tell(&self, span: Span) {
        if self.to.try_send(Item::Span(span)).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn published(&self, key: &RowKey, pending: &Pending, end: u64) {
        let (name, what) = words_of(key);
        let Pending { trace, parent, since } = *pending;
        let attributes = vec![("dns.question.name", what)];
        self.tell(Span { trace, id: self.number(), parent: Some(parent), name, begin: since, end, attributes });
    }
}

/// The events of a batch, found by their clients: a batch can have thousands, and so many messages.
struct ByClient<'e>(HashMap<&'e [u8], &'e LeaseEvent>);

impl<'e> ByClient<'e> {
    fn of(events: &'e [LeaseEvent]) -> Self {
        let mut first = HashMap::with_capacity(events.len());
        for event in events {
            first.entry(event.lease.hardware.as_bytes()).or_insert(event);
        }
        Self(first)
    }

    /// The first of this client's.
    fn event_of(&self, hardware: &[u8]) -> Option<&'e LeaseEvent> {
        self.0.get(hardware).copied()
    }
}

/// By which messages of a batch, by their places, each row of DNS is wanted.
#[derive(Debug, Default)]
struct Wanted(HashMap<RowKey, Vec<usize>>);

impl Wanted {
    fn add(&mut self, place: usize, event: Option<&LeaseEvent>) {
        let Some(LeaseEvent { lease, .. }) = event else { return };
        let name = lease.name.as_ref().map(|name| RowKey::Forward(name.fqdn.clone()));
        for key in name.into_iter().chain([RowKey::Reverse(lease.address.into())]) {
            self.0.entry(key).or_default().push(place);
        }
    }

    fn by(&self, key: &RowKey) -> &[usize] {
        self.0.get(key).map_or(&[], Vec::as_slice)
    }
}

/// `chaddr`, of a message that is long enough to be one.
fn hardware_of(payload: &[u8]) -> &[u8] {
    &payload[28..28 + usize::from(payload[2]).min(16)]
}

/// What is said of a message, and of what came of it.
fn told(payload: &[u8], event: Option<&LeaseEvent>) -> Vec<(&'static str, String)> {
    let shown: Vec<String> = hardware_of(payload).iter().map(|octet| format!("{octet:02x}")).collect();
    let mut attributes = vec![("client.hardware", shown.join(":"))];
    if let Some(event) = event {
        attributes.push(("client.address", event.lease.address.to_string()));
        attributes.push(("lease.event", format!("{:?}", event.kind).to_lowercase()));
        let name = event.lease.name.as_ref();
        attributes.extend(name.map(|name| ("lease.name", name.fqdn.to_string())));
    }
    attributes
}

fn message(payload: &[u8]) -> Option<Message> {
    let mut message = [0; 20];
    message[..4].copy_from_slice(payload.get(4..8)?);
    message[4..].copy_from_slice(payload.get(28..44)?);
    Some(message)
}

/// The kind of a message (RFC 2132 section 9.6), as far as the first options tell.
#[must_use]
pub fn kind_of(payload: &[u8]) -> &'static str {
    let mut rest = payload.get(OPTIONS_AT..).unwrap_or_default();
    while let [code, after @ ..] = rest {
        rest = match (code, after) {
            (0, _) => after,
            (255, _) => break,
            (53, [1, kind, ..]) => {
                return match kind {
                    1 => "DHCPDISCOVER",
                    3 => "DHCPREQUEST",
                    4 => "DHCPDECLINE",
                    7 => "DHCPRELEASE",
                    8 => "DHCPINFORM",
                    10 => "DHCPLEASEQUERY",
                    _ => "DHCP",
                };
            }
            (_, [length, data @ ..]) => data.get(usize::from(*length)..).unwrap_or_default(),
            (_, []) => break,
        };
    }
    "BOOTP"
}

/// UTC, in nanoseconds: what spans are told in.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// The thread that sends.
fn send(collector: &Collector, items: &Receiver<Item>) {
    let not_sent = Quiet::default();
    loop {
        let (mut spans, mut flushes) = (Vec::new(), Vec::new());
        let deadline = std::time::Instant::now() + TOGETHER;
        let ended = loop {
            let left = deadline.saturating_duration_since(std::time::Instant::now());
            match items.recv_timeout(left) {
                Ok(Item::Span(span)) => spans.push(span),
                Ok(Item::Flush(to)) => flushes.push(to),
                Err(RecvTimeoutError::Timeout) => break false,
                Err(RecvTimeoutError::Disconnected) => break true,
            }
            if spans.len() >= AT_ONCE || !flushes.is_empty() {
                break false;
            }
        };
        let lost = TELLING.get().map_or(0, |telling| telling.lost.swap(0, Ordering::Relaxed));
        let failed = if spans.is_empty() { None } else { collector.post(&spans).err() };
        if let Some(words) = failed.or_else(|| (lost > 0).then(|| format!("{lost} did not fit")))
            && let Some(kept_back) = not_sent.may_tell()
        {
            warn!("spans are not sent to {}: {words}{kept_back}", collector.shown());
        }
        // Whoever waited may have gone.
        flushes.into_iter().for_each(|to| _ = to.try_send(()));
        if ended {
            return;
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use std::cell::Cell;
    use std::net::Ipv4Addr;

    use dhcp::decision::LeaseEventKind;
    use dhcp::identity::HardwareAddress;
    use dhcp::lease::{Lease, LeaseName, LeaseState};
    use dns::{ConflictGuard, Fqdn, HostIdentity};

    use super::*;

    #[test]
    fn a_full_table_is_searched_once_in_a_while_and_not_for_each_message() {
        let (mut noted, looked_at) = (Noted::default(), Cell::new(0));
        let began = |at: &u64| {
            looked_at.set(looked_at.get() + 1);
            *at
        };
        let begin = OPEN_NANOS;
        for number in 0..OPEN_MAX {
            assert!(noted.note(number, begin, begin, began));
        }
        for number in 0..1_000 {
            assert!(!noted.note(OPEN_MAX + number, begin + 1, begin + 1, began), "there is no room");
        }
        assert!(noted.note(0, begin + 1, begin + 1, began), "what is there already takes none");
        assert_eq!(looked_at.get(), OPEN_MAX, "searched for the first alone");
        let later = begin + OPEN_NANOS;
        assert!(noted.note(OPEN_MAX, later, later, began));
        assert_eq!(noted.all.len(), 2, "those of long ago are forgotten, not those that came again");
    }

    fn event(host: u32, name: Option<&str>) -> LeaseEvent {
        let hardware = [&[2, 0][..], &host.to_be_bytes()].concat();
        let named = |label: &str| LeaseName {
            fqdn: Fqdn::from_labels([format!("{label}{host}").as_bytes(), b"lan"]).unwrap(),
            identity: HostIdentity::from_hardware(1, &hardware),
            forward: true,
            reverse: true,
            ttl_secs: 60,
            guard: ConflictGuard::default(),
        };
        let lease = Lease {
            address: Ipv4Addr::from(0x0a00_0000 + host),
            subnet: "10.0.0.0/8".parse().unwrap(),
            state: LeaseState::Bound,
            hardware: HardwareAddress::new(1, &hardware).unwrap(),
            client_id: None,
            started_at: 1,
            renewed_at: 1,
            expires_at: 9,
            hostname: dns::Bytes::default(),
            client_fqdn: dns::Bytes::default(),
            name: name.map(named),
            relay: Ipv4Addr::UNSPECIFIED,
            relay_agent_info: dns::Bytes::default(),
            server_identifier_override: None,
        };
        LeaseEvent { kind: LeaseEventKind::Bound, lease, previous: None }
    }

    /// As many as a storm brings at once: each is found by its key, and none is searched for among the others.
    #[test]
    fn of_a_batch_of_many_each_row_is_the_message_s_that_wants_it() {
        const MANY: u32 = 30_000;
        let events: Vec<LeaseEvent> = (0..MANY).map(|host| event(host, (host % 2 == 0).then_some("host"))).collect();
        let (by_client, mut wanted) = (ByClient::of(&events), Wanted::default());
        for (place, event) in events.iter().enumerate() {
            let found = by_client.event_of(event.lease.hardware.as_bytes()).unwrap();
            assert_eq!(found.lease.address, event.lease.address);
            wanted.add(place, Some(found));
        }
        for (place, event) in events.iter().enumerate() {
            assert_eq!(wanted.by(&RowKey::Reverse(event.lease.address.into())), [place]);
            let named = event.lease.name.as_ref().map(|name| wanted.by(&RowKey::Forward(name.fqdn.clone())));
            assert_eq!(named, (place % 2 == 0).then_some(&[place][..]));
        }
        assert!(by_client.event_of(&[2, 9, 9, 9, 9, 9]).is_none());
        // One client's message that came twice wants its row twice, and a message that changes nothing none.
        wanted.add(7, by_client.event_of(events[3].lease.hardware.as_bytes()));
        wanted.add(8, None);
        assert_eq!(wanted.by(&RowKey::Reverse(events[3].lease.address.into())), [3, 7]);
        assert_eq!(wanted.by(&RowKey::Reverse([192, 0, 2, 1].into())), [0_usize; 0]);
    }

    #[test]
    fn a_name_that_dns_holds_after_hours_has_no_span() {
        let pending = Pending { trace: 1, parent: 1, since: 7 };
        assert!(pending.is_awaited(OPEN_NANOS) && !pending.is_awaited(7 + OPEN_NANOS));
    }
}
