//! Reservations made by commands, in a file of their own beside the main one; leases ended by a command.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use crate::asker::Asker;
use crate::dig::Dig;
use crate::field::{self, RELAY, SERVER};
use crate::leasehold::{CONFIG, CONTROL, Leasehold};
use crate::load::Plan;
use crate::netns::{Host, Lab};
use crate::packet::{self, Said};
use crate::process::{finish, succeed, wait_for};

const PATIENCE: Duration = Duration::from_secs(30);
/// Beside the main file, as the host sees it.
const BESIDE: &str = "/run/leasehold.local.toml";

/// What a command prints, with standard error behind it, and whether it was content.
pub(crate) fn told(leasehold: &Leasehold<'_>, words: &[&str]) -> (String, bool) {
    let all: Vec<&str> = words.iter().copied().chain(["--socket", CONTROL]).collect();
    let output = finish(&mut leasehold.command(&all));
    let text = [output.stdout, output.stderr].concat();
    (String::from_utf8_lossy(&text).into_owned(), output.status.success())
}

pub(crate) fn done(leasehold: &Leasehold<'_>, words: &[&str]) -> String {
    let (text, good) = told(leasehold, words);
    assert!(good, "{words:?}: {text}");
    text
}

pub(crate) fn beside(host: &Host) -> String {
    std::fs::read_to_string(host.path(BESIDE)).unwrap_or_default()
}

fn hardware(client: u32) -> String {
    Plan::hardware(client).map(|octet| format!("{octet:02x}")).join(":")
}

/// A client with a name takes a lease.
fn take_named(asker: &mut Asker, client: u32, name: &str) -> Ipv4Addr {
    let mut said = Said::new(packet::DISCOVER, 0, Plan::hardware(client));
    said.hostname = Some(name.to_owned());
    let offer = asker.ask(said, PATIENCE).expect("an offer");
    let mut said = Said::new(packet::REQUEST, 0, Plan::hardware(client));
    (said.requested, said.server, said.hostname) = (Some(offer.yiaddr), Some(offer.server), Some(name.to_owned()));
    let ack = asker.ask(said, PATIENCE).expect("an ACK");
    assert_eq!(ack.kind, packet::ACK);
    ack.yiaddr
}

#[test]
fn a_reservation_is_made_by_a_command_kept_over_a_restart_and_taken_out_again() {
    let lab = Lab::new();
    let (server, relay) = field::hosts(&lab);
    let mut leasehold = Leasehold::start(&server, &field::config(false));
    let dig = Dig::new(&server, SocketAddr::from((SERVER, 53)));
    let reserved = Ipv4Addr::new(10, 77, 0, 9);
    let words = ["reserve", &hardware(1), "10.77.0.9", "--name", "printer"];
    let dry = done(&leasehold, &[&words[..], &["--dry-run"]].concat());
    assert!(dry.contains("added: 10.77.0.9 as printer") && dry.contains("this was a dry run"), "{dry}");
    assert_eq!((beside(&server), dig.addresses("printer.nasir.xyz")), (String::new(), vec![]));
    let made = done(&leasehold, &words);
    assert!(made.contains("all of it is in force now"), "{made}");
    // Its name is there before the client has ever been seen, and its client gets the address.
    dig.wait_agree("printer.nasir.xyz", reserved);
    let mut asker = Asker::new(&relay, RELAY, true);
    assert_eq!(asker.take(1, PATIENCE).expect("an ACK").yiaddr, reserved);
    // What somebody writes into the file stays, and the same again is no change.
    let text = beside(&server);
    assert!(text.starts_with("# ") && text.contains(&hardware(1)) && text.contains("hostname = \"printer\""), "{text}");
    server.write(BESIDE, &text.replace("hostname =", "# upstairs\nhostname ="));
    assert!(done(&leasehold, &words).contains("nothing is different"));
    done(&leasehold, &["reserve", "hex:01:02:03:04:05:06:07", "10.77.0.10"]);
    assert!(beside(&server).contains("# upstairs") && beside(&server).contains("client_id"), "{}", beside(&server));
    // A restart, and `check`, read both files.
    leasehold.stop();
    leasehold.resume();
    dig.wait_agree("printer.nasir.xyz", reserved);
    let checked = succeed(&mut leasehold.command(&["check", CONFIG]));
    assert!(checked.contains("no fault"), "{checked}");
    // Another address for the same client takes the place of the first.
    done(&leasehold, &["reserve", &hardware(1), "10.77.0.11", "--name", "printer"]);
    // The name is with the lease as long as there is one.
    dig.wait_agree("printer.nasir.xyz", reserved);
    done(&leasehold, &["release", &reserved.to_string()]);
    dig.wait_agree("printer.nasir.xyz", Ipv4Addr::new(10, 77, 0, 11));
    assert!(!beside(&server).contains("10.77.0.9\""), "{}", beside(&server));
    done(&leasehold, &["unreserve", &hardware(1)]);
    dig.wait_gone("printer.nasir.xyz", Ipv4Addr::new(10, 77, 0, 11));
    let (text, good) = told(&leasehold, &["unreserve", &hardware(1)]);
    assert!(!good && text.contains("no reservation for"), "{text}");
}

