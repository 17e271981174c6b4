//! The embedded server beside BIND: the same master files, the same questions, and every difference in a table.
//!
//! Needs `named`, `dig`, root and a network namespace. `docs/zones-compared.md` has the table.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::path::PathBuf;
use std::time::Duration;

use dns::Fqdn;
use dns::text::{Word, rdata_from_words};
use dns::wire::{name_from_hickory, rdata_from_hickory};
use hickory_proto::op::Message;
use hickory_proto::rr::Record;
use zones::master::{self, MasterFile};
use zones::{Zone, ZoneSet};

use crate::dig::{Dig, KEY_ALGORITHM, KEY_NAME, KEY_SECRET};
use crate::embedded_dns::{Options, Server};
use crate::netns::{Host, Lab};
use crate::process::{Running, finish};

mod nsupdate;
mod updates;

const ZONES: [(&str, &str); 3] = [
    ("everything.example", "everything.zone"),
    ("other.example", "other.zone"),
    ("child.everything.example", "child.zone"),
];
const BIND: &str = "127.0.0.1:5301";
const OURS: &str = "127.0.0.1:5302";
const PATIENCE: Duration = Duration::from_secs(30);

fn file(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/it/zones_beside_bind").join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The zones as our reader reads them.
fn read_zones() -> ZoneSet {
    let mut zones = ZoneSet::new();
    for (apex, path) in ZONES {
        let (apex, text) = (apex.parse::<Fqdn>().unwrap(), file(path));
        let include = |path: &str| Ok(file(path));
        let read = master::read(&MasterFile { text: &text, file: path, apex: &apex, ttl_secs: 3600 }, &include);
        let sets = read.unwrap_or_else(|faults| panic!("{faults:?}"));
        zones.insert(Zone::from_sets(apex, sets).unwrap());
    }
    zones
}

/// BIND with the zones, at [`BIND`].
fn start_bind(host: &Host) -> Running {
    host.ip("link set lo up");
    let address: SocketAddr = BIND.parse().unwrap();
    let mut text = format!(
        "options {{\n\
           directory \"/var/lib/bind\"; pid-file none; session-keyfile none; recursion no; notify no;\n\
           listen-on port {} {{ {}; }}; listen-on-v6 {{ none; }}; dnssec-validation no;\n\
           minimal-responses no-auth; check-names primary ignore; allow-transfer {{ any; }};\n\
         }};\n\
         controls {{ }};\n\
         key {KEY_NAME} {{ algorithm {KEY_ALGORITHM}; secret \"{KEY_SECRET}\"; }};\n",
        address.port(),
        address.ip()
    );
    for (apex, path) in ZONES {
        host.write(&format!("/var/lib/bind/{path}"), &file(path));
        text += &format!(
            "zone \"{apex}\" {{ type primary; file \"/var/lib/bind/{path}\"; allow-update {{ key {KEY_NAME}; }}; }};\n"
        );
    }
    host.write("/var/lib/bind/included.zone", &file("included.zone"));
    host.write("/etc/bind/named.conf", &text);
    let running = host.start("named", &["-g", "-n", "1", "-c", "/etc/bind/named.conf"]);
    for (apex, _) in ZONES {
        Dig::new(host, address).wait_serves(apex);
    }
    running
}

fn start_ours(host: &Host) -> Server {
    let zones = Some(read_zones());
    let (listen, transfer_for) = (Some(OURS.parse().unwrap()), vec!["127.0.0.0/8"]);
    host.inside(|| Server::start(Options { listen, zones, transfer_for, ..Options::default() }))
}

/// Every record of a zone as `dig` prints it in RFC 3597's form, in which no type is known.
fn transferred(host: &Host, server: &str, apex: &str) -> BTreeSet<String> {
    let address: SocketAddr = server.parse().unwrap();
    let mut command = host.tool("dig");
    command.arg(format!("@{}", address.ip())).args(["-p", &address.port().to_string()]);
    command.args(["+noall", "+answer", "+nocookie", "+unknownformat", "+onesoa", apex, "AXFR"]);
    let printed = String::from_utf8_lossy(&finish(&mut command).stdout).into_owned();
    let records = printed.lines().filter(|line| !line.starts_with(';') && !line.is_empty());
    let canonical = |line: &str| {
        let mut words = line.split_whitespace();
        let (owner, ttl) = (words.next().unwrap(), words.next().unwrap());
        let (class, rtype) = (words.next().unwrap(), words.next().unwrap());
        let data: Vec<Word<'_>> = words.map(|text| Word { text, quoted: false }).collect();
        // Names within in lower case, where case does not count.
        let rdata = rdata_from_words(rtype.parse().unwrap(), &data, &Fqdn::root()).unwrap();
        format!("{} {ttl} {class} {rtype} {:02x?}", owner.to_ascii_lowercase(), rdata.0)
    };
    records.map(canonical).collect()
}

#[test]
fn a_zone_with_everything_in_it_is_read_as_bind_reads_it() {
    let lab = Lab::alone();
    let host = lab.host("servers");
    let _bind = start_bind(&host);
    let ours = start_ours(&host);
    for (apex, _) in ZONES {
        let (theirs, own) = (transferred(&host, BIND, apex), transferred(&host, OURS, apex));
        assert!(!theirs.is_empty());
        let only = |one: &BTreeSet<String>, other: &BTreeSet<String>| {
            one.difference(other).cloned().collect::<Vec<_>>().join("\n")
        };
        assert!(theirs == own, "only BIND:\n{}\nonly we:\n{}", only(&theirs, &own), only(&own, &theirs));
    }
    ours.stop();
}

/// One question, and how it is put.
#[derive(Clone, Debug)]
struct Query {
    /// As its line has it, with `udp` or `tcp` behind: its name in the table.
    key: String,
    octets: Vec<u8>,
    tcp: bool,
}

impl Query {
    /// `name type words..`
    fn read(line: &str, tcp: bool) -> Self {
        let words: Vec<&str> = line.split_whitespace().collect();
        let name: Fqdn = words[0].parse().unwrap();
        let number = |key: &str| {
            let found = words.iter().find_map(|word| word.strip_prefix(key)?.strip_prefix('='));
            found.map(|text| text.parse::<u16>().unwrap())
        };
        let has = |word: &str| words.contains(&word);
        let mut octets = vec![0x12, 0x34];
        octets.push((number("opcode").unwrap_or(0) as u8) << 3 | u8::from(has("rd")));
        octets.extend([0, 0, 1, 0, 0, 0, 0, 0, u8::from(!has("noedns"))]);
        // In the case of the line.
        let dotted = words[0].parse::<Fqdn>().unwrap().as_wire().to_vec();
        octets.extend(if name.to_string() == format!("{}.", words[0]) { dotted } else { cased(words[0], &dotted) });
        let rtype: dns::RecordType = words[1].parse().unwrap();
        octets.extend(rtype.0.to_be_bytes());
        octets.extend(number("class").unwrap_or(1).to_be_bytes());
        if !has("noedns") {
            octets.extend([0, 0, 41]);
            octets.extend(number("size").unwrap_or(1232).to_be_bytes());
            octets.extend([0, number("version").unwrap_or(0) as u8, if has("do") { 0x80 } else { 0 }, 0, 0, 0]);
        }
        Self { key: format!("{line} {}", if tcp { "tcp" } else { "udp" }), octets, tcp }
    }

    /// The answer's octets; `None`: there is none in time.
    fn ask(&self, server: &str) -> Option<Vec<u8>> {
        let mut answer = vec![0; 65_535];
        if self.tcp {
            let mut stream = TcpStream::connect(server).ok()?;
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            let length = (self.octets.len() as u16).to_be_bytes();
            stream.write_all(&[&length[..], &self.octets].concat()).ok()?;
            let mut length = [0; 2];
            stream.read_exact(&mut length).ok()?;
            answer.truncate(usize::from(u16::from_be_bytes(length)));
            stream.read_exact(&mut answer).ok()?;
        } else {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            socket.set_read_timeout(Some(PATIENCE)).unwrap();
            socket.send_to(&self.octets, server).unwrap();
            let length = socket.recv(&mut answer).ok()?;
            answer.truncate(length);
        }
        Some(answer)
    }
}

/// The wire form of a name in the case in which it is written.
fn cased(text: &str, lower: &[u8]) -> Vec<u8> {
    let letters = text.bytes().filter(|byte| byte.is_ascii_alphabetic());
    let mut written = letters.collect::<Vec<_>>().into_iter();
    let cased =
        lower.iter().map(|octet| if octet.is_ascii_lowercase() { written.next().unwrap_or(*octet) } else { *octet });
    cased.collect()
}

/// An answer in words: header, question, EDNS, and each section as a set.
fn in_words(answer: Option<&[u8]>) -> BTreeMap<&'static str, BTreeSet<String>> {
    let Some(octets) = answer else { return BTreeMap::from([("answer", BTreeSet::from(["none".to_owned()]))]) };
    let Ok(message) = Message::from_vec(octets) else {
        return BTreeMap::from([("answer", BTreeSet::from([format!("undecodable {octets:02x?}")]))]);
    };
    let header = &message.metadata;
    let flag = |set: bool, word: &'static str| set.then(|| word.to_owned());
    let flags = [
        flag(header.authoritative, "aa"),
        flag(header.truncation, "tc"),
        flag(header.recursion_desired, "rd"),
        flag(header.recursion_available, "ra"),
        Some(format!("rcode {}", u16::from(header.response_code))),
        message.edns.as_ref().map(|edns| format!("edns {} do {}", edns.version(), edns.flags().dnssec_ok)),
    ];
    let queries = message.queries.iter().map(|query| format!("{} {:?}", query.name(), query.query_type()));
    let section = |records: &[Record]| -> BTreeSet<String> { records.iter().map(record_in_words).collect() };
    BTreeMap::from([
        ("header", flags.into_iter().flatten().collect()),
        ("question", queries.collect()),
        ("answer", section(&message.answers)),
        ("authority", section(&message.authorities)),
        ("additional", section(&message.additionals)),
    ])
}

