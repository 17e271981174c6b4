//! Micro-benchmarks of the engine and of reading and writing messages: time, allocations and, under callgrind,
//! instructions, which are the same from run to run.

mod named;
mod named_memory;

use std::alloc::{GlobalAlloc, Layout, System};
use std::fmt::Write as _;
use std::hint::black_box;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use dhcp::decision::{CommitOutcome, Ingress};
use dhcp::engine::Engine;
use dhcp::identity::{ClientId, HardwareAddress};
use dhcp::lease::{Lease, LeaseState};
use dhcp::message::Message;
use dhcp::names::NoNames;
use dhcp::reply::Reply;
use dhcp::time::Now;

use crate::packet::{ACK, OFFER, read_reply};

mod around;

use around::{Piped, Rows};

const SERVER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const RELAY: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
/// Circuit and remote identifier.
const RELAY_DATA: &[u8; 20] = b"\x01\x0Aport-00001\x02\x06switch";
const NOW: Now = Now { boot_ms: 1_000, wall_secs: 1_800_000_000 };
/// Leases that "a million" holds.
const MILLION: u32 = 1_000_000;
/// How many of each are measured under callgrind.
const CALLGRIND_COUNT: u32 = 2_000;
/// The functions whose instructions are counted.
const MEASURED: &str = "*micro*counted*";

/// Time, allocations and instructions of the engine and of what is around it.
#[derive(Args, Debug)]
pub(crate) struct Micro {
    /// These alone.
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Case>,
    /// How many of each are measured.
    #[arg(long, default_value_t = 8_000)]
    count: u32,
    /// Count instructions too: each once more under callgrind, which takes some minutes.
    #[arg(long)]
    instructions: bool,
    /// Instead: resident memory of an engine with a million leases, and of all that is kept of a million names, and the time
    /// to make it.
    #[arg(long)]
    memory: bool,
    /// How many leases those are.
    #[arg(long, default_value_t = MILLION)]
    leases: u32,
    /// Measure and print nothing: what callgrind runs.
    #[arg(long, hide = true)]
    quiet: bool,
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Case {
    /// DISCOVER and REQUEST of a new client, decided, settled and encoded, with an empty store.
    Exchange,
    /// The same with a million leases held.
    ExchangeHeld,
    /// The same with a /12 pool 99% full.
    ExchangeFull,
    /// A renewal, with 8,000 leases held.
    Renewal,
    /// The same with a million leases held, the clients in no order.
    RenewalHeld,
    /// DISCOVER and REQUEST of a new client, beside 8,000, in batches through engine and store, without names.
    Batched,
    /// The same with a name of each in an embedded zone, and the updater told.
    BatchedNamed,
    /// A renewal so, with 8,000 leases held.
    BatchedRenewal,
    /// The same with names.
    BatchedRenewalNamed,
    /// A REQUEST read.
    Decode,
    /// An ACK written.
    Encode,
    /// DISCOVER and REQUEST through the pipeline, 16 to a batch, names off, each batch committed at once.
    Core,
    /// The same, each lease with a name in an embedded zone; the zone's change not counted.
    CoreNames,
    /// A renewal through the pipeline, 8,000 leases held, names off.
    CoreRenewal,
    /// A lease's row written by the store, 16 to a commit, without what the kernel does.
    Row,
    /// A query for an address answered, octets to octets, from a zone of 1,000 names.
    ZoneHit,
    /// The same for a name that is not there.
    ZoneMissing,
}

/// A world of batches, and who has its leases.
type Batched = (Box<named::World>, Vec<(u32, Ipv4Addr)>);

/// One way to spend time, made ready.
enum Prepared {
    Exchanges { world: Box<World>, clients: std::ops::Range<u32> },
    Renewals { world: Box<World>, clients: Vec<(u32, Ipv4Addr)> },
    Batched { world: Box<named::World>, clients: Vec<u32> },
    BatchedRenewals { world: Box<named::World>, clients: Vec<(u32, Ipv4Addr)> },
    Decode { datagram: Vec<u8>, count: u32 },
    Encode { reply: Box<Reply>, count: u32 },
    Piped { piped: Box<Piped>, clients: std::ops::Range<u32> },
    PipedRenewals { piped: Box<Piped>, clients: Vec<(u32, Ipv4Addr)> },
    Rows { rows: Box<Rows>, count: u32 },
    Queries { zones: zones::ZoneSet, queries: Vec<Vec<u8>>, count: u32 },
}

/// An engine, the message that it is asked next and the reply that it gave last.
struct World {
    engine: Engine,
    message: Vec<u8>,
    reply: Vec<u8>,
}

impl Micro {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        if self.memory {
            memory(self.leases)?;
            return named_memory::memory(self.leases, NOW, |client| lease(11, client));
        }
        let cases = if self.only.is_empty() { Case::value_variants() } else { &self.only };
        for case in cases {
            let mut prepared = case.prepare(self.count)?;
            if self.quiet {
                measured(&mut prepared)?;
                continue;
            }
            let (allocations, began) = (ALLOCATIONS.load(Ordering::Relaxed), Instant::now());
            let count = measured(&mut prepared)?;
            let (spent, allocations) = (began.elapsed(), ALLOCATIONS.load(Ordering::Relaxed) - allocations);
            drop(prepared);
            let each = f64::from(count);
            let mut line = format!(
                "{:<14} {:>8.0} ns {:>7.1} allocations",
                case.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default(),
                spent.as_secs_f64() * 1e9 / each,
                allocations as f64 / each
            );
            if self.instructions {
                _ = write!(line, " {:>8} instructions", case.instructions()?);
            }
            println!("{line}");
        }
        Ok(())
    }
}