#[test]
fn what_does_not_go_with_the_main_file_is_refused_with_both_places() {
    let lab = Lab::new();
    let (server, _) = field::hosts(&lab);
    let main = format!(
        "{}[[subnet.reservation]]\nhardware = \"02:00:00:00:00:01\"\naddress = \"10.77.0.9\"\n",
        field::config(false)
    );
    let leasehold = Leasehold::start(&server, &main);
    let (text, good) = told(&leasehold, &["reserve", "02:00:00:00:00:02", "10.77.0.9"]);
    assert!(!good && text.contains("leasehold.local.toml:6:11") && text.contains("; /run/leasehold.toml:"), "{text}");
    assert!(text.contains("the daemon goes on as before"), "{text}");
    let (text, good) = told(&leasehold, &["reserve", "02:00:00:00:00:02", "10.99.0.9"]);
    assert!(!good && text.contains("10.99.0.9 is in no [[subnet]]"), "{text}");
    let (text, good) = told(&leasehold, &["reserve", "nonsense", "10.77.0.8"]);
    assert!(!good && text.contains("leasehold.local.toml:"), "{text}");
    assert_eq!(beside(&server), "", "nothing was written");
    // What is the main file's is changed there.
    let (text, good) = told(&leasehold, &["unreserve", "02:00:00:00:00:01"]);
    assert!(!good && text.contains("what the main file says is changed there"), "{text}");
    // A fault that somebody writes into the file has its own file's line; a main file that is being edited is no matter.
    server.write(BESIDE, "[[reservation]]\nhardware = \"02:00:00:00:00:03\"\naddress = \"10.77.0.300\"\n[dns]\n");
    let (text, good) = told(&leasehold, &["reload"]);
    assert!(!good && text.contains("leasehold.local.toml:3:11") && text.contains("`dns` does not belong"), "{text}");
    server.write(BESIDE, "");
    let halfway = std::fs::read_to_string(server.path(CONFIG)).unwrap() + "[[subnet]]\nprefix = ";
    server.write(CONFIG, &halfway);
    done(&leasehold, &["reserve", "02:00:00:00:00:02", "10.77.0.8"]);
    let (_, good) = told(&leasehold, &["reload"]);
    assert!(!good, "the main file is not to be read yet");
}

