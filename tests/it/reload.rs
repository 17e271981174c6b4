//! The configuration is read again while the daemon serves: as a whole or not at all, and nobody notices who asks.
//!
//! What DNS holds afterwards is the affair of `config_changes`, whose tests are made by a restart and by a reload.

use std::net::{Ipv4Addr, SocketAddr};
use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::asker::Asker;
use crate::dig::Dig;
use crate::field::{self, RELAY, SERVER};
use crate::leasehold::{CONFIG, CONTROL, Leasehold};
use crate::load::{Load, Plan};
use crate::netns::{Host, Lab};
use crate::packet;
use crate::process::{finish, succeed, wait_for};

const PATIENCE: Duration = Duration::from_secs(30);
/// Longer than a datagram takes on the busiest machine: who asks again after so long was not answered.
const NEVER_ANSWERED: Duration = Duration::from_secs(5);

/// What `leasehold reload --json` tells, and whether it was content.
fn reload(leasehold: &Leasehold<'_>, more: &[&str]) -> (serde_json::Value, bool) {
    let words: Vec<&str> = ["reload", "--json", "--socket", CONTROL].iter().chain(more).copied().collect();
    let output = finish(&mut leasehold.command(&words));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let view = serde_json::from_str(&text).unwrap_or_else(|error| {
        panic!("{error}: {text}{}", String::from_utf8_lossy(&output.stderr));
    });
    (view, output.status.success())
}

fn lines(view: &serde_json::Value, key: &str) -> Vec<String> {
    let list = view[key].as_array().expect("a list");
    list.iter().map(|one| one.as_str().expect("text").to_owned()).collect()
}

/// The field's configuration, with something else different each time.
fn varied(round: u32) -> String {
    let mut config = field::config(false);
    let last = round % 200 + 1;
    if round % 2 == 1 {
        config.push_str(&format!(
            "[[subnet.reservation]]\nhardware = \"02:00:00:00:00:{last:02x}\"\naddress = \"10.77.0.{}\"\nhostname = \"reserved{round}\"\n",
            last + 2
        ));
    }
    if round % 3 == 1 {
        config = config.replace("10.77.250.255", "10.77.249.255");
    }
    if round % 4 == 1 {
        config.push_str("[[subnet]]\nprefix = \"10.78.0.0/24\"\npools = [\"10.78.0.10-10.78.0.99\"]\n");
    }
    let record = format!("records = [{{ name = \"round\", type = \"TXT\", data = \"{round}\" }}]\n");
    config.replacen("[[zone]]\nname = \"nasir.xyz\"\n", &format!("[[zone]]\nname = \"nasir.xyz\"\n{record}"), 1)
}

#[test]
fn not_one_exchange_is_lost_while_the_configuration_is_read_again_twenty_times() {
    let lab = Lab::new();
    let (server, relay) = field::hosts(&lab);
    let mut leasehold = Leasehold::start(&server, &varied(0));
    let dig = Dig::new(&server, SocketAddr::from((SERVER, 53)));
    let plan = Plan {
        starts_per_sec: Some(60.0),
        renew_after: Some(Duration::from_millis(400)),
        retry: NEVER_ANSWERED,
        ..Plan::arrivals(2_000, 0.0)
    };
    let load = Load::new(&relay, RELAY, SERVER, plan);
    let (history, ()) = load.alongside(Duration::ZERO, || {
        for round in 1..=20 {
            Leasehold::rewrite(&server, &varied(round));
            // By the signal and by the command.
            if round % 5 == 0 {
                leasehold.process().signal(Signal::SIGHUP);
            } else {
                leasehold.reload();
            }
            wait_for("the record of this configuration", PATIENCE, || {
                let told = dig.short(&["round.nasir.xyz", "TXT"]);
                (told == [format!("\"{round}\"")]).then_some(())
            });
            thread::sleep(Duration::from_millis(50));
        }
        // Whoever was not answered has asked again by now.
        thread::sleep(NEVER_ANSWERED);
    });
    println!("{} acknowledgements, {} clients", history.acknowledgements(), history.held().len());
    assert_eq!(history.violations(), "");
    assert_eq!(history.asked_again, 0, "an exchange was lost");
    assert!(history.acknowledgements() > 300, "{}", history.acknowledgements());
    let shown = leasehold.leases();
    for ack in history.held().values() {
        assert!(shown.iter().any(|lease| lease.address == ack.address && lease.state == "bound"), "{ack:?}");
    }
    leasehold.stop();
    leasehold.check_store();
}

