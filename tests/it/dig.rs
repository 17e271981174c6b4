//! Questions to a DNS server, asked with `dig`, and changes made by hand with `nsupdate`.

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::Stdio;
use std::time::Duration;

use crate::netns::Host;
use crate::process::wait_for;

/// The TSIG key that every server of the tests knows.
pub(crate) const KEY_NAME: &str = "leasehold-key";
/// Its algorithm.
pub(crate) const KEY_ALGORITHM: &str = "hmac-sha256";
/// Its secret, in base64.
pub(crate) const KEY_SECRET: &str = "bm8gc2VjcmV0IGF0IGFsbCwgb25seSBmb3IgdGVzdHM=";

/// How long a name may take to appear or to go.
const PATIENCE: Duration = Duration::from_secs(20);

/// One record of a zone transfer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Record {
    /// The owner, with its final dot, in lower case.
    pub(crate) owner: String,
    /// Such as `A`, `PTR` or `DHCID`.
    pub(crate) rtype: String,
    /// The data as `dig` prints it.
    pub(crate) data: String,
}

/// Asks one server from one host.
#[derive(Clone, Copy)]
pub(crate) struct Dig<'lab> {
    host: &'lab Host,
    server: SocketAddr,
}

impl<'lab> Dig<'lab> {
    /// Asks `server` from `host`.
    pub(crate) fn new(host: &'lab Host, server: SocketAddr) -> Self {
        Self { host, server }
    }

    /// `dig` with these words after server and port; what it prints, even when the server is silent.
    pub(crate) fn raw(&self, words: &[&str]) -> String {
        let mut command = self.host.tool("dig");
        command.arg(format!("@{}", self.server.ip())).args(["-p", &self.server.port().to_string()]);
        command.args(["+time=2", "+tries=1", "+norecurse", "+nocookie"]).args(words);
        let output = crate::process::finish(&mut command);
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// The data of each answer record.
    pub(crate) fn short(&self, words: &[&str]) -> Vec<String> {
        let mut all = vec!["+short"];
        all.extend(words);
        let printed = self.raw(&all);
        printed.lines().filter(|line| !line.starts_with(";;")).map(str::to_owned).collect()
    }

    /// The response code, such as `NOERROR` or `NXDOMAIN`; `None` when there is no answer.
    pub(crate) fn rcode(&self, name: &str, rtype: &str) -> Option<String> {
        let printed = self.raw(&[name, rtype]);
        Some(printed.split_once("status: ")?.1.split(',').next()?.to_owned())
    }

    /// The addresses of a name, sorted.
    pub(crate) fn addresses(&self, name: &str) -> Vec<Ipv4Addr> {
        let mut found: Vec<_> = self.short(&[name, "A"]).iter().filter_map(|line| line.parse().ok()).collect();
        found.sort_unstable();
        found
    }

    /// The names of an address (`dig -x`), with their final dots.
    pub(crate) fn names(&self, address: Ipv4Addr) -> Vec<String> {
        self.short(&["-x", &address.to_string()])
    }

    /// The serial of a zone.
    pub(crate) fn serial(&self, zone: &str) -> u32 {
        let answer = self.short(&[zone, "SOA"]);
        let serial = answer.first().and_then(|soa| soa.split_whitespace().nth(2)?.parse().ok());
        serial.unwrap_or_else(|| panic!("no SOA of {zone}: {answer:?}"))
    }

    /// Every record of a zone, by a signed transfer, without the SOA that closes it.
    pub(crate) fn transfer(&self, zone: &str) -> Vec<Record> {
        let key = format!("{KEY_ALGORITHM}:{KEY_NAME}:{KEY_SECRET}");
        let printed = self.raw(&["-y", &key, "+noall", "+answer", "+onesoa", zone, "AXFR"]);
        let mut records: Vec<_> = printed.lines().filter_map(parse_record).collect();
        assert!(!records.is_empty(), "no transfer of {zone}: {printed}");
        records.sort_unstable();
        records
    }

    /// Waits until `name` has this address and no other, and the address this name and no other.
    pub(crate) fn wait_agree(&self, name: &str, address: Ipv4Addr) {
        let dotted = format!("{name}.");
        wait_for(&format!("{name} and {address} agree on {}", self.server), PATIENCE, || {
            (self.addresses(name) == [address] && self.names(address) == [dotted.clone()]).then_some(())
        });
    }

    /// Waits until neither `name` nor `address` has a record.
    pub(crate) fn wait_gone(&self, name: &str, address: Ipv4Addr) {
        wait_for(&format!("{name} and {address} are gone from {}", self.server), PATIENCE, || {
            let gone = |asked: &[&str]| self.raw(asked).contains("status: NXDOMAIN");
            (gone(&[name, "A"]) && gone(&["-x", &address.to_string()])).then_some(())
        });
    }

    /// Makes a signed change as a person would: `lines` of nsupdate, such as `update add x.nasir.xyz. 60 A 10.0.0.1`.
    pub(crate) fn nsupdate(&self, lines: &str) {
        let told = self.nsupdate_each(&[format!("{lines}\nsend\n")]);
        assert_eq!(told, "", "{lines}");
    }

    /// Makes signed changes one after another, each ending in `send`; returns what nsupdate says of those that failed,
    /// a line each.
    pub(crate) fn nsupdate_each(&self, changes: &[String]) -> String {
        let mut command = self.host.tool("nsupdate");
        // Over TCP. Several at once can draw the same UDP port: an answer then goes to another, and a claim that is sent
        // again finds itself.
        command.args(["-v", "-t", "10", "-y", &format!("{KEY_ALGORITHM}:{KEY_NAME}:{KEY_SECRET}")]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let script = format!("server {} {}\n{}", self.server.ip(), self.server.port(), changes.concat());
        // What nsupdate says of failures fits the pipe's 64 KiB while this is written.
        child.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success() || !told.is_empty(), "nsupdate ended with {}", output.status);
        told
    }

    /// Waits until the server answers for the zone.
    pub(crate) fn wait_serves(&self, zone: &str) {
        wait_for(&format!("{} serves {zone}", self.server), PATIENCE, || {
            self.raw(&[zone, "SOA"]).contains("status: NOERROR").then_some(())
        });
    }
}

/// `owner ttl class type data..`
fn parse_record(line: &str) -> Option<Record> {
    let mut words = line.split_whitespace();
    let owner = words.next().filter(|word| !word.starts_with(';'))?.to_ascii_lowercase();
    let rtype = words.nth(2)?.to_owned();
    Some(Record { owner, rtype, data: words.collect::<Vec<_>>().join(" ") })
}