impl Case {
    /// Instructions of each, by callgrind.
    fn instructions(self) -> anyhow::Result<u64> {
        let name = self.to_possible_value().context("no name")?;
        let out = std::env::temp_dir().join(format!("leasehold-micro-{}", std::process::id()));
        let printed = Command::new("valgrind")
            .args(["--tool=callgrind", "--collect-atstart=no", &format!("--toggle-collect={MEASURED}")])
            .arg(format!("--callgrind-out-file={}", out.display()))
            .arg(std::env::current_exe()?)
            .args(["micro", "--quiet", "--count", &CALLGRIND_COUNT.to_string(), "--only", name.get_name()])
            .output()
            .context("running valgrind, which counts instructions")?;
        drop(std::fs::remove_file(out));
        let printed = String::from_utf8_lossy(&printed.stderr);
        let collected = printed.lines().find_map(|line| line.split_once("Collected : ")?.1.trim().parse::<u64>().ok());
        Ok(collected.with_context(|| format!("callgrind told no count: {printed}"))? / u64::from(CALLGRIND_COUNT))
    }

    fn prepare(self, count: u32) -> anyhow::Result<Prepared> {
        let strangers = 2 * MILLION..2 * MILLION + count;
        Ok(match self {
            Self::Exchange => Prepared::Exchanges { world: World::new(11, 0)?.into(), clients: strangers },
            Self::ExchangeHeld => Prepared::Exchanges { world: World::new(11, MILLION)?.into(), clients: strangers },
            Self::ExchangeFull => {
                let pool = (1 << 20) - 32;
                let world = World::new(12, pool - pool / 100)?.into();
                let last = strangers.start + count.min(pool / 100 - 1);
                Prepared::Exchanges { world, clients: strangers.start..last }
            }
            Self::Renewal => Self::renewals(8_000, count)?,
            Self::RenewalHeld => Self::renewals(MILLION, count)?,
            Self::Batched | Self::BatchedNamed => {
                let (world, _) = Self::batched(self == Self::BatchedNamed)?;
                Prepared::Batched { world, clients: strangers.collect() }
            }
            Self::BatchedRenewal | Self::BatchedRenewalNamed => {
                let (world, mut clients) = Self::batched(self == Self::BatchedRenewalNamed)?;
                clients.truncate(usize::try_from(count)?);
                Prepared::BatchedRenewals { world, clients }
            }
            Self::Core => Prepared::Piped { piped: Piped::new(0, false)?.into(), clients: strangers },
            Self::CoreNames => Prepared::Piped { piped: Piped::new(0, true)?.into(), clients: strangers },
            Self::CoreRenewal => {
                Prepared::PipedRenewals { piped: Piped::new(8_000, false)?.into(), clients: renewing(8_000, count)? }
            }
            Self::Row => Prepared::Rows { rows: Rows::new(count)?.into(), count },
            Self::Decode => {
                let mut world = World::new(11, 0)?;
                world.request(7, None, Some(address(7)));
                Prepared::Decode { datagram: world.message, count }
            }
            Self::Encode => {
                let mut world = World::new(11, 8)?;
                world.request(7, Some(address(7)), None);
                let reply = world.counted_decide().context("no reply")?;
                Prepared::Encode { reply: Box::new(reply), count }
            }
            Self::ZoneHit => queries("host", count)?,
            Self::ZoneMissing => queries("missing", count)?,
        })
    }