#[test]
fn a_lease_becomes_a_reservation_and_is_ended_with_its_records_by_commands() {
    let lab = Lab::new();
    let (server, relay) = field::hosts(&lab);
    let leasehold = Leasehold::start(&server, &field::config(false));
    let dig = Dig::new(&server, SocketAddr::from((SERVER, 53)));
    let mut asker = Asker::new(&relay, RELAY, true);
    let first = take_named(&mut asker, 1, "laptop");
    let second = take_named(&mut asker, 2, "phone");
    dig.wait_agree("laptop.nasir.xyz", first);
    done(&leasehold, &["reserve", "--from-lease", &first.to_string()]);
    let text = beside(&server);
    let expected = format!("address = \"{first}\"\nhostname = \"laptop\"");
    assert!(text.contains(&hardware(1)) && text.contains(&expected), "{text}");
    dig.wait_agree("laptop.nasir.xyz", first);
    // Of the other one everything goes.
    let ended = done(&leasehold, &["release", &second.to_string()]);
    assert!(ended.contains(&format!("{second} was leased to {}", hardware(2))), "{ended}");
    dig.wait_gone("phone.nasir.xyz", second);
    let shown = leasehold.leases();
    assert!(shown.iter().any(|lease| lease.address == second && lease.state == "released"), "{shown:?}");
    let (text, good) = told(&leasehold, &["release", &second.to_string()]);
    assert!(!good && text.contains("nobody holds"), "{text}");
    // A reserved name stays when the lease ends.
    done(&leasehold, &["release", &first.to_string()]);
    wait_for("nothing is left to be done", PATIENCE, || leasehold.names().iter().all(|name| name.done).then_some(()));
    dig.wait_agree("laptop.nasir.xyz", first);
    let (text, good) = told(&leasehold, &["reserve", "--from-lease", "10.77.9.9"]);
    assert!(!good && text.contains("nobody holds 10.77.9.9 by a lease"), "{text}");
}

/// Asks the API by curl: the status, and the answer.
pub(crate) fn asked(
    server: &Host,
    method: &str,
    path: &str,
    body: Option<&str>,
    more: &[&str],
) -> (u16, serde_json::Value) {
    let mut command = server.command("curl");
    command.args(["-s", "-o", "-", "-w", "\n%{http_code}", "-X", method]);
    command.arg(format!("http://127.0.0.1:8067/api/v1/{path}"));
    if let Some(body) = body {
        command.args(["-H", "content-type: application/json", "-d", body]);
    }
    more.iter().for_each(|header| _ = command.args(["-H", *header]));
    let text = succeed(&mut command);
    let (answer, status) = text.trim_end().rsplit_once('\n').expect("a status behind the answer");
    (status.parse().expect("a status"), serde_json::from_str(answer).unwrap_or_default())
}