#[test]
fn a_changed_file_is_told_beforehand_and_taken_over_whole_or_not_at_all() {
    let lab = Lab::new();
    let (server, relay) = field::hosts(&lab);
    let leasehold = Leasehold::start(&server, &field::config(false));
    let mut asker = Asker::new(&relay, RELAY, true);
    let first = asker.take(1, PATIENCE).expect("an ACK").yiaddr;
    assert_eq!(first, Ipv4Addr::new(10, 77, 1, 0));
    let reserved = |more: &str| {
        format!(
            "{}[[subnet.reservation]]\nhardware = \"02:00:00:00:00:07\"\naddress = \"{first}\"\n{more}",
            field::config(false)
        )
    };
    // A dry run tells it all, and does nothing.
    Leasehold::rewrite(&server, &reserved("hostname = \"seven\"\n"));
    let (told, good) = reload(&leasehold, &["--dry-run"]);
    assert!(good && told["applied"] == false, "{told}");
    let expected = format!("the reservation for 02:00:00:00:00:07 in subnet 10.77.0.0/16 added: {first} as seven");
    assert_eq!(lines(&told, "changes")[0], expected);
    let effect = &lines(&told, "effects")[0];
    assert!(effect.starts_with(&format!("{first} is leased to 02:4c:48:00:00:01")), "{effect}");
    let (again, _) = reload(&leasehold, &["--dry-run"]);
    assert_eq!(again, told, "nothing has changed");
    // With something that only a restart can change, nothing of it is taken over.
    let other_store =
        std::fs::read_to_string(server.path(CONFIG)).unwrap().replace("/run/leasehold/store", "/run/other");
    server.write(CONFIG, &other_store);
    let (told, good) = reload(&leasehold, &[]);
    assert!(!good && told["applied"] == false, "{told}");
    let refused = lines(&told, "refused");
    assert!(refused[0].contains("`store` was /run/leasehold/store, and is /run/other now; restart"), "{refused:?}");
    // Neither is a file with a fault, which is drawn with its place.
    Leasehold::rewrite(&server, &reserved("hostnam = \"seven\"\n"));
    let (told, good) = reload(&leasehold, &[]);
    let faults = told["faults"].as_str().unwrap_or_default();
    assert!(!good && faults.contains("hostnam") && faults.contains("leasehold.toml:"), "{told}");
    assert!(!leasehold.log().contains("configuration: "), "{}", leasehold.log());
    // The good one is, and says the same as before.
    Leasehold::rewrite(&server, &reserved("hostname = \"seven\"\n"));
    let (told, good) = reload(&leasehold, &[]);
    assert!(good && told["applied"] == true, "{told}");
    assert_eq!(lines(&told, "changes")[0], expected);
    let (told, _) = reload(&leasehold, &[]);
    assert_eq!((told["applied"].as_bool(), lines(&told, "changes").len()), (Some(false), 0), "{told}");
}

