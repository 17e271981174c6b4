//! Who may do what over HTTP, with a real daemon, curl and openssl: TLS, tokens, signing in.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;
use std::time::Duration;

use crate::lan;
use crate::leasehold::{Leasehold, PROGRAM, STORE};
use crate::netns::{Host, Lab};
use crate::process::{succeed, wait_for};

const SUBNET: &str = "[[subnet]]\nprefix = \"192.168.30.0/24\"\npools = [\"192.168.30.100-192.168.30.199\"]\n";
const PASSWORD: &str = "correct horse battery";
const PATIENCE: Duration = Duration::from_secs(60);

/// What `leasehold web ...` prints, with `input` on its standard input.
pub(crate) fn made(host: &Host, arguments: &[&str], input: &str) -> String {
    let mut command = host.tool(PROGRAM);
    command.arg("web").args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// A token, and the table for it.
fn token(lab: &Lab, host: &Host, name: &str, role: &str) -> (String, String) {
    let path = lab.directory().join(format!("{name}.token"));
    let table = made(host, &["token", name, "--role", role, "--token-file", path.to_str().unwrap()], "");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    (fs::read_to_string(&path).unwrap().trim().to_owned(), table)
}

/// Status and body.
fn curl(host: &Host, arguments: &[&str]) -> (u16, String) {
    let mut command = host.tool("curl");
    command.args(["-sS", "--max-time", "30", "-w", "\n%{http_code}"]).args(arguments);
    let text = succeed(&mut command);
    let (body, status) = text.trim_end().rsplit_once('\n').unwrap_or(("", text.trim_end()));
    (status.parse().unwrap(), body.to_owned())
}

/// The certificate that the page shows, in PEM.
fn shown_certificate(host: &Host) -> String {
    let mut command = host.tool("openssl");
    command.args(["s_client", "-connect", "192.168.30.1:8067", "-showcerts"]).stdin(Stdio::null());
    let shown = String::from_utf8_lossy(&command.output().unwrap().stdout).into_owned();
    let (begin, end) = ("-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----");
    let (at, until) = (shown.find(begin).unwrap(), shown.find(end).unwrap());
    format!("{}\n", &shown[at..until + end.len()])
}

#[test]
fn the_page_is_served_to_the_network_with_tls_and_a_login() {
    let lab = Lab::new();
    let server = lan::server(&lab);
    let desk = lan::client_host(&lab, &server, "desk");
    desk.ip("address add 192.168.30.7/24 dev eth0");
    let user = made(&server, &["password", "--user", "anna", "--role", "operate"], &format!("{PASSWORD}\n"));
    let (token, table) = token(&lab, &server, "prometheus", "view");
    let web = "[web]\nlisten = \"192.168.30.1:8067\"\ntls = true\nredirect = \"192.168.30.1:80\"\n";
    let mut daemon = Leasehold::start(&server, &format!("{SUBNET}\n{web}\n{user}\n{table}"));
    let at = "https://192.168.30.1:8067";
    // Its certificate is for the address, and is kept where it can be copied from.
    let kept = fs::metadata(server.path(STORE).join("page-certificate/self-made.pem")).unwrap();
    assert_eq!(kept.permissions().mode() & 0o077, 0, "its key is nobody else's to read");
    let trusted = lab.directory().join("page.pem");
    fs::write(&trusted, shown_certificate(&desk)).unwrap();
    let trust = ["--cacert", trusted.to_str().unwrap()];
    let ask = |more: &[&str]| curl(&desk, &[&trust[..], more].concat());

    assert_eq!(ask(&[&format!("{at}/health")]), (200, "ok\n".to_owned()));
    let (status, body) = ask(&[&format!("{at}/api/v1/leases")]);
    assert!(status == 401 && body.contains("sign in first"), "{status} {body}");
    let bearer = format!("Authorization: Bearer {token}");
    assert_eq!(ask(&["-H", &bearer, &format!("{at}/metrics")]).0, 200);
    let (status, shown) = ask(&["-H", &bearer, &format!("{at}/api/v1/configuration")]);
    assert!(status == 200 && shown.contains("(left out)"), "{shown}");
    assert!(!shown.contains("argon2id$v=19$m=19456,t=2,p=1$") && !shown.contains(&token), "{shown}");

    // Without TLS one is sent on, from port 80 and from the page's own port.
    for plain in ["http://192.168.30.1/leases?q=a", "http://192.168.30.1:8067/leases?q=a"] {
        let head =
            succeed(desk.tool("curl").args(["-sS", "-o", "/dev/null", "-w", "%{http_code} %{redirect_url}", plain]));
        assert_eq!(head, format!("308 {at}/leases?q=a"), "{plain}");
    }

    let jar = lab.directory().join("jar");
    let jar = jar.to_str().unwrap();
    let sign_in = |password: &str| {
        let body = format!("{{\"name\": \"anna\", \"password\": \"{password}\"}}");
        let json = "Content-Type: application/json";
        ask(&["-c", jar, "-H", json, "-H", &format!("Origin: {at}"), "-d", &body, &format!("{at}/api/v1/session")])
    };
    assert_eq!(sign_in("wrong horse battery").0, 401);
    let (status, me) = sign_in(PASSWORD);
    assert!(status == 200 && me.contains("\"role\":\"operate\""), "{me}");
    let cookies = fs::read_to_string(jar).unwrap();
    assert!(
        cookies.contains("#HttpOnly_192.168.30.1\tFALSE\t/\tTRUE") && cookies.contains("__Host-leasehold"),
        "{cookies}"
    );
    let (status, me) = ask(&["-b", jar, &format!("{at}/api/v1/me")]);
    assert!(status == 200 && me.contains("192.168.30.7"), "{me}");
    assert_eq!(ask(&["-b", jar, &format!("{at}/api/v1/leases")]).0, 200);
    let me: serde_json::Value = serde_json::from_str(&me).unwrap();
    let word = format!("x-csrf-token: {}", me["csrf"].as_str().unwrap());
    let out = |more: &[&str]| ask(&[&["-b", jar, "-X", "DELETE", &format!("{at}/api/v1/session")], more].concat()).0;
    assert_eq!(out(&["-H", &word, "-H", "Origin: https://evil.example"]), 403);
    assert_eq!(out(&["-H", &word, "-H", &format!("Origin: {at}")]), 204);
    assert_eq!(ask(&["-b", jar, &format!("{at}/api/v1/leases")]).0, 401);

    let log =
        wait_for("the attempts to be logged", PATIENCE, || Some(daemon.log()).filter(|log| log.contains("signed out")));
    assert!(log.contains("a wrong password for anna from 192.168.30.7"), "{log}");
    assert!(
        log.contains("anna has signed in from 192.168.30.7")
            && log.contains("the page is at https://192.168.30.1:8067/"),
        "{log}"
    );
    assert!(!log.contains("horse") && !log.contains(&token), "a secret is in the log: {log}");
    daemon.stop();
}

#[test]
fn whoever_guesses_is_slowed_down_and_others_are_not() {
    let lab = Lab::new();
    let server = lan::server(&lab);
    let [guesser, desk] = [("guesser", 7), ("desk", 8)].map(|(name, last)| {
        let host = lan::client_host(&lab, &server, name);
        host.ip(&format!("address add 192.168.30.{last}/24 dev eth0"));
        host
    });
    let (token, table) = token(&lab, &server, "script", "view");
    let mut daemon =
        Leasehold::start(&server, &format!("{SUBNET}\n[web]\nlisten = \"192.168.30.1\"\ntls = true\n\n{table}"));
    let ask = |host: &Host, token: &str| {
        curl(host, &["-k", "-H", &format!("Authorization: Bearer {token}"), "https://192.168.30.1:8067/api/v1/status"])
            .0
    };
    let statuses: Vec<u16> = (0..9).map(|guess| ask(&guesser, &format!("lhd_{guess}"))).collect();
    assert!(statuses[..5].iter().all(|status| *status == 401) && statuses[5..].contains(&429), "{statuses:?}");
    assert_eq!(ask(&desk, &token), 200);
    assert!(daemon.log().contains("too many wrong attempts to sign in from 192.168.30.7"), "{}", daemon.log());
    // A token that is taken out of the file is nobody's once the file was read again.
    let (other, another) = self::token(&lab, &server, "another", "administer");
    Leasehold::rewrite(&server, &format!("{SUBNET}\n[web]\nlisten = \"192.168.30.1\"\ntls = true\n\n{another}"));
    let told = daemon.reload();
    assert!(told.contains("token script of the API") && told.contains("token another of the API"), "{told}");
    wait_for("the token to be nobody's", PATIENCE, || (ask(&desk, &token) == 401).then_some(()));
    assert_eq!(ask(&desk, &other), 200);
    daemon.stop();
}

#[test]
fn a_password_that_is_too_short_or_a_day_that_is_none_makes_nothing() {
    let lab = Lab::new();
    let server = lan::server(&lab);
    for (arguments, input, words) in [
        (&["password"][..], "short\n", "8 characters at least"),
        (&["password", "--role", "king"][..], "", "`king` is no role; roles are view, operate, administer"),
        (&["token", "t"][..], "", "--role"),
        (&["token", "t", "--role", "view", "--expires", "2027-02-30"][..], "", "2027-02-30"),
        (&["token", "t", "--role", "view", "--address", "here"][..], "", "neither an address nor a prefix"),
    ] {
        let mut command = server.tool(PROGRAM);
        command.arg("web").args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && told.contains(words) && output.stdout.is_empty(), "{arguments:?}: {told}");
    }
}

