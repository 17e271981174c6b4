//! The configuration's files, read, checked, written and taken over by the API.

use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use crate::dig::KEY_SECRET;
use crate::field;
use crate::leasehold::{CONFIG, Leasehold};
use crate::netns::{Host, Lab};
use crate::records::version;
use crate::reserve::{asked, beside, done};

const MAIN: &str = "configuration/files/main";
const LOCAL: &str = "configuration/files/local";

fn main_file(server: &Host) -> String {
    std::fs::read_to_string(server.path(CONFIG)).unwrap()
}

fn told(server: &Host, path: &str) -> (String, String) {
    let (status, file) = asked(server, "GET", path, None, &[]);
    assert_eq!(status, 200, "{file}");
    (file["text"].as_str().unwrap().to_owned(), format!("if-match: {}", version(server, path)))
}

fn put(server: &Host, path: &str, text: &str, headers: &[&str]) -> (u16, Value) {
    asked(server, "PUT", path, Some(&json!({ "text": text }).to_string()), headers)
}

#[test]
fn the_main_file_is_edited_without_its_secrets_and_taken_over_with_them() {
    let lab = Lab::new();
    let (server, _) = field::hosts(&lab);
    let mut leasehold = Leasehold::start(&server, &field::config(true));
    std::fs::set_permissions(server.path(CONFIG), std::fs::Permissions::from_mode(0o640)).unwrap();
    let (text, seen) = told(&server, MAIN);
    assert!(!text.contains(KEY_SECRET) && text.contains("secret = \"(left out: "), "{text}");
    let smaller = text.replace("10.77.250.255", "10.77.240.255");
    let dry = format!("{MAIN}?dry_run=true");
    let (status, view) = put(&server, &dry, &smaller, &[&seen]);
    assert_eq!((status, &view["applied"]), (200, &false.into()), "{view}");
    let changed = "the pools of subnet 10.77.0.0/16 changed";
    assert!(view["changes"][0].as_str().unwrap().starts_with(changed), "{view}");
    assert!(main_file(&server).contains("10.77.250.255"), "a dry run writes nothing");
    assert_eq!(put(&server, MAIN, &smaller, &[]).0, 400, "without a version");
    let (status, view) = put(&server, MAIN, &smaller, &[&seen]);
    assert_eq!((status, &view["applied"]), (200, &true.into()), "{view}");
    let written = main_file(&server);
    assert!(written.contains(KEY_SECRET) && written.contains("10.77.240.255"), "{written}");
    assert_eq!(std::fs::metadata(server.path(CONFIG)).unwrap().permissions().mode() & 0o777, 0o640);
    // Whoever has seen what was there before is told, and so is who was overtaken by an editor.
    let (status, view) = put(&server, MAIN, &text, &[&seen]);
    assert!(status == 412 && view["detail"].as_str().unwrap().contains("somebody else"), "{view}");
    let (text, seen) = told(&server, MAIN);
    server.write(CONFIG, &format!("# by hand\n{written}"));
    assert_eq!(put(&server, MAIN, &text, &[&seen]).0, 412);
    // What somebody wrote and did not apply is taken over by sending it back as it is.
    let (text, seen) = told(&server, MAIN);
    let (status, view) = put(&server, MAIN, &text, &[&seen]);
    assert_eq!((status, main_file(&server).starts_with("# by hand")), (200, true), "{view}");
    let noted = done(&leasehold, &["audit-log"]);
    assert!(noted.contains("write the main file of the configuration, and take it over"), "{noted}");
    // It starts anew with what was written.
    leasehold.stop();
    leasehold.resume();
    leasehold.stop();
}

#[test]
fn a_fault_is_told_where_it_was_sent_and_changes_neither_file_nor_what_is_in_force() {
    let lab = Lab::new();
    let (server, _) = field::hosts(&lab);
    let leasehold = Leasehold::start(&server, &field::config(true));
    let (text, seen) = told(&server, MAIN);
    let before = main_file(&server);
    // On the line of the secret itself, behind it: the columns are those of what was sent.
    let place = text.split_once("secret = \"").unwrap().1.split('"').next().unwrap();
    let wrong = text.replace(&format!("{place}\""), &format!("{place}\" extra"));
    let line = wrong.lines().position(|line| line.contains("extra")).unwrap() + 1;
    let column = wrong.lines().nth(line - 1).unwrap().find("extra").unwrap() + 1;
    let dry = format!("{MAIN}?dry_run=true");
    let (status, view) = put(&server, &dry, &wrong, &[&seen]);
    let fault = &view["faults"][0];
    assert_eq!((status, &fault["line"], &fault["column"]), (200, &line.into(), &column.into()), "{view}");
    assert!(!view.to_string().contains(KEY_SECRET), "{view}");
    for (wrong, word) in [
        (text.replace(place, "(left out: 00000000)"), "no secret was left out by these words"),
        (text.replace("10.77.250.255", "10.77.999.255"), "10.77.999.255"),
        (text.replace("pools =", "pols ="), "pols"),
    ] {
        let (status, view) = put(&server, MAIN, &wrong, &[&seen]);
        let detail = view["detail"].as_str().unwrap_or_default();
        assert!(status == 422 && detail.contains(word) && detail.contains("/run/leasehold.toml:"), "{view}");
    }
    // What cannot be taken over while it runs is refused, and the file is as it was.
    let (status, view) = put(&server, MAIN, &format!("{text}\n[web]\nlisten = \"127.0.0.1:8068\"\n"), &[&seen]);
    assert_eq!(status, 422, "{view}");
    assert_eq!(main_file(&server), before);
    // The other file: it goes with the main one that is in force.
    let (text, seen) = told(&server, LOCAL);
    assert_eq!(text, "");
    let reservation = "# mine\n[[reservation]]\nhardware = \"02:00:00:00:00:01\"\naddress = \"10.77.0.9\"\n";
    let (status, view) = put(&server, LOCAL, &reservation.replace("0.9", "0.999"), &[&seen]);
    assert!(status == 422 && view["detail"].as_str().unwrap().contains("leasehold.local.toml:4:11"), "{view}");
    assert_eq!(put(&server, LOCAL, reservation, &[&seen]).0, 200);
    assert_eq!(beside(&server), reservation);
    assert_eq!(put(&server, LOCAL, "", &[&seen]).0, 412);
    assert_eq!(asked(&server, "GET", "configuration/files/other", None, &[]).0, 404);
    drop(leasehold);
}