/// Of a removed subnet, by words and by what its client hears.
#[test]
fn leases_of_a_subnet_that_a_reload_removes_are_counted_beforehand() {
    let lab = Lab::new();
    let (server, relay) = field::hosts(&lab);
    let leasehold = Leasehold::start(&server, &field::config(false));
    let mut asker = Asker::new(&relay, RELAY, true);
    for client in 1..=3 {
        asker.take(client, PATIENCE).expect("an ACK");
    }
    let other = field::config(false).replace(
        "prefix = \"10.77.0.0/16\"\npools = [\"10.77.1.0-10.77.250.255\"]",
        "prefix = \"10.79.0.0/16\"\npools = [\"10.79.1.0-10.79.250.255\"]\ninterfaces = [\"eth0\"]",
    );
    let other = format!("[dns]\nlisten = [\"{SERVER}\"]\n{other}");
    Leasehold::rewrite(&server, &other);
    let (told, good) = reload(&leasehold, &[]);
    assert!(good, "{told}");
    let effects = lines(&told, "effects");
    assert!(effects[0].starts_with("3 leases lie in the removed subnet 10.77.0.0/16"), "{effects:?}");
    let renewed = asker.renew(1, Ipv4Addr::new(10, 77, 1, 0));
    assert!(renewed.as_ref().is_none_or(|heard| heard.kind == packet::NAK), "{renewed:?}");
    Leasehold::rewrite(&server, &field::config(false));
    let (told, good) = reload(&leasehold, &[]);
    assert!(good, "{told}");
    let renewed = asker.renew(1, Ipv4Addr::new(10, 77, 1, 0)).expect("an answer");
    assert_eq!(renewed.kind, packet::ACK, "its lease was kept");
}

#[test]
fn files_with_faults_leave_the_daemon_as_it_was() {
    let lab = Lab::new();
    let (server, relay) = field::hosts(&lab);
    let leasehold = Leasehold::start(&server, &field::config(false));
    let mut asker = Asker::new(&relay, RELAY, true);
    let good = field::config(false);
    let mut random = Random(0x5eed_1234);
    let (mut refused, mut tried) = (0, 0);
    while refused < 50 {
        tried += 1;
        assert!(tried < 500, "mutations hardly ever make a fault");
        Leasehold::rewrite(&server, &random.mutated(&good));
        let (told, content) = reload(&leasehold, &["--dry-run"]);
        if content {
            continue;
        }
        let (again, content) = reload(&leasehold, &[]);
        assert!(!content && again["applied"] == false, "{again}");
        assert_eq!((&told["faults"], &told["refused"]), (&again["faults"], &again["refused"]));
        refused += 1;
        if refused % 10 == 0 {
            let ack = asker.take(refused, PATIENCE).expect("the old configuration runs on");
            assert!(ack.kind == packet::ACK && ack.lease_secs == field::LEASE_SECS, "{ack:?}");
        }
    }
    assert!(!leasehold.log().contains(" configuration: "), "{}", leasehold.log());
    Leasehold::rewrite(&server, &good);
    let (told, content) = reload(&leasehold, &[]);
    assert!(content && lines(&told, "changes").is_empty(), "{told}");
}

/// xorshift64.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }

    /// The text with a piece taken out, doubled, moved or overwritten.
    fn mutated(&mut self, text: &str) -> String {
        let (at, length) = (self.below(text.len()), 1 + self.below(24));
        let end = (at + length).min(text.len());
        let other = self.below(text.len());
        match self.below(4) {
            0 => [&text[..at], &text[end..]].concat(),
            1 => [&text[..end], &text[at..]].concat(),
            2 => [&text[..other], &text[at..end], &text[other..]].concat(),
            _ => [&text[..at], &"=\"[x7".repeat(length)[..length], &text[end..]].concat(),
        }
    }
}

/// A second cable, so that there is another interface to serve.
fn second_cable(lab: &Lab, server: &Host) -> Host {
    let other = lab.host("other");
    lab.cable(server, "eth1", &other, "eth0");
    server.ip("address add 10.80.0.1/16 dev eth1");
    other.ip("address add 10.80.0.2/16 dev eth0");
    other
}

