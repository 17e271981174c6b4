//! What a flood of made-up identities costs the engine, beside what as many honest clients cost: ratios near 1 are well,
//! and a ratio that grows with COUNT shows work that grows with what the sender made up.
//!
//! `cargo run --release -p leasehold-dhcp --example flood`

use std::error::Error;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dhcp::client::ClientMessage;
use dhcp::decision::Ingress;
use dhcp::engine::Engine;
use dhcp::identity::HardwareAddress;
use dhcp::message::MessageType;
use dhcp::names::NoNames;
use dhcp::options::code;
use dhcp::settings::{AddressRange, LeaseTime, Scope, Settings, Subnet};
use dhcp::time::Now;

const COUNT: u32 = 8_000;
const RELAY: Ipv4Addr = Ipv4Addr::new(10, 7, 0, 1);

fn settings(ignore_client_id: bool) -> Result<Settings, Box<dyn Error>> {
    let times = LeaseTime { default: 3_600, min: 60, max: 86_400 };
    let range = AddressRange { first: Ipv4Addr::new(10, 7, 1, 0), last: Ipv4Addr::new(10, 7, 200, 255) };
    let subnet = Subnet {
        pools: vec![range.into()],
        scope: Scope { lease_secs: times.into(), ..Scope::default() },
        ignore_client_id,
        ..Subnet::new("10.7.0.0/16".parse()?)
    };
    Ok(Settings {
        subnets: vec![subnet],
        offer_hold_secs: 60,
        quarantine_secs: 86_400,
        declines_per_client_max: 3,
        ..Settings::default()
    })
}

/// The least of three runs, since other programs run too.
fn time(settings: &Settings, message: impl Fn(u32) -> ClientMessage) -> Duration {
    let once = || {
        let now = Now { boot_ms: 1_000, wall_secs: 1_800_000_000 };
        let mut engine = Engine::new(Arc::new(settings.clone()), Vec::new(), now);
        let ingress = Ingress { interface: "eth0", addresses: &[], source: (RELAY, 67), destination: RELAY };
        let mut datagram = Vec::new();
        let start = Instant::now();
        for n in 0..COUNT {
            let message = ClientMessage { giaddr: RELAY, ..message(n) };
            datagram.clear();
            message.encode(&mut datagram);
            engine.handle_message(now, &ingress, &datagram, &NoNames);
        }
        start.elapsed()
    };
    once().min(once()).min(once())
}

fn main() -> Result<(), Box<dyn Error>> {
    let station = |n: u32| {
        let [_, a, b, c] = n.to_be_bytes();
        HardwareAddress::new(1, &[6, 0, 0, a, b, c]).ok_or("six bytes are an address")
    };
    let (one, none) = (station(0)?, HardwareAddress::new(32, &[]).ok_or("no bytes are an address")?);
    let discover = |hardware| ClientMessage::new(MessageType::Discover, 1, hardware);
    for (what, ignored) in [("identifiers are the key", false), ("identifiers are ignored", true)] {
        let settings = settings(ignored)?;
        let honest = time(&settings, |n| discover(station(n).unwrap_or(one)));
        let made_up = |hardware| move |n: u32| discover(hardware).with(code::CLIENT_IDENTIFIER, n.to_be_bytes());
        for (which, hardware) in [("one hardware address", one), ("no hardware address", none)] {
            let hostile = time(&settings, made_up(hardware));
            let ratio = hostile.as_secs_f64() / honest.as_secs_f64();
            println!("{what}: {COUNT} made-up identifiers at {which} cost {ratio:.2} of {COUNT} honest clients");
        }
    }
    Ok(())
}
