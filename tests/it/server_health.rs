//! `leasehold status`, `leasehold dns servers` and `explain` say how each DNS server of a zone is doing.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;

use crate::clients::{Client, Kind, Naming};
use crate::dig::{KEY_NAME, KEY_SECRET};
use crate::lan::{client_host, server};
use crate::leasehold::{CONTROL, Leasehold};
use crate::netns::Lab;
use crate::process::{finish, succeed, wait_for};
use crate::servers::{self, DnsServer};
use crate::upkeep::dns;

const PATIENCE: Duration = Duration::from_secs(30);
const ZONES: [&str; 2] = ["nasir.xyz", "30.168.192.in-addr.arpa"];
/// Nobody listens there.
const DEAD: &str = "127.0.0.1:5301";
const BIND: ([u8; 4], u16) = ([127, 0, 0, 1], 5300);

fn config() -> String {
    let server = format!("server = [\"{DEAD}\", \"{}\"]\nkey = \"{KEY_NAME}\"\n", SocketAddr::from(BIND));
    format!(
        "[[key]]\nname = \"{KEY_NAME}\"\nsecret = \"{KEY_SECRET}\"\n\n[ddns]\ndomain = \"nasir.xyz\"\n\
         [[zone]]\nname = \"nasir.xyz\"\n{server}[[zone]]\nprefix = \"192.168.30.0/24\"\n{server}\
         [[subnet]]\nprefix = \"192.168.30.0/24\"\npools = [\"192.168.30.100-192.168.30.199\"]\n"
    )
}

#[test]
fn the_operator_sees_which_server_is_used_and_which_is_passed_over_since_when() {
    let lab = Lab::new();
    let server = server(&lab);
    let mut bind = DnsServer::start(servers::Kind::Bind, &server, SocketAddr::from(BIND), &ZONES);
    let leasehold = Leasehold::start(&server, &config());
    let host = client_host(&lab, &server, "c1");
    let mut client = Client::new(Kind::Udhcpc, &host, Naming::Hostname("pc1".to_owned()));
    let address = client.take();
    bind.dig().wait_agree("pc1.nasir.xyz", address);

    let standing = || {
        let (code, zones) = dns(&leasehold, &["servers"]);
        let zones = zones.as_array().unwrap().clone();
        let of = |zone: &Value| -> Vec<String> {
            let servers = zone["servers"].as_array().unwrap().iter();
            servers.map(|one| one["standing"].as_str().unwrap().to_owned()).collect()
        };
        (code, zones.iter().map(of).collect::<Vec<_>>(), zones)
    };
    let away = vec![vec!["passed-over".to_owned(), "in-use".to_owned()]; 2];
    wait_for("the dead server is passed over", PATIENCE, || (standing().1 == away).then_some(()));
    let (code, _, zones) = standing();
    let dead = &zones[0]["servers"][0];
    assert_eq!((code, &dead["server"], &dead["last"]), (1, &DEAD.into(), &"timeout".into()), "{zones:?}");
    assert!(dead["failing_since"].is_u64() && dead["answered_at"].is_u64(), "{dead}");
    assert!(dead["state"].as_str().unwrap().contains("does not answer"), "{dead}");
    assert_eq!(zones[0]["servers"][1]["state"], "in use");
    let status = succeed(&mut leasehold.command(&["status", "--socket", CONTROL]));
    for words in [
        format!("zone nasir.xyz. at {DEAD}: passed over since 2"),
        format!("zone nasir.xyz. at {}: in use", SocketAddr::from(BIND)),
    ] {
        assert!(status.contains(&words), "{words}: {status}");
    }
    let shown = succeed(&mut leasehold.command(&["dns", "--socket", CONTROL]));
    assert!(shown.contains("passed over since") && !shown.contains(": in use"), "{shown}");
    let story = succeed(&mut leasehold.command(&["explain", "pc1", "--socket", CONTROL]));
    let at = format!("at {DEAD}, {bind}, now at {bind}, signed by key", bind = SocketAddr::from(BIND));
    assert!(story.contains(&at), "{story}");

    // None of them answers: both fail, and a name says whom it was tried at.
    bind.kill();
    client.release();
    let failing = vec!["failing".to_owned(); 2];
    wait_for("both fail", PATIENCE, || standing().1.contains(&failing).then_some(()));
    bind.resume();
    wait_for("one is in use again", PATIENCE, || (standing().1 == away).then_some(()));
    let status = finish(&mut leasehold.command(&["status", "--json", "--socket", CONTROL]));
    let status: Value = serde_json::from_slice(&status.stdout).unwrap();
    assert_eq!(status["zones"][0]["servers"][0]["standing"], "passed-over");
}