#[test]
fn reservations_and_records_are_put_by_the_api_once_and_two_writers_do_not_lose_a_change() {
    let lab = Lab::new();
    let (server, relay) = field::hosts(&lab);
    let leasehold = Leasehold::start(&server, &field::config(false));
    let dig = Dig::new(&server, SocketAddr::from((SERVER, 53)));
    let nas = "{\"address\":\"10.77.0.9\",\"hostname\":\"nas\"}";
    let path = "reservations/52:54:00:12:34:56";
    let (status, told) = asked(&server, "PUT", &format!("{path}?dry_run=true"), Some(nas), &[]);
    assert_eq!((status, told["applied"].as_bool(), beside(&server).as_str()), (200, Some(false), ""), "{told}");
    assert!(told["changes"][0].as_str().unwrap().ends_with("added: 10.77.0.9 as nas"), "{told}");
    let (status, told) = asked(&server, "PUT", path, Some(nas), &[]);
    assert_eq!((status, told["applied"].as_bool()), (200, Some(true)), "{told}");
    dig.wait_agree("nas.nasir.xyz", Ipv4Addr::new(10, 77, 0, 9));
    // The same again is no change, in whatever way its client is written.
    let (status, told) = asked(&server, "PUT", "reservations/5254.0012.3456", Some(nas), &[]);
    assert_eq!(
        (status, told["applied"].as_bool(), told["changes"].as_array().map(Vec::len)),
        (200, Some(false), Some(0))
    );
    // Two have seen the same, and the later one is told of the earlier one's change.
    let mut command = server.command("curl");
    let head = succeed(command.args(["-s", "-D", "-", "-o", "/dev/null", "http://127.0.0.1:8067/api/v1/reservations"]));
    let tag = head.lines().find_map(|line| line.strip_prefix("etag: ")).expect("a version").trim().to_owned();
    let seen = format!("if-match: {tag}");
    let tv = "{\"address\":\"10.77.0.10\"}";
    assert_eq!(asked(&server, "PUT", "reservations/02:00:00:00:00:07", Some(tv), &[&seen]).0, 200);
    let (status, told) = asked(&server, "PUT", "reservations/02:00:00:00:00:08", Some(tv), &[&seen]);
    assert_eq!(status, 412, "{told}");
    let (_, listed) = asked(&server, "GET", "reservations", None, &[]);
    let listed = listed["reservations"].as_array().expect("a list").clone();
    assert_eq!(listed.len(), 2, "{listed:?}");
    assert!(listed.iter().all(|one| one["made"] == true && one["subnet"] == "10.77.0.0/16"), "{listed:?}");
    // What has a fault is a problem with its place, and changes nothing.
    let (status, told) = asked(&server, "PUT", "reservations/02:00:00:00:00:08", Some(tv), &[]);
    let detail = told["detail"].as_str().unwrap_or_default();
    assert!(status == 422 && detail.contains("leasehold.local.toml:") && detail.contains("reserved twice"), "{told}");
    assert_eq!(asked(&server, "DELETE", "reservations/02:00:00:00:00:07", None, &[]).0, 200);
    assert_eq!(asked(&server, "DELETE", "reservations/02:00:00:00:00:07", None, &[]).0, 404);
    // Static records, and the end of a lease.
    let data = "{\"data\":[\"10.77.0.20\"]}";
    assert_eq!(asked(&server, "PUT", "zones/nasir.xyz/records/www/A", Some(data), &[]).0, 200);
    assert_eq!(dig.addresses("www.nasir.xyz"), [Ipv4Addr::new(10, 77, 0, 20)]);
    assert_eq!(asked(&server, "DELETE", "zones/nasir.xyz/records/www/A", None, &[]).0, 200);
    assert!(dig.addresses("www.nasir.xyz").is_empty());
    let mut asker = Asker::new(&relay, RELAY, true);
    let leased = take_named(&mut asker, 3, "phone");
    // Whoever thinks that it is another one's has not seen who has it by now.
    let (status, told) =
        asked(&server, "POST", &format!("leases/{leased}/release?client=02:00:00:00:00:99"), None, &[]);
    assert!(status == 412 && told["detail"].as_str().unwrap_or_default().contains(&hardware(3)), "{told}");
    let release = format!("leases/{leased}/release?client={}", hardware(3));
    let (status, ended) = asked(&server, "POST", &release, None, &[]);
    assert_eq!((status, ended["address"].as_str()), (200, Some(leased.to_string().as_str())), "{ended}");
    dig.wait_gone("phone.nasir.xyz", leased);
    // A text is checked, and the files are taken over.
    let main = std::fs::read_to_string(server.path(CONFIG)).unwrap();
    let text = serde_json::json!({ "text": main.replace("10.77.250.255", "10.77.999.255") }).to_string();
    let (status, told) = asked(&server, "POST", "configuration/check", Some(&text), &[]);
    let fault = &told["faults"][0];
    assert!(status == 200 && fault["line"].as_u64() > Some(1) && fault["column"].as_u64() > Some(1), "{told}");
    server.write(CONFIG, &main.replace("10.77.250.255", "10.77.240.255"));
    let (status, told) = asked(&server, "POST", "configuration/apply", None, &[]);
    assert_eq!((status, told["applied"].as_bool()), (200, Some(true)), "{told}");
    assert!(leasehold.log().contains("the pools of subnet 10.77.0.0/16 changed"), "{}", leasehold.log());
}

