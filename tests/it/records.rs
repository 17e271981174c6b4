//! Static records made while the daemon serves, in zones held here and in another server's.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use crate::dig::Dig;
use crate::field::{self, DNS, SERVER, ZONES};
use crate::leasehold::{CONFIG, Leasehold};
use crate::netns::{Host, Lab};
use crate::process::{succeed, wait_for};
use crate::reserve::{asked, beside, done, told};
use crate::servers::{DnsServer, Kind};

/// Two zones: `nasir.xyz` in BIND, `lan.example` held here.
fn config() -> String {
    let records = "records = [{ name = \"fixed\", type = \"A\", data = \"10.77.0.30\" }]\n";
    field::config(true) + "\n[[zone]]\nname = \"lan.example\"\n" + records
}

fn wait_is(dig: &Dig<'_>, words: &[&str], expected: &[&str]) {
    wait_for(&format!("{words:?} is {expected:?}"), Duration::from_secs(30), || {
        let mut found = dig.short(words);
        found.sort();
        (found == expected).then_some(())
    });
}

#[test]
fn static_records_are_added_put_and_taken_out_by_commands_here_and_in_bind() {
    let lab = Lab::new();
    let (server, _relay) = field::hosts(&lab);
    let dns = DnsServer::start(Kind::Bind, &server, SocketAddr::from(DNS), &ZONES);
    let bind = dns.dig();
    let mut leasehold = Leasehold::start(&server, &config());
    let own = Dig::new(&server, SocketAddr::from((SERVER, 53)));
    // Here, at once.
    let dry = done(&leasehold, &["record", "add", "lan.example", "www", "A", "10.77.0.20", "--dry-run"]);
    assert!(dry.contains("static record www.lan.example. A") && dry.contains("this was a dry run"), "{dry}");
    assert_eq!((beside(&server), own.addresses("www.lan.example")), (String::new(), vec![]));
    done(&leasehold, &["record", "add", "lan.example", "www", "A", "10.77.0.20"]);
    assert_eq!(own.addresses("www.lan.example"), [Ipv4Addr::new(10, 77, 0, 20)]);
    done(&leasehold, &["record", "add", "lan.example", "www.lan.example", "a", "10.77.0.21", "--ttl", "5m"]);
    wait_is(&own, &["www.lan.example", "A"], &["10.77.0.20", "10.77.0.21"]);
    assert!(own.raw(&["www.lan.example", "A"]).contains("\t300\t"), "{}", own.raw(&["www.lan.example", "A"]));
    // The same again changes nothing, what somebody wrote beside it stays.
    let text = beside(&server).replace("data = \"10.77.0.20\"", "data = \"10.77.0.20\" # the old one");
    server.write("/run/leasehold.local.toml", &text);
    let same =
        done(&leasehold, &["record", "set", "lan.example", "www", "A", "10.77.0.21", "10.77.0.20", "--ttl", "300"]);
    assert!(same.contains("nothing is different") && beside(&server) == text, "{same}: {}", beside(&server));
    done(&leasehold, &["record", "remove", "lan.example", "www", "A", "10.77.0.21"]);
    wait_is(&own, &["www.lan.example", "A"], &["10.77.0.20"]);
    assert!(beside(&server).contains("# the old one"), "{}", beside(&server));
    // At the other server, by signed updates.
    done(&leasehold, &["record", "add", "nasir.xyz", "@", "MX", "10 mail.example.net.", "20 mail2.example.net."]);
    wait_is(&bind, &["nasir.xyz", "MX"], &["10 mail.example.net.", "20 mail2.example.net."]);
    done(&leasehold, &["record", "set", "nasir.xyz", "nasir.xyz", "MX", "30 mail3.example.net."]);
    wait_is(&bind, &["nasir.xyz", "MX"], &["30 mail3.example.net."]);
    // Both files' are shown, and what does not fit is told with its place.
    let listed = done(&leasehold, &["record", "list"]);
    let line = |name: &str| listed.lines().map(str::trim).find(|line| line.starts_with(name)).unwrap_or_default();
    assert!(line("fixed.lan.example").ends_with("main") && line("nasir.xyz").ends_with("beside"), "{listed}");
    assert!(line("nasir.xyz").contains("30 mail3.example.net."), "{listed}");
    let made = done(&leasehold, &["record", "list", "lan.example", "--made"]);
    assert!(made.contains("www.lan.example") && !made.contains("fixed") && made.contains("1 records"), "{made}");
    let (text, good) = told(&leasehold, &["record", "add", "lan.example", "www", "A", "10.77.0.300"]);
    assert!(!good && text.contains("leasehold.local.toml:") && text.contains("is not A data"), "{text}");
    let (text, good) = told(&leasehold, &["record", "add", "elsewhere.example", "www", "A", "10.77.0.3"]);
    assert!(!good && text.contains("there is no [[zone]] named elsewhere.example"), "{text}");
    let (text, good) = told(&leasehold, &["record", "add", "lan.example", "www", "CNAME", "fixed"]);
    assert!(!good && text.contains("has a CNAME record and other records"), "{text}");
    let (text, good) = told(&leasehold, &["record", "remove", "lan.example", "fixed", "A"]);
    assert!(!good && text.contains("what the main file says is changed there"), "{text}");
    let (text, good) = told(&leasehold, &["record", "list", "elsewhere.example"]);
    assert!(!good && text.contains("names are kept in no zone elsewhere.example"), "{text}");
    // A restart reads both files; what is taken out goes there too.
    leasehold.stop();
    leasehold.resume();
    wait_is(&own, &["www.lan.example", "A"], &["10.77.0.20"]);
    done(&leasehold, &["record", "remove", "nasir.xyz", "@", "MX"]);
    wait_is(&bind, &["nasir.xyz", "MX"], &[]);
    let noted = done(&leasehold, &["audit-log"]);
    assert!(noted.contains("take out the records MX of @ in the zone nasir.xyz"), "{noted}");
    leasehold.stop();
    leasehold.check_store();
}

