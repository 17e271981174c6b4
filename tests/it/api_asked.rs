//! The API of a real daemon asked with whatever its description allows, and much that it does not: by schemathesis, from
//! `docs/openapi.json`'s twin that the daemon serves, and by bodies of our own that are nearly right.
//!
//! `./test` installs schemathesis into `target/api-tests`, in the versions of `tests/api/requirements.txt`.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use web::Role;
use web::access::Need;

use crate::asker::Asker;
use crate::field::{self, RELAY};
use crate::leasehold::{CONFIG, Leasehold};
use crate::netns::{Host, Lab};
use crate::process::finish;
use crate::web_access;

const AT: &str = "127.0.0.1:8067";
const PATIENCE: Duration = Duration::from_secs(30);
/// What is looked at in each answer.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,\
                      response_schema_conformance,negative_data_rejection,unsupported_method,allow_header_conformance";
/// So that every run asks the same.
const SEED: u64 = 7;

/// A server of some leases with a token for each role: their texts, in the order of [`Role::ALL`].
fn tokens(lab: &Lab, server: &Host) -> ([String; 3], String) {
    let mut tables = String::new();
    let texts = Role::ALL.map(|role| {
        let path = lab.directory().join(format!("{role}.token"));
        let words = ["token", &role.to_string(), "--role", &role.to_string(), "--token-file", path.to_str().unwrap()];
        tables += &web_access::made(server, &words, "");
        fs::read_to_string(&path).unwrap().trim().to_owned()
    });
    (texts, tables)
}

fn start<'lab>(server: &'lab Host, relay: &Host, tables: &str) -> Leasehold<'lab> {
    let user =
        web_access::made(server, &["password", "--user", "anna", "--role", "operate"], "correct horse battery\n");
    let leasehold = Leasehold::start(server, &format!("{}\n{user}\n{tables}", field::config(false)));
    let mut asker = Asker::new(relay, RELAY, true);
    for client in 1..=5 {
        asker.take(client, PATIENCE).expect("a lease");
    }
    leasehold
}

fn schemathesis() -> PathBuf {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/api-tests/bin/schemathesis");
    assert!(
        program.exists(),
        "the tests of the API need schemathesis at {}: run ./test api_asked, which installs it",
        program.display()
    );
    program
}

/// One exchange of a run.
#[derive(Debug)]
struct Exchange {
    method: String,
    /// Without what is asked behind `?`.
    path: String,
    status: u64,
}

/// Runs schemathesis over every route but streams, which do not end: all that was asked, and what it found.
fn asked(
    lab: &Lab,
    server: &Host,
    name: &str,
    token: Option<&str>,
    more: &[&str],
) -> (Vec<Exchange>, Result<(), String>) {
    let directory = lab.directory().join(name);
    fs::create_dir(&directory).unwrap();
    // Values for parts of paths that are there, so that answers which tell something are looked at too.
    let there = "[parameters]\n\"path.network\" = \"10.77.0.0\"\n\"path.length\" = 16\n\"path.apex\" = \"nasir.xyz\"\n\
                 \"path.address\" = \"10.77.1.0\"\n\"path.id\" = \"10.77.1.0\"\n\"path.key\" = \"02:00:00:00:00:99\"\n\
                 \"path.name\" = \"www\"\n\"path.rtype\" = \"TXT\"\n\"path.hardware\" = \"02:00:00:00:00:01\"\n\
                 \"query.of\" = \"10.77.1.0\"\n";
    let known = more.is_empty();
    fs::write(directory.join("schemathesis.toml"), if known { there } else { "" }).unwrap();
    let har = directory.join("asked.har");
    let mut command = server.tool("env");
    command.arg("-C").arg(&directory).arg("PYTHONDONTWRITEBYTECODE=1").arg(schemathesis());
    command.args([
        "run",
        &format!("http://{AT}/api/v1/openapi.json"),
        "--checks",
        CHECKS,
        "--exclude-path-regex",
        "/stream$",
    ]);
    command.args(["--phases", "examples,coverage,fuzzing", "--seed", &SEED.to_string(), "--generation-deterministic"]);
    command.args(["--max-examples", "12", "--workers", "1", "--no-color"]);
    command.args(["--request-timeout", "30", "--continue-on-failure", "--suppress-health-check", "all", "--no-shrink"]);
    command.args(["--warnings", "off", "--report", "har"]).arg("--report-har-path").arg(&har).args(more);
    match token {
        Some(token) => command.args(["-H", &format!("Authorization: Bearer {token}")]),
        // Nor one that it makes up.
        None => command.args(["--generation-with-security-parameters", "false"]),
    };
    command.env("HOME", lab.directory());
    let output = finish(&mut command);
    let told = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let text = fs::read_to_string(&har).unwrap_or_else(|error| panic!("{error}: {told}"));
    let report: Value = serde_json::from_str(&text).unwrap();
    let exchange = |entry: &Value| {
        let url = entry["request"]["url"].as_str().unwrap();
        let path = url.split_once(AT).unwrap().1.split(['?', '#']).next().unwrap();
        let method = entry["request"]["method"].as_str().unwrap();
        Exchange {
            method: method.to_owned(),
            path: path.to_owned(),
            status: entry["response"]["status"].as_u64().unwrap(),
        }
    };
    let all = report["log"]["entries"].as_array().unwrap().iter().map(exchange).collect();
    (all, if output.status.success() { Ok(()) } else { Err(told) })
}

