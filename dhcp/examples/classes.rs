//! What 200 classes cost beside one: 150 by equality or prefix, 50 by sub-string, as lists of phones, switch ports and boot
//! loaders are. Ratios near 1 are well.
//!
//! `cargo run --release -p leasehold-dhcp --example classes`

use std::error::Error;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dhcp::class::{Class, Classes, Condition, Fact, Facts, Test};
use dhcp::client::ClientMessage;
use dhcp::decision::Ingress;
use dhcp::engine::Engine;
use dhcp::identity::HardwareAddress;
use dhcp::message::{Message, MessageType};
use dhcp::names::NoNames;
use dhcp::options::code;
use dhcp::settings::{AddressRange, Pool, Settings, Subnet};
use dhcp::time::Now;

const COUNT: u32 = 250;
const RELAY: Ipv4Addr = Ipv4Addr::new(10, 7, 0, 1);
/// The least of so many runs counts, since other programs run too.
const RUNS: usize = 800;

/// Half of the 150 are of makers' prefixes of hardware addresses, the others of vendor classes and circuits.
fn conditions(count: usize) -> Vec<Condition> {
    let circuit = |n: usize| format!("Gi1/0/{n}").into_bytes();
    let mut all = Vec::with_capacity(count);
    for n in 0..count {
        let number = u8::try_from(n % 256).unwrap_or_default();
        all.push(match n % 8 {
            0..=2 => Condition::Is(Fact::Hardware, Test::Prefix([6, 0x40, number].into())),
            3 | 4 => Condition::Is(Fact::CIRCUIT_ID, Test::Equal(circuit(n).into())),
            5 => Condition::Is(Fact::Option(60), Test::Prefix(format!("vendor-{n}").into_bytes().into())),
            6 => Condition::Is(Fact::Option(60), Test::Contains(format!("model {n}").into_bytes().into())),
            _ => Condition::Is(Fact::Option(12), Test::Contains(format!("room{n}").into_bytes().into())),
        });
    }
    all
}

/// Two of eight are by sub-string: 150 and 50.
fn classes(count: usize) -> Result<Classes, Box<dyn Error>> {
    let names = conditions(count).into_iter().map(|condition| Class::new("class", condition));
    Ok(Classes::compile(names.collect())?)
}

/// What a phone sends through a relay.
fn message(n: u32, message_type: MessageType) -> Option<ClientMessage> {
    let [_, a, b, c] = n.to_be_bytes();
    let hardware = HardwareAddress::new(1, &[6, 0x40, b, a, b, c])?;
    let circuit = format!("Gi1/0/{}", n % 48);
    let mut relay = vec![1, u8::try_from(circuit.len()).ok()?];
    relay.extend(circuit.bytes());
    relay.extend([2, 6, 0, 0x1E, 0xBD, 0xA1, 0x34, 0x80]);
    let message = ClientMessage { giaddr: RELAY, ..ClientMessage::new(message_type, n, hardware) }
        .with(code::VENDOR_CLASS_IDENTIFIER, *b"vendor-13 phone, model 7961, SIP 8.5")
        .with(code::HOST_NAME, format!("phone-{n}-room{}", n % 200).into_bytes())
        .with(code::PARAMETER_REQUEST_LIST, [1, 3, 6, 15, 42, 66, 150])
        .with(code::MAXIMUM_DHCP_MESSAGE_SIZE, [5, 220])
        .with(code::CLIENT_IDENTIFIER, [1, 6, 0x40, b, a, b, c]);
    Some(message.with(code::RELAY_AGENT_INFORMATION, relay))
}

fn datagrams(message_type: MessageType) -> Vec<Vec<u8>> {
    let encode = |message: ClientMessage| {
        let mut datagram = Vec::new();
        message.encode(&mut datagram);
        datagram
    };
    (0..COUNT).filter_map(|n| message(n, message_type)).map(encode).collect()
}

/// The time of `handle_message` with these classes: a DISCOVER of each client, on an engine that has offered to all.
fn engine(classes: &Classes) -> Result<impl FnMut() -> Duration + use<>, Box<dyn Error>> {
    let range = AddressRange { first: Ipv4Addr::new(10, 7, 1, 0), last: Ipv4Addr::new(10, 7, 200, 255) };
    let subnet = Subnet { pools: vec![Pool::from(range)], ..Subnet::new("10.7.0.0/16".parse()?) };
    let settings =
        Settings { subnets: vec![subnet], classes: classes.clone(), offer_hold_secs: 60, ..Settings::default() };
    let now = Now { boot_ms: 1_000, wall_secs: 1_800_000_000 };
    let mut engine = Engine::new(Arc::new(settings), Vec::new(), now);
    let datagrams = datagrams(MessageType::Discover);
    Ok(move || {
        let ingress =
            Ingress { interface: "eth0", addresses: &[], source: (RELAY, 67), destination: Ipv4Addr::LOCALHOST };
        let start = Instant::now();
        for datagram in &datagrams {
            std::hint::black_box(engine.handle_message(now, &ingress, datagram, &NoNames));
        }
        start.elapsed()
    })
}

/// The time of evaluation alone.
fn evaluation(classes: &Classes) -> impl FnMut() -> Duration + use<> {
    let classes = classes.clone();
    let datagrams = datagrams(MessageType::Discover);
    move || {
        let messages: Vec<_> = datagrams.iter().filter_map(|datagram| Message::parse(datagram).ok()).collect();
        let start = Instant::now();
        for message in &messages {
            let relay = message.relay_agent_info().0;
            let facts = Facts { message, relay, giaddr: message.giaddr, interface: "eth0", is_known: false };
            std::hint::black_box(classes.of(&facts));
        }
        start.elapsed()
    }
}

/// The least of each, by turns.
fn compare(mut runs: [Box<dyn FnMut() -> Duration>; 3]) -> [f64; 3] {
    let mut least = [Duration::MAX; 3];
    for _ in 0..RUNS {
        for (run, least) in runs.iter_mut().zip(&mut least) {
            *least = run().min(*least);
        }
    }
    least.map(|time| time.as_secs_f64() * 1e9 / f64::from(COUNT))
}

fn main() -> Result<(), Box<dyn Error>> {
    let (none, one, many) = (classes(0)?, classes(1)?, classes(200)?);
    let whole = compare([Box::new(engine(&none)?), Box::new(engine(&one)?), Box::new(engine(&many)?)]);
    let alone = compare([Box::new(evaluation(&none)), Box::new(evaluation(&one)), Box::new(evaluation(&many))]);
    for (what, [none, one, many]) in [("handle_message, DISCOVER", whole), ("evaluation alone", alone)] {
        println!(
            "{what}: {none:.0} ns without classes, {one:.0} with one, {many:.0} with 200: {:.2} of one",
            many / one
        );
    }
    Ok(())
}