    /// A world of batches with 8,000 leases; who has them.
    fn batched(names: bool) -> anyhow::Result<Batched> {
        let mut world = Box::new(named::World::new(names)?);
        let clients: Vec<u32> = (0..8_000).collect();
        let taken = world.exchanges(&clients)?;
        world.check(taken.len())?;
        world.counts = true;
        Ok((world, taken))
    }

    fn renewals(held: u32, count: u32) -> anyhow::Result<Prepared> {
        Ok(Prepared::Renewals { world: World::new(11, held)?.into(), clients: renewing(held, count)? })
    }
}

/// So many clients out of `held`, in no order.
fn renewing(held: u32, count: u32) -> anyhow::Result<Vec<(u32, Ipv4Addr)>> {
    // A step that has no factor with the number: every client once before any comes again.
    let order = |nth: u32| u32::try_from(u64::from(nth) * 7_919 % u64::from(held));
    let clients: Result<_, std::num::TryFromIntError> =
        (0..count).map(|nth| order(nth).map(|client| (client, address(client)))).collect();
    Ok(clients?)
}

/// Runs it, and tells how many of it there were.
fn measured(prepared: &mut Prepared) -> anyhow::Result<u32> {
    match prepared {
        Prepared::Exchanges { world, clients } => {
            let count = u32::try_from(clients.len())?;
            for client in clients {
                world.discover(client);
                let address = world.ask(OFFER)?;
                world.request(client, None, Some(address));
                world.ask(ACK)?;
            }
            Ok(count)
        }
        Prepared::Renewals { world, clients } => {
            for (client, address) in clients.iter() {
                world.request(*client, Some(*address), None);
                world.ask(ACK)?;
            }
            Ok(u32::try_from(clients.len())?)
        }
        Prepared::Batched { world, clients } => Ok(u32::try_from(world.exchanges(clients)?.len())?),
        Prepared::BatchedRenewals { world, clients } => {
            world.renewals(clients)?;
            Ok(u32::try_from(clients.len())?)
        }
        Prepared::Piped { piped, clients } => {
            piped.exchange(clients.clone())?;
            Ok(u32::try_from(clients.len())?)
        }
        Prepared::PipedRenewals { piped, clients } => {
            piped.renew(clients)?;
            Ok(u32::try_from(clients.len())?)
        }
        Prepared::Rows { rows, count } => {
            rows.write()?;
            Ok(*count)
        }
        Prepared::Decode { datagram, count } => {
            (0..*count).try_for_each(|_| counted_decode(black_box(datagram)))?;
            Ok(*count)
        }
        Prepared::Encode { reply, count } => {
            let mut out = Vec::with_capacity(1500);
            (0..*count).for_each(|_| counted_encode(black_box(reply), &mut out));
            Ok(*count)
        }
        Prepared::Queries { zones, queries, count } => {
            let mut out = Vec::with_capacity(1500);
            let mut in_turn = queries.iter().cycle();
            for _ in 0..*count {
                let query = in_turn.next().context("no query")?;
                anyhow::ensure!(counted_respond(black_box(zones), black_box(query), &mut out), "no answer");
            }
            Ok(*count)
        }
    }
}