/// The route of a path, as the description writes it.
fn route_of(method: &str, path: &str) -> Option<web::Route> {
    let fits = |pattern: &str| {
        let (pattern, path): (Vec<&str>, Vec<&str>) = (pattern.split('/').collect(), path.split('/').collect());
        let part = |(wanted, found): (&&str, &&str)| wanted.starts_with('{') && !found.is_empty() || wanted == found;
        pattern.len() == path.len() && pattern.iter().zip(&path).all(part)
    };
    web::routes().into_iter().find(|route| route.method == method && fits(&route.path))
}

#[test]
fn the_api_answers_as_its_description_says_whatever_it_is_asked() {
    let lab = Lab::new();
    let (server, relay) = field::hosts(&lab);
    let ([viewer, _, administrator], tables) = tokens(&lab, &server);
    let mut leasehold = start(&server, &relay, &tables);

    // Who may do everything: with values that are there, and with any.
    for (name, more) in [("known", &[][..]), ("any", &["--mode", "all"][..])] {
        let (all, found) = asked(&lab, &server, name, Some(&administrator), more);
        if let Err(told) = found {
            panic!("{told}");
        }
        let routes: std::collections::BTreeSet<String> = all
            .iter()
            .filter_map(|one| route_of(&one.method, &one.path).map(|route| format!("{} {}", one.method, route.path)))
            .collect();
        let meant = web::routes().into_iter().filter(|route| !route.path.ends_with("/stream"));
        for route in meant {
            let route = format!("{} {}", route.method, route.path);
            assert!(routes.contains(&route), "{name}: {route} was not asked");
        }
        eprintln!("schemathesis, {name}: {} requests", all.len());
    }
    // Who may only look, and who may nothing.
    let (all, found) = asked(&lab, &server, "viewer", Some(&viewer), &[]);
    assert_eq!(found, Ok(()));
    let (mut refused, mut told) = (0, 0);
    for one in &all {
        let Some(route) = route_of(&one.method, &one.path) else { continue };
        match route.need > Need::VIEW {
            true => {
                assert_eq!(one.status, 403, "{one:?}");
                refused += 1;
            }
            false => told += u64::from(one.status == 200),
        }
    }
    assert!(refused > 50 && told > 50, "{refused} refused, {told} told");
    let (all, found) = asked(&lab, &server, "nobody", None, &[]);
    assert_eq!(found, Ok(()));
    let mut refused = 0;
    for one in &all {
        let Some(route) = route_of(&one.method, &one.path) else { continue };
        if route.need != Need::Nobody {
            assert_eq!(one.status, 401, "{one:?}");
            refused += 1;
        }
    }
    assert!(refused > 100, "{refused} refused");

    is_well(&leasehold, &relay);
    leasehold.stop();
}