#[test]
fn a_lease_is_ended_and_a_device_decided_about_only_as_they_were_seen() {
    let lab = Lab::new();
    let (server, relay) = field::hosts(&lab);
    let leasehold = Leasehold::start(&server, &field::config(false));
    let mut asker = Asker::new(&relay, RELAY, true);
    let (phone, tablet) = (take_named(&mut asker, 3, "phone"), take_named(&mut asker, 4, "tablet"));
    // The version stands in every row, and is the one of the lease.
    let seen = |address: Ipv4Addr| {
        let (status, row) = asked(&server, "GET", &format!("leases/{address}"), None, &[]);
        assert_eq!((status, row["state"].as_str()), (200, Some("bound")), "{row}");
        let (_, list) = asked(&server, "GET", &format!("leases?q={address}"), None, &[]);
        assert_eq!(list["rows"][0]["version"], row["version"], "{list}");
        format!("if-match: {}", row["version"].as_str().expect("a version"))
    };
    let (of_phone, of_tablet) = (seen(phone), seen(tablet));
    // The version is the binding's: what else the lease tells changes beside it, so that it is told each time.
    let kept = of_phone.replace("if-match", "if-none-match");
    assert_eq!(asked(&server, "GET", &format!("leases/{phone}"), None, &[&kept]).0, 200);
    let release = format!("leases/{phone}/release");
    let (status, told_of) = asked(&server, "POST", &release, None, &[&of_tablet]);
    assert!(status == 412 && told_of["detail"].as_str().unwrap_or_default().contains(&hardware(3)), "{told_of}");
    assert_eq!(asked(&server, "POST", &release, None, &[&of_phone]).0, 200);
    assert_eq!(asked(&server, "POST", &release, None, &[&of_phone]).0, 412, "it is another by now");
    assert_eq!(asked(&server, "POST", &release, None, &[]).0, 404);
    assert_eq!(asked(&server, "GET", "leases/10.77.9.9", None, &[]).0, 404);
    let tablet = tablet.to_string();
    let (text, good) = told(&leasehold, &["release", &tablet, "--client", &hardware(3)]);
    assert!(!good && text.contains(&format!("{tablet} is {}'s by now", hardware(4))), "{text}");
    done(&leasehold, &["release", &tablet, "--client", &hardware(4).to_uppercase().replace(':', "-")]);

    let path = format!("devices/{}", hardware(9));
    let verdict = |verdict: &str, seen: &str| {
        let body = format!("{{\"verdict\":\"{verdict}\"}}");
        asked(&server, "PUT", &path, Some(&body), &[seen])
    };
    let version = || {
        let (status, device) = asked(&server, "GET", &path, None, &[]);
        assert_eq!(status, 200, "{device}");
        format!("if-match: {}", device["version"].as_str().expect("a version"))
    };
    assert_eq!(asked(&server, "GET", &path, None, &[]).0, 404, "nobody has heard of it");
    assert_eq!(verdict("approve", "accept: */*").0, 200);
    let approved = version();
    assert_eq!(verdict("deny", &approved).0, 200);
    let (status, late) = verdict("forget", &approved);
    let detail = late["detail"].as_str().unwrap_or_default();
    assert!(status == 412 && detail.contains("somebody else has decided") && detail.contains("denied"), "{late}");
    let (text, good) = told(&leasehold, &["approve", &hardware(9), "--if", "waiting"]);
    assert!(!good && text.contains("it is denied, not waiting"), "{text}");
    done(&leasehold, &["approve", &hardware(9), "--if", "denied"]);
    assert_eq!(verdict("forget", &version()).0, 200);
    assert_eq!(asked(&server, "GET", "devices", None, &[]).1, serde_json::json!([]));
}