/// The version that an answer tells.
pub(crate) fn version(server: &Host, path: &str) -> String {
    let url = format!("http://127.0.0.1:8067/api/v1/{path}");
    let head = succeed(server.command("curl").args(["-s", "-D", "-", "-o", "/dev/null", &url]));
    let told = head.lines().find_map(|line| line.strip_prefix("etag: "));
    told.unwrap_or_else(|| panic!("no version in {head}")).trim().to_owned()
}

#[test]
fn of_two_writers_of_the_same_records_the_later_one_is_told() {
    let lab = Lab::new();
    let (server, _relay) = field::hosts(&lab);
    let leasehold = Leasehold::start(&server, &field::config(false));
    let path = "zones/nasir.xyz/records/www/A";
    let put = |data: &str, headers: &[&str]| {
        asked(&server, "PUT", path, Some(&format!("{{\"data\":[\"{data}\"]}}")), headers)
    };
    assert_eq!(asked(&server, "GET", path, None, &[]).0, 404);
    assert_eq!(put("10.77.0.20", &["if-match: \"none\""]).0, 412, "there are none to be changed");
    assert_eq!(put("10.77.0.20", &["if-none-match: *"]).0, 200);
    assert_eq!(put("10.77.0.21", &["if-none-match: *"]).0, 412, "there are some already");
    let (_, set) = asked(&server, "GET", path, None, &[]);
    assert_eq!((&set["data"][0], &set["name"]), (&"10.77.0.20".into(), &"www.nasir.xyz".into()), "{set}");
    let seen = format!("if-match: {}", version(&server, path));
    // Others' records are not in the way.
    let other = "{\"data\":[\"one two\"],\"ttl\":60}";
    assert_eq!(asked(&server, "PUT", "zones/nasir.xyz/records/note/TXT", Some(other), &[]).0, 200);
    assert_eq!(put("10.77.0.21", &[&seen]).0, 200);
    assert_eq!(put("10.77.0.22", &[&seen]).0, 412);
    assert_eq!(asked(&server, "DELETE", path, None, &[&seen]).0, 412);
    let now = format!("if-match: {}", version(&server, path));
    assert_eq!(asked(&server, "DELETE", path, None, &[&now]).0, 200);
    assert_eq!(asked(&server, "DELETE", path, None, &[]).0, 404);
    // The page's list says which can be changed so.
    let (_, rows) = asked(&server, "GET", "zones/nasir.xyz/records?q=note", None, &[]);
    let row = &rows["rows"][0];
    assert_eq!((&row["origin"], &row["made"]), (&"configuration".into(), &true.into()), "{rows}");
    assert!(std::fs::read_to_string(server.path(CONFIG)).is_ok_and(|text| !text.contains("one two")));
    drop(leasehold);
}