/// The daemon serves as before, and its files are whole.
fn is_well(leasehold: &Leasehold<'_>, relay: &Host) {
    assert!(!leasehold.log().contains("panicked"), "{}", leasehold.log());
    let checked = finish(&mut leasehold.command(&["check", CONFIG]));
    assert!(checked.status.success(), "{}{}", String::from_utf8_lossy(&checked.stdout), leasehold.log());
    let mut asker = Asker::new(relay, RELAY, true);
    assert!(asker.take(77, PATIENCE).is_some(), "a client is served");
}

/// Numbers from a seed (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % most
    }

    fn pick<'t>(&mut self, of: &[&'t str]) -> &'t str {
        of[self.below(of.len())]
    }
}

/// Bodies that the routes take, or that look so.
const RIGHT: [&str; 16] = [
    r#"{"address":"10.77.0.17","hostname":"nas"}"#,
    r#"{"subnet":"10.77.0.0/16","hostname":"nas"}"#,
    r#"{"data":["192.0.2.1","192.0.2.2"],"ttl":60}"#,
    r#"{"data":["v=spf1 -all"],"ttl":4294967295}"#,
    r#"{"verdict":"approve"}"#,
    r#"{"name":"anna","password":"wrong horse"}"#,
    r#"{"text":"[[subnet]]\nprefix = \"10.77.0.0/16\"\npools = [\"10.77.1.0-10.77.1.9\"]\n"}"#,
    r#""status""#,
    r#"{"explain":"10.77.1.0"}"#,
    r#"{"lease-at":{"address":"10.77.1.0"}}"#,
    r#"{"reserve":{"reserve":{"client":"02:00:00:00:00:09","address":"10.77.0.19"},"dry_run":false}}"#,
    r#"{"release":{"address":"10.77.1.1"}}"#,
    r#"{"past":{"of":"nas","limit":18446744073709551615}}"#,
    r#"{"events":{"after":18446744073709551615,"limit":18446744073709551615}}"#,
    r#"{"dns-audit":{"zone":"nasir.xyz"}}"#,
    r#""compact""#,
];
/// What stands in the place of another value.
const VALUES: [&str; 16] = [
    "null",
    "true",
    "-1",
    "1e400",
    "18446744073709551616",
    "4294967296",
    "[]",
    "{}",
    r#""""#,
    r#""\u0000""#,
    r#""\ud800""#,
    r#""10.77.0.255""#,
    r#""255.255.255.255""#,
    r#""=\n[[x""#,
    r#""a.b.c.d.e.f.g.h""#,
    r#""../../etc/passwd""#,
];
const PARTS: [&str; 14] = [
    "10.77.1.0",
    "02:00:00:00:00:01",
    "hex:01:02",
    "text:nas",
    "duid:hex:00",
    "nasir.xyz",
    "www",
    "A",
    "TXT",
    "@",
    "%00",
    "%ff%fe",
    "..%2f..%2fetc",
    "%F0%9F%98%80",
];

fn body(random: &mut Random) -> Vec<u8> {
    let mut text = random.pick(&RIGHT).to_owned();
    match random.below(8) {
        0 => {}
        // Another value in the place of one that is there.
        1 | 2 => {
            let ends: Vec<usize> =
                text.char_indices().filter(|(_, c)| *c == ':' || *c == '[').map(|(at, _)| at + 1).collect();
            if !ends.is_empty() {
                let at = ends[random.below(ends.len())];
                let until = text[at..].find([',', '}', ']']).map_or(text.len(), |length| at + length);
                text.replace_range(at..until, random.pick(&VALUES));
            }
        }
        3 => text.truncate(random.below(text.len() + 1)),
        // The same key twice, and one that is none.
        4 => text = text.replacen('{', &format!("{{\"{}\":1,", random.pick(&["hostname", "data", "text", "x"])), 1),
        5 => text = text.replace("nas", &"n".repeat(1 + random.below(70_000))),
        6 => text = [vec!["["; 1 + random.below(30_000)].concat(), text].concat(),
        _ => return (0..random.below(300)).map(|_| random.below(256) as u8).collect(),
    }
    let mut bytes = text.into_bytes();
    if random.below(4) == 0 && !bytes.is_empty() {
        let at = random.below(bytes.len());
        bytes[at] ^= 1_u8 << random.below(8);
    }
    bytes
}

