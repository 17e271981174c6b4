//! RFC 2136 by nsupdate, beside BIND: each script of `nsupdate` is run against both servers, nsupdate ends the same way
//! and says the same, the answers that it shows are the same, and so is the zone afterwards, its serial too.

use std::io::Write as _;
use std::process::Stdio;

use super::*;

/// The zones that the scripts change.
const APEXES: [&str; 2] = ["everything.example", "child.everything.example"];

/// What nsupdate is told: lines of its own language, and how it is called.
struct Script {
    title: String,
    lines: Vec<String>,
    /// nsupdate asks for the zone itself.
    finds_zone: bool,
    /// Without the key that both servers know.
    unsigned: bool,
    tcp: bool,
}

/// Reads the scripts: `# title`, then `!findzone`, `!unsigned` and `!tcp`, then lines of nsupdate. Names are relative to
/// the zone where it is given.
fn scripts() -> Vec<Script> {
    let mut scripts: Vec<Script> = Vec::new();
    for line in file("nsupdate").lines().filter(|line| !line.trim().is_empty()) {
        if let Some(title) = line.strip_prefix("# ") {
            let title = title.to_owned();
            scripts.push(Script { title, lines: Vec::new(), finds_zone: false, unsigned: false, tcp: false });
            continue;
        }
        let script = scripts.last_mut().expect("a title comes first");
        match line {
            "!findzone" => script.finds_zone = true,
            "!unsigned" => script.unsigned = true,
            "!tcp" => script.tcp = true,
            _ => script.lines.push(line.to_owned()),
        }
    }
    scripts
}

impl Script {
    /// As nsupdate reads it. It knows no relative names: a name that does not end with a dot is put under the zone here.
    fn text(&self, server: &str) -> String {
        let address: SocketAddr = server.parse().unwrap();
        let mut text = format!("server {} {}\n", address.ip(), address.port());
        if !self.finds_zone && !self.lines.iter().any(|line| line.starts_with("zone ")) {
            text += &format!("zone {}.\n", APEXES[0]);
        }
        for line in &self.lines {
            let mut words: Vec<String> = line.split(' ').map(str::to_owned).collect();
            if matches!(words[0].as_str(), "prereq" | "update") {
                words[2] = absolute(&words[2]);
                // Names in the data of the types that the scripts use.
                for at in 3..words.len() {
                    let target_at = match words[at].as_str() {
                        "CNAME" | "DNAME" | "NS" | "PTR" => at + 1..at + 2,
                        "MX" => at + 2..at + 3,
                        "SRV" => at + 4..at + 5,
                        "NAPTR" => at + 6..at + 7,
                        "SOA" => at + 1..at + 3,
                        _ => continue,
                    };
                    for word in words.get_mut(target_at).into_iter().flatten() {
                        *word = absolute(word);
                    }
                    break;
                }
            }
            text += &(words.join(" ") + "\n");
            if line == "send" {
                text += "answer\n";
            }
        }
        text + "send\nanswer\n"
    }

    /// What nsupdate says when it is run, without what differs from run to run, and how it ends.
    fn run(&self, host: &Host, server: &str) -> String {
        let mut command = host.tool("nsupdate");
        command.args(["-t", "5"]);
        if !self.unsigned {
            command.args(["-y", &format!("{KEY_ALGORITHM}:{KEY_NAME}:{KEY_SECRET}")]);
        }
        if self.tcp {
            command.arg("-v");
        }
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("nsupdate");
        // It ends early after what it does not understand, which is told below.
        let _ = child.stdin.take().unwrap().write_all(self.text(server).as_bytes());
        let output = child.wait_with_output().unwrap();
        let printed = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        let address: SocketAddr = server.parse().unwrap();
        let lines = printed.lines().map(|line| {
            if line.contains("\tANY\tTSIG\t") {
                // Of a signature the time, the MAC and the number are each server's own; the error stands before the last.
                let words: Vec<&str> = line.split_whitespace().collect();
                return format!("TSIG {} {} {}", words[0], words[4], words[words.len() - 2]);
            }
            let line = line.split_once(", id: ").map_or(line, |(before, _)| before);
            line.replace(&format!("{}#{}", address.ip(), address.port()), "the server")
        });
        let code = output.status.code();
        lines.chain([format!("exit code {code:?}")]).collect::<Vec<_>>().join("\n")
    }
}

fn absolute(name: &str) -> String {
    match name {
        "@" => format!("{}.", APEXES[0]),
        name if name.ends_with('.') => name.to_owned(),
        name => format!("{name}.{}.", APEXES[0]),
    }
}

#[test]
fn scripts_of_nsupdate_end_as_with_bind_and_leave_the_same_zone() {
    let lab = Lab::alone();
    let host = lab.host("servers");
    let _bind = start_bind(&host);
    let ours = start_ours(&host);
    let scripts = scripts();
    // One for each rule of sections 2.4 and 2.5 at least.
    let sections = ["2.4.1", "2.4.2", "2.4.3", "2.4.4", "2.4.5", "2.5.1", "2.5.2", "2.5.3", "2.5.4"];
    for section in sections.into_iter().chain(["3.1.2", "3.2", "3.3", "3.4.1", "3.4.2.2", "3.4.2.3", "3.4.2.4", "3.6"])
    {
        let about = scripts.iter().filter(|script| script.title.split(' ').next() == Some(section));
        assert!(about.count() >= 2, "{section}");
    }
    let (listed, mut used) = (listed("nsupdate scripts"), BTreeSet::new());
    let mut told = String::new();
    for script in scripts {
        let title = &script.title;
        let (theirs, own) = (script.run(&host, BIND), script.run(&host, OURS));
        assert!(!theirs.contains("syntax error") && !theirs.contains("invalid"), "{title}: {theirs}");
        if theirs != own && listed.contains(title) {
            used.insert(title.clone());
        } else if theirs != own {
            told += &format!("{title}: BIND {theirs}\nwe {own}\n");
        }
        for apex in APEXES {
            let (theirs, own) = (transferred(&host, BIND, apex), transferred(&host, OURS, apex));
            if theirs != own {
                let only = |one: &BTreeSet<String>, other: &BTreeSet<String>| {
                    one.difference(other).cloned().collect::<Vec<_>>()
                };
                // From here on nothing can be compared.
                panic!("{told}{title}: only BIND {:#?}, only we {:#?}", only(&theirs, &own), only(&own, &theirs));
            }
        }
    }
    ours.stop();
    assert!(told.is_empty(), "differences that docs/zones-compared.md does not list:\n{told}");
    let stale: Vec<_> = listed.difference(&used).collect();
    assert!(stale.is_empty(), "listed, and answered alike: {stale:?}");
}
