//! What the running daemon was asked about names of others: told by `leasehold queries` and written to a file, with hosts
//! named by their leases.
//!
//! Needs `udhcpc` and `dig`.

use std::time::Duration;

use crate::clients::{Client, Kind, Naming};
use crate::lan::{client_host, server};
use crate::leasehold::{CONTROL, Leasehold};
use crate::netns::Lab;
use crate::process::{finish, succeed, wait_for};

const SUBNET: &str = "[[zone]]\nname = \"nasir.xyz\"\n[[subnet]]\nprefix = \"192.168.30.0/24\"\n\
                      pools = [\"192.168.30.100-192.168.30.199\"]\ndomain = \"nasir.xyz\"\n\
                      [[block]]\nname = \"ads\"\nfile = \"/etc/bind/ads.txt\"\n[dns]\nupstreams = [\"192.168.30.99\"]\n";

fn queries(leasehold: &Leasehold<'_>, words: &[&str]) -> Vec<serde_json::Value> {
    let words = [&["queries", "--json", "--socket", CONTROL], words].concat();
    serde_json::from_str(&succeed(&mut leasehold.command(&words))).expect("a list")
}

#[test]
fn questions_are_told_with_the_host_of_the_lease_and_why_they_were_blocked() {
    let lab = Lab::new();
    let server = server(&lab);
    let host = client_host(&lab, &server, "pc");
    server.write("/etc/bind/ads.txt", "ads.example\n");
    let mut leasehold = Leasehold::start(
        &server,
        &format!("{SUBNET}[resolver]\nlog = \"whole\"\nlog_file = \"/var/lib/bind/queries.log\"\n"),
    );
    let mut client = Client::new(Kind::Udhcpc, &host, Naming::Hostname("pc".to_owned()));
    let address = client.take().to_string();
    for asked in ["ads.example", "localhost", "silent.example"] {
        finish(host.tool("dig").args(["@192.168.30.1", "+tries=1", "+time=6", asked]));
    }
    let told = queries(&leasehold, &[]);
    let fates: Vec<&str> = told.iter().map(|query| query["fate"].as_str().unwrap()).collect();
    assert_eq!(fates, ["blocked", "local", "failed"], "{told:?}");
    for query in &told {
        assert_eq!(query["client"], address.as_str());
        assert_eq!(query["host"], "pc.nasir.xyz.", "{query}");
        assert!(query["hardware"].as_str().is_some_and(|text| text.contains(':')), "{query}");
    }
    assert_eq!((&told[0]["name"], &told[0]["why"]), (&"ads.example.".into(), &"listed in ads".into()));
    assert!(told[2]["why"].as_str().unwrap().contains("192.168.30.99"), "{:?}", told[2]);
    assert_eq!(queries(&leasehold, &["--blocked"]).len(), 1);
    let standing = succeed(&mut leasehold.command(&["status", "--socket", CONTROL]));
    let counted = [
        "1 blocked",
        "1 failed",
        "1 local",
        "upstream 192.168.30.99: ",
        "block list ads: 1 names",
        " DNS requests by UDP",
    ];
    assert!(counted.iter().all(|words| standing.contains(words)), "{standing}");
    let state = standing.lines().find_map(|line| line.strip_prefix("upstream 192.168.30.99: ")).unwrap_or_default();
    assert!(state.starts_with("suspect") || state.starts_with("down"), "{standing}");
    let file = server.path("/var/lib/bind/queries.log");
    let lines = wait_for("the file is written", Duration::from_secs(10), || {
        let text = std::fs::read_to_string(&file).ok()?;
        (text.lines().count() == 3).then_some(text)
    });
    assert!(lines.contains("\"host\":\"pc.nasir.xyz.\"") && lines.contains("listed in ads"), "{lines}");
    // Without names, and not at all.
    for (log, names) in [("nameless", true), ("off", false)] {
        leasehold.stop();
        Leasehold::rewrite(&server, &format!("{SUBNET}[resolver]\nlog = \"{log}\"\n"));
        leasehold.resume();
        finish(host.tool("dig").args(["@192.168.30.1", "+tries=1", "+time=6", "ads.example"]));
        if names {
            let told = queries(&leasehold, &[]);
            assert!(told[0]["name"].is_null() && told[0]["fate"] == "blocked", "{told:?}");
        } else {
            let output = finish(&mut leasehold.command(&["queries", "--socket", CONTROL]));
            assert!(!output.status.success());
            assert!(String::from_utf8_lossy(&output.stderr).contains("no questions are remembered"));
        }
    }
    leasehold.stop();
}