#[test]
fn a_machine_with_several_addresses_is_put_by_command_and_api_and_taken_out_again() {
    let lab = Lab::new();
    let (server, relay) = field::hosts(&lab);
    let main = format!("{}\n[[host]]\nname = \"router\"\naddress = \"10.77.0.90\"\n", field::config(false));
    let mut leasehold = Leasehold::start(&server, &main);
    let dig = Dig::new(&server, SocketAddr::from((SERVER, 53)));
    let [by_hand, leased] = [Ipv4Addr::new(10, 77, 0, 50), Ipv4Addr::new(10, 77, 0, 51)];
    let interface = format!("{}={leased}", hardware(3));
    let words = ["machine", "add", "nas", "--address", "10.77.0.50", "--interface", &interface];
    let dry = done(&leasehold, &[&words[..], &["--dry-run"]].concat());
    assert!(dry.contains("this was a dry run") && beside(&server).is_empty(), "{dry}");
    assert!(done(&leasehold, &words).contains("all of it is in force now"));
    wait_for("both addresses of the machine", PATIENCE, || {
        (dig.addresses("nas.nasir.xyz") == [by_hand, leased]).then_some(())
    });
    assert_eq!(dig.names(by_hand), ["nas.nasir.xyz."]);
    let mut asker = Asker::new(&relay, RELAY, true);
    assert_eq!(asker.take(3, PATIENCE).expect("an ACK").yiaddr, leased);
    assert!(done(&leasehold, &words).contains("nothing is different"));
    let listed = done(&leasehold, &["machine", "list"]);
    assert!(listed.contains("router") && listed.contains("10.77.0.50") && listed.contains(&hardware(3)), "{listed}");

    // By the API: who changes what somebody else has changed meanwhile is told so.
    let (status, list) = asked(&server, "GET", "machines", None, &[]);
    let rows = list["machines"].as_array().unwrap();
    let made: Vec<(&str, bool)> =
        rows.iter().map(|one| (one["name"].as_str().unwrap(), one["made"].as_bool().unwrap())).collect();
    assert_eq!((status, &made[..]), (200, &[("router", false), ("nas", true)][..]), "{list}");
    assert_eq!(rows[1]["interfaces"][0]["clients"][0], hardware(3), "{list}");
    let text = "{\"addresses\":[\"10.77.0.60\"],\"ttl\":60}";
    assert_eq!(asked(&server, "PUT", "machines/printer", Some(text), &["If-Match: \"another\""]).0, 412);
    assert_eq!(asked(&server, "PUT", "machines/printer?dry_run=true", Some(text), &[]).1["applied"], false);
    let (status, answer) = asked(&server, "PUT", "machines/printer", Some(text), &[]);
    assert_eq!((status, &answer["applied"]), (200, &true.into()), "{answer}");
    wait_for("the printer's name", PATIENCE, || {
        (dig.addresses("printer.nasir.xyz") == [Ipv4Addr::new(10, 77, 0, 60)]).then_some(())
    });
    assert_eq!(asked(&server, "PUT", "machines/printer", Some(text), &[]).1["applied"], false, "the same again");
    // What the main file has is changed there, and what has a fault is told with its place.
    let (status, answer) = asked(&server, "PUT", "machines/other", Some("{\"addresses\":[\"10.77.0.90\"]}"), &[]);
    assert!(status == 422 && answer["detail"].as_str().unwrap().contains("leasehold.local.toml:"), "{answer}");
    let (status, answer) = asked(&server, "DELETE", "machines/router", None, &[]);
    assert!(status == 404 && answer["detail"].as_str().unwrap().contains("the main file"), "{answer}");
    assert_eq!(asked(&server, "DELETE", "machines/printer", None, &[]).0, 200);
    wait_for("the printer's name to go", PATIENCE, || dig.addresses("printer.nasir.xyz").is_empty().then_some(()));
    // A restart keeps it; then it is taken out.
    leasehold.stop();
    leasehold.resume();
    wait_for("both addresses again", PATIENCE, || (dig.addresses("nas.nasir.xyz") == [by_hand, leased]).then_some(()));
    done(&leasehold, &["machine", "remove", "nas"]);
    wait_for("the address by hand to go", PATIENCE, || {
        (!dig.addresses("nas.nasir.xyz").contains(&by_hand)).then_some(())
    });
    let (text, good) = told(&leasehold, &["machine", "remove", "nas"]);
    assert!(!good && text.contains("no machine nas was made"), "{text}");
    let log = done(&leasehold, &["audit-log"]);
    assert!(log.contains("put the machine nas") && log.contains("take out the machine printer"), "{log}");
}