fn record_in_words(record: &Record) -> String {
    let name = name_from_hickory(&record.name).unwrap();
    let data = rdata_from_hickory(&record.data)
        .map_or_else(|error| error.to_string(), |(rtype, rdata)| format!("{rtype} {:02x?}", rdata.0));
    format!("{name} {} {data}", record.ttl)
}

/// The rows of one of the tables, what is answered otherwise, each with BIND's way, ours and why.
fn listed(section: &str) -> BTreeSet<String> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/zones-compared.md");
    let text = fs::read_to_string(path).unwrap();
    let section = text.split("\n## ").find(|part| part.to_ascii_lowercase().starts_with(section)).expect("a table");
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
    let mut listed = BTreeSet::new();
    for row in rows {
        let cells: Vec<&str> = row.split('|').collect();
        assert_eq!(cells.len(), 5, "query, BIND, ours, why: {row}");
        assert!(cells[..4].iter().all(|cell| !cell.trim().is_empty()), "{row}");
        for key in cells[0].split('`').filter(|key| key.len() > 2) {
            listed.insert(key.to_owned());
        }
    }
    listed
}

#[test]
fn some_hundred_queries_are_answered_as_bind_answers_them_but_for_what_is_listed() {
    let lab = Lab::alone();
    let host = lab.host("servers");
    let _bind = start_bind(&host);
    let ours = start_ours(&host);
    let text = file("queries");
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    let queries: Vec<Query> = lines.flat_map(|line| [Query::read(line, false), Query::read(line, true)]).collect();
    assert!(queries.len() > 300);
    let (listed, mut used) = (listed("queries"), BTreeSet::new());
    let mut unlisted = String::new();
    for query in &queries {
        let (theirs, own) = host.inside(|| (query.ask(BIND), query.ask(OURS)));
        let (theirs, own) = (in_words(theirs.as_deref()), in_words(own.as_deref()));
        if theirs == own {
            continue;
        }
        // A row is about both protocols unless it names one.
        let either = query.key.rsplit_once(' ').map_or("", |(line, _)| line);
        if let Some(key) = [query.key.as_str(), either].into_iter().find(|key| listed.contains(*key)) {
            used.insert(key.to_owned());
            continue;
        }
        unlisted += &format!("{}\n", query.key);
        for part in theirs.keys().chain(own.keys()).collect::<BTreeSet<_>>() {
            let (bind, we) = (theirs.get(part), own.get(part));
            if bind != we {
                unlisted += &format!("  {part}\n    BIND {bind:?}\n    we   {we:?}\n");
            }
        }
    }
    ours.stop();
    assert!(unlisted.is_empty(), "differences that docs/zones-compared.md does not list:\n{unlisted}");
    let stale: Vec<_> = listed.difference(&used).collect();
    assert!(stale.is_empty(), "listed, and answered alike: {stale:?}");
}