#[test]
fn an_interface_that_is_added_is_served_at_once_and_one_that_is_removed_no_more() {
    let lab = Lab::new();
    let (server, relay) = field::hosts(&lab);
    let other = second_cable(&lab, &server);
    let with = |interfaces: &str| {
        let second =
            "[[subnet]]\nprefix = \"10.80.0.0/16\"\npools = [\"10.80.1.0-10.80.1.255\"]\nlease_time = \"1h\"\n";
        format!("interfaces = [{interfaces}]\n{}{second}", field::config(false))
    };
    let rewrite = |interfaces: &str| {
        let config = with(interfaces);
        let (first, rest) = config.split_once('\n').expect("a line");
        Leasehold::rewrite(&server, rest);
        let text = std::fs::read_to_string(server.path(CONFIG)).unwrap();
        server.write(CONFIG, &text.replacen("[server]\n", &format!("[server]\n{first}\n"), 1));
    };
    rewrite("\"eth0\"");
    let mut leasehold = Leasehold::prepare(&server, "");
    rewrite("\"eth0\"");
    leasehold.resume();
    let second: Ipv4Addr = "10.80.0.1".parse().unwrap();
    let mut first_asker = Asker::new(&relay, RELAY, true);
    let mut asker = Asker::new(&other, "10.80.0.2".parse().unwrap(), true).of(second);
    assert!(asker.take(1, Duration::from_millis(500)).is_none(), "eth1 is not served");
    rewrite("\"eth0\", \"eth1\"");
    let (told, good) = reload(&leasehold, &[]);
    assert!(good && lines(&told, "changes")[0].ends_with("eth1 is new"), "{told}");
    assert_eq!(asker.take(1, PATIENCE).expect("an ACK").kind, packet::ACK);
    assert_eq!(first_asker.take(1, PATIENCE).expect("an ACK").kind, packet::ACK);
    // DNS is served there too.
    let dig = Dig::new(&other, SocketAddr::from((second, 53)));
    wait_for("an answer on eth1", PATIENCE, || dig.rcode("nasir.xyz", "SOA").filter(|rcode| rcode == "NOERROR"));
    // An offer on the interface that goes can still be taken.
    rewrite("\"eth1\"");
    let offer = first_asker.ask(packet::Said::new(packet::DISCOVER, 0, Plan::hardware(2)), PATIENCE).expect("an offer");
    let (told, good) = reload(&leasehold, &[]);
    assert!(good && lines(&told, "changes")[0].ends_with("eth0 is removed"), "{told}");
    let mut said = packet::Said::new(packet::REQUEST, 0, Plan::hardware(2));
    (said.requested, said.server) = (Some(offer.yiaddr), Some(offer.server));
    assert_eq!(first_asker.ask(said, PATIENCE).expect("it drains").kind, packet::ACK);
    wait_for("eth0 is not served any more", PATIENCE, || leasehold.log().contains("no longer serving").then_some(()));
    assert!(first_asker.take(3, Duration::from_millis(500)).is_none());
    assert_eq!(asker.take(2, PATIENCE).expect("an ACK").kind, packet::ACK);
}

#[test]
fn a_daemon_that_is_killed_while_it_takes_a_file_over_has_the_old_or_the_new_one_whole() {
    let lab = Lab::new();
    let (server, relay) = field::hosts(&lab);
    let mut leasehold = Leasehold::start(&server, &varied(0));
    let dig = Dig::new(&server, SocketAddr::from((SERVER, 53)));
    let mut asker = Asker::new(&relay, RELAY, true);
    let address = asker.take(1, PATIENCE).expect("an ACK").yiaddr;
    let mut random = Random(0xdead_beef);
    let mut serial = dig.serial("nasir.xyz");
    for round in 1..=12 {
        Leasehold::rewrite(&server, &varied(round));
        leasehold.process().signal(Signal::SIGHUP);
        thread::sleep(Duration::from_micros(random.below(12_000) as u64));
        leasehold.kill();
        leasehold.check_store();
        leasehold.resume();
        // The file on the disk is the new one: a start makes of the store what it says, wherever it was cut.
        assert_eq!(dig.short(&["round.nasir.xyz", "TXT"]), [format!("\"{round}\"")]);
        let now = dig.serial("nasir.xyz");
        assert!(now > serial, "the serial goes up, and never back: {serial} {now}");
        serial = now;
        let renewed = asker.renew(1, address).expect("an answer");
        assert_eq!((renewed.kind, renewed.yiaddr), (packet::ACK, address));
    }
    assert!(succeed(&mut leasehold.command(&["status", "--socket", CONTROL])).contains("10.77.0.0/16"));
}