/// Queries for names of a zone of 1,000 hosts, with EDNS.
fn queries(stem: &str, count: u32) -> anyhow::Result<Prepared> {
    let apex: dns::Fqdn = "bench.test".parse()?;
    let host = |number: u32| format!("host{number}.bench.test").parse::<dns::Fqdn>();
    let mut sets = zones::NewZone::new(apex.clone(), apex.prepend_label(b"ns")?, Vec::new()).rrsets();
    for number in 0..1_000 {
        let (rtype, rdata) = dns::Rdata::address(address(number).into());
        sets.push(dns::Rrset::single(host(number)?, rtype, 600, rdata));
    }
    let mut zones = zones::ZoneSet::new();
    zones.insert(zones::Zone::from_sets(apex, sets)?);
    let query = |number: u32| -> anyhow::Result<Vec<u8>> {
        let name: dns::Fqdn = format!("{stem}{number}.bench.test").parse()?;
        let mut octets = vec![0, 7, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1];
        octets.extend_from_slice(name.as_wire());
        octets.extend_from_slice(&[0, 1, 0, 1, 0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0]);
        Ok(octets)
    };
    Ok(Prepared::Queries { zones, queries: (0..1_000).map(query).collect::<Result<_, _>>()?, count })
}

#[inline(never)]
fn counted_respond(zones: &zones::ZoneSet, query: &[u8], out: &mut Vec<u8>) -> bool {
    zones::respond(zones, query, zones::Asked::default(), out).is_some()
}

#[inline(never)]
fn counted_decode(datagram: &[u8]) -> anyhow::Result<()> {
    black_box(Message::parse(datagram).map_err(|reason| anyhow::anyhow!("{reason:?}"))?);
    Ok(())
}

#[inline(never)]
fn counted_encode(reply: &Reply, out: &mut Vec<u8>) {
    out.clear();
    black_box(reply.encode(out));
}

impl World {
    /// A subnet 10.0.0.0/`length` whose first leases are held.
    fn new(length: u8, held: u32) -> anyhow::Result<Self> {
        let (first, last) = (address(0), Ipv4Addr::from_bits(0x0A00_0000 + (u32::MAX >> length) - 16));
        let text = format!(
            "[server]\nstore = \"/nonexistent/store\"\ninterfaces = [\"srv0\"]\n\n[[subnet]]\nprefix = \"10.0.0.0/{length}\"\n\
             pools = [\"{first}-{last}\"]\nlease_time = \"1h\"\nrouters = [\"10.0.0.1\"]\ndns_servers = [\"192.0.2.53\"]\n"
        );
        let settings = match config::check(&text, "micro.toml", &|_: &Path| Err("no file is named".to_owned())) {
            Ok(checked) => checked.config.dhcp,
            Err(faults) => bail!("{}", config::render(&faults, &text, false)),
        };
        Ok(Self {
            engine: Engine::new(Arc::new(settings), (0..held).filter_map(|client| lease(length, client)), NOW),
            message: Vec::with_capacity(1500),
            reply: Vec::with_capacity(1500),
        })
    }

    fn discover(&mut self, client: u32) {
        self.write(client, 1, None, None);
    }

    /// A renewal when `ciaddr` is there, else the taking of an offer.
    fn request(&mut self, client: u32, ciaddr: Option<Ipv4Addr>, offered: Option<Ipv4Addr>) {
        self.write(client, 3, ciaddr, offered);
    }

    fn write(&mut self, client: u32, kind: u8, ciaddr: Option<Ipv4Addr>, offered: Option<Ipv4Addr>) {
        self.message.clear();
        write_request(&mut self.message, client, kind, ciaddr, offered);
    }

    /// Has the engine decide on the message, and reads the address of the awaited reply.
    fn ask(&mut self, awaited: u8) -> anyhow::Result<Ipv4Addr> {
        let reply = self.counted_decide();
        match read_reply(&self.reply) {
            Some((_, kind, address, _)) if kind == awaited => Ok(address),
            _ => bail!("awaited {awaited} and got {reply:?}"),
        }
    }

    /// The reply, which is left encoded too.
    #[inline(never)]
    fn counted_decide(&mut self) -> Option<Reply> {
        let addresses = [ipnet::Ipv4Net::from(SERVER)];
        let ingress = Ingress { interface: "srv0", addresses: &addresses, source: (RELAY, 67), destination: SERVER };
        let decision = self.engine.handle_message(NOW, &ingress, &self.message, &NoNames);
        if let Some(ticket) = decision.ticket {
            self.engine.settle(ticket, CommitOutcome::Committed);
        }
        let (reply, _) = decision.reply?;
        self.reply.clear();
        reply.encode(&mut self.reply);
        Some(reply)
    }
}