/// Status and body of an answer to one request on a connection of its own.
fn send(method: &str, path: &str, headers: &str, body: &[u8]) -> (u16, String) {
    let mut stream = TcpStream::connect(AT).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n"
    );
    // A body that is too long is refused before all of it is sent.
    _ = stream.write_all(&[head.as_bytes(), body].concat());
    let mut all = Vec::new();
    _ = stream.read_to_end(&mut all);
    let text = String::from_utf8_lossy(&all).into_owned();
    let status = text.split(' ').nth(1).and_then(|status| status.parse().ok());
    (status.unwrap_or_else(|| panic!("{method} {path}: no answer: {text:?}")), text)
}

/// Resident memory, in bytes.
fn memory(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1_024
}

#[test]
fn whatever_body_a_real_daemon_is_sent_it_answers_and_goes_on_in_the_same_memory() {
    const ROUNDS: usize = 25;
    /// What is remembered of changes, sessions and names is bounded, and reached in the first rounds only in part.
    const GROWTH_MAX: u64 = 24 << 20;
    let lab = Lab::new();
    let (server, relay) = field::hosts(&lab);
    let ([.., administrator], tables) = tokens(&lab, &server);
    let mut leasehold = start(&server, &relay, &tables);
    let pid = leasehold.process().pid();
    let seed: u64 = std::env::var("LEASEHOLD_BODIES_SEED").map_or(SEED, |seed| seed.parse().unwrap());
    eprintln!("bodies of LEASEHOLD_BODIES_SEED={seed}");
    let mut random = Random(seed.max(1));
    let writing: Vec<web::Route> = web::routes().into_iter().filter(|route| route.method != "GET").collect();
    let known = format!("authorization: Bearer {administrator}\r\n");
    let mut round = |rounds: usize| {
        let mut statuses = std::collections::BTreeMap::<u16, usize>::new();
        for route in (0..rounds).flat_map(|_| &writing) {
            let path: Vec<&str> = route
                .path
                .split('/')
                .map(|part| if part.starts_with('{') { random.pick(&PARTS) } else { part })
                .collect();
            let path =
                path.join("/") + random.pick(&["", "", "?dry_run=true", "?dry_run=maybe", "?subnet=10.77.0.0/16"]);
            let kind = random.pick(&["application/json", "application/json", "application/json", "text/plain"]);
            let body = body(&mut random);
            let headers = format!("content-type: {kind}\r\n{known}");
            let (status, answer) = send(route.method, &path, &headers, &body);
            let shown = String::from_utf8_lossy(&body[..body.len().min(300)]).into_owned();
            assert!(status < 500, "{} {path}: {answer}\n{shown}", route.method);
            if status >= 400 {
                assert!(
                    answer.to_lowercase().contains("application/problem+json"),
                    "{} {path}: {answer}",
                    route.method
                );
            }
            *statuses.entry(status).or_default() += 1;
        }
        statuses
    };
    let before = server.inside(|| round(ROUNDS));
    let first = memory(pid);
    let after = server.inside(|| round(2 * ROUNDS));
    let last = memory(pid);
    eprintln!("answers: {before:?}, then {after:?}; memory: {first} bytes, then {last}");
    for status in [200, 400, 415, 422] {
        assert!(after.contains_key(&status), "no answer {status}: {after:?}");
    }
    assert!(last < first + GROWTH_MAX, "{first} bytes of memory, then {last}");
    is_well(&leasehold, &relay);
    leasehold.stop();
    leasehold.check_store();
}