#[test]
fn commands_ask_another_machines_daemon() {
    let lab = Lab::new();
    let server = lan::server(&lab);
    let desk = lan::client_host(&lab, &server, "desk");
    desk.ip("address add 192.168.30.7/24 dev eth0");
    let (viewer, one) = token(&lab, &server, "viewer", "view");
    let (operator, other) = token(&lab, &server, "operator", "operate");
    let web = "[web]\nlisten = \"192.168.30.1:8067\"\ntls = true\n";
    let zone = "[[zone]]\nname = \"home.example\"\n";
    let mut daemon =
        Leasehold::start(&server, &format!("{SUBNET}domain = \"home.example\"\n{zone}\n{web}\n{one}\n{other}"));
    let trusted = lab.directory().join("page.pem");
    fs::write(&trusted, shown_certificate(&desk)).unwrap();
    let files =
        [("viewer", &viewer), ("operator", &operator), ("nobody", &"lhd_nobody".to_owned())].map(|(name, token)| {
            let path = lab.directory().join(name);
            fs::write(&path, format!("{token}\n")).unwrap();
            path
        });
    let ask = |arguments: &[&str], token: Option<usize>, trusts: bool| {
        let mut command = desk.tool(PROGRAM);
        command.args(arguments).args(["--server", "https://192.168.30.1:8067"]);
        if let Some(token) = token {
            command.arg("--token-file").arg(&files[token]);
        }
        if trusts {
            command.arg("--ca-file").arg(&trusted);
        }
        let output = command.output().unwrap();
        let (out, told) = (
            String::from_utf8_lossy(&output.stdout).into_owned(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        );
        (output.status.success(), out, told)
    };
    let (well, out, told) = ask(&["status"], Some(0), true);
    assert!(well && out.contains("192.168.30.0/24"), "{out} {told}");
    let (_, out, told) = ask(&["leases", "--json"], Some(0), true);
    assert!(out.trim() == "[]", "{out} {told}");
    let (well, out, told) = ask(&["explain", "192.168.30.100"], Some(0), true);
    assert!(well && !out.is_empty(), "{out} {told}");
    let (well, _, told) = ask(&["dns", "resync", "--dry-run"], Some(0), true);
    assert!(!well && told.contains("needs the role `operate`; yours is `view`"), "{told}");
    let (well, out, told) = ask(&["dns", "resync", "--dry-run"], Some(1), true);
    assert!(well, "{out} {told}");
    let (well, _, told) = ask(&["status"], None, true);
    assert!(!well && told.contains("wants to know who asks") && told.contains("--token-file"), "{told}");
    let (well, _, told) = ask(&["status"], Some(2), true);
    assert!(!well && told.contains("none of this server's") && !told.contains("lhd_"), "{told}");
    let (well, _, told) = ask(&["status"], Some(0), false);
    assert!(!well && told.contains("cannot be asked") && told.contains("--ca-file"), "{told}");
    assert!(daemon.log().contains("token operator from 192.168.30.7 asks for DnsResync"), "{}", daemon.log());
    daemon.stop();
}