/// A client's DISCOVER (`kind` 1) or REQUEST (3) as its relay hands it on: a renewal when `ciaddr` is there, else the taking
/// of what was `offered`.
fn request_of(client: u32, kind: u8, ciaddr: Option<Ipv4Addr>, offered: Option<Ipv4Addr>) -> Vec<u8> {
    let mut out = Vec::with_capacity(400);
    write_request(&mut out, client, kind, ciaddr, offered);
    out
}

fn write_request(out: &mut Vec<u8>, client: u32, kind: u8, ciaddr: Option<Ipv4Addr>, offered: Option<Ipv4Addr>) {
    out.extend([1, 1, 6, 1]);
    out.extend(client.to_be_bytes());
    out.resize(12, 0);
    out.extend(ciaddr.unwrap_or(Ipv4Addr::UNSPECIFIED).octets());
    out.resize(24, 0);
    out.extend(RELAY.octets());
    out.extend(hardware_of(client));
    out.resize(236, 0);
    out.extend([99, 130, 83, 99, 53, 1, kind, 61, 7]);
    out.extend(client_id_of(client));
    if let Some(offered) = offered {
        out.extend([50, 4]);
        out.extend(offered.octets());
        out.extend([54, 4]);
        out.extend(SERVER.octets());
    }
    out.extend([55, 7, 1, 3, 6, 15, 51, 58, 59, 12, 12]);
    out.extend(hostname_of(client));
    out.extend([82, 20]);
    out.extend(RELAY_DATA);
    out.push(255);
}

/// The address of the client with this number.
fn address(client: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(0x0A00_0010 + client)
}

fn hardware_of(client: u32) -> [u8; 6] {
    let [a, b, c, d] = client.to_be_bytes();
    [2, 0, a, b, c, d]
}

fn client_id_of(client: u32) -> [u8; 7] {
    let [a, b, c, d] = client.to_be_bytes();
    [1, 2, 0, a, b, c, d]
}

fn hostname_of(client: u32) -> [u8; 12] {
    let mut name = *b"host00000000";
    let mut rest = client;
    for place in (4..12).rev() {
        // One decimal digit.
        name[place] = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    name
}

/// A lease as the client's messages make it.
fn lease(length: u8, client: u32) -> Option<Lease> {
    Some(Lease {
        address: address(client),
        subnet: ipnet::Ipv4Net::new(Ipv4Addr::new(10, 0, 0, 0), length).ok()?,
        state: LeaseState::Bound,
        hardware: HardwareAddress::new(1, &hardware_of(client))?,
        client_id: Some(ClientId(client_id_of(client).into())),
        started_at: NOW.wall_secs - 60,
        renewed_at: NOW.wall_secs - 60,
        // Spread as renewals are.
        expires_at: NOW.wall_secs + 1800 + u64::from(client % 1800),
        hostname: hostname_of(client).into(),
        client_fqdn: dns::Bytes::default(),
        name: None,
        relay: RELAY,
        relay_agent_info: (*RELAY_DATA).into(),
        server_identifier_override: None,
    })
}

/// What so many leases cost in memory, and how long it takes to have them there.
fn memory(leases: u32) -> anyhow::Result<()> {
    drop(World::new(11, 0)?);
    let empty = World::new(11, 0)?;
    let (before, began) = (resident()?, Instant::now());
    let full = World::new(11, leases)?;
    let (spent, after) = (began.elapsed(), resident()?);
    let each = (after - before) / u64::from(leases);
    println!("{leases} leases: {each} bytes of resident memory each, there after {} ms", spent.as_millis());
    drop((empty, full));
    Ok(())
}

/// Resident memory of this process, in bytes, once what is used no more is given back, as the daemon does after its start.
fn resident() -> anyhow::Result<u64> {
    leasehold::memory::give_back();
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? * 1024)
}

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

/// The system's allocator, which counts how often it is asked.
struct Counting;

#[global_allocator]
static COUNTING: Counting = Counting;

#[allow(unsafe_code, reason = "an allocator is unsafe by its interface; each call goes on to the system's as it came")]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        unsafe { System.realloc(place, layout, size) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        unsafe { System.dealloc(place, layout) }
    }
}
