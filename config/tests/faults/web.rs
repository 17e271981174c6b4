//! The page and the HTTP API.

use config::settings::{WebRole, WebTls};

use super::{and, config, refused};

#[test]
fn the_page_is_on_at_loopback_unless_the_file_turns_it_off() {
    let web = config(&and("")).web.unwrap();
    assert_eq!((web.listen.to_string().as_str(), web.is_written), ("127.0.0.1:8067", false));
    assert_eq!(config(&and("[web]\nenabled = false\n")).web, None);
    let web = config(&and("[web]\nlisten = \"[::1]:80\"\n")).web.unwrap();
    assert_eq!((web.listen.to_string().as_str(), web.is_written), ("[::1]:80", true));
    let web = config(&and("[web]\nlisten = \"127.0.0.2\"\n")).web.unwrap();
    assert_eq!(web.listen.to_string(), "127.0.0.2:8067");
}

const USER: &str = "[[web.user]]\nname = \"anna\"\nrole = \"operate\"\npassword_hash = \"$argon2id$v=19$m=19456,t=2,p=1$c2FsdCBvZiAxNiBvY3RldA$aGFzaCBvZiAzMiBvY3RldHMsIGFzIGFuIGV4YW1wbGU\"\n";
const HASH: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

#[test]
fn the_page_is_beyond_this_machine_with_a_login_and_tls_only() {
    for (address, reached) in [("0.0.0.0", "0.0.0.0"), ("192.168.30.1:8067", "192.168.30.1"), ("[::]:8067", "::")] {
        let open = format!(
            "the page would be open to whoever can reach {reached}: there is no [[web.user]] and no [[web.token]]"
        );
        let plain = format!("passwords and tokens could be read on their way to {reached}: it has no TLS");
        let (listen, quoted) = (format!("[web]\nlisten = \"{address}\"\n"), format!("\"{address}\""));
        let open = ("8:10", quoted.as_str(), open.as_str(), "leasehold web password --user NAME --role administer");
        let plain = ("8:10", quoted.as_str(), plain.as_str(), "add `tls = true`");
        refused(&and(&listen), &[plain, open]);
        refused(&and(&format!("{listen}tls = true\n")), &[open]);
        refused(&and(&format!("{listen}{USER}")), &[plain]);
        let web = config(&and(&format!("{listen}tls = true\n{USER}"))).web.unwrap();
        assert_eq!((web.tls, web.hsts, web.loopback_role), (Some(WebTls::SelfMade), false, None));
    }
}

#[test]
fn users_and_tokens_are_read_and_left_out_of_what_is_shown() {
    let token = format!(
        "[[web.token]]\nname = \"ansible\"\nrole = \"administer\"\ntoken_hash = \"{HASH}\"\nexpires = \"2027-12-31\"\naddresses = [\"192.0.2.0/24\", \"2001:db8::7\"]\n"
    );
    let web =
        config(&and(&format!("[web]\nloopback_role = \"view\"\nnames = [\"DHCP.lan.\"]\n{USER}{token}"))).web.unwrap();
    assert_eq!((web.users[0].name.as_str(), web.users[0].role), ("anna", WebRole::Operate));
    assert_eq!((web.tokens[0].name.as_str(), web.tokens[0].role), ("ansible", WebRole::Administer));
    // The first second of 2028.
    assert_eq!((web.tokens[0].hash[0], web.tokens[0].expires_at), (0x9f, Some(1_830_297_600)));
    let blocks = [("192.0.2.0", "192.0.2.255"), ("2001:db8::7", "2001:db8::7")];
    assert_eq!(web.tokens[0].addresses, blocks.map(|(first, last)| (first.parse().unwrap(), last.parse().unwrap())));
    assert_eq!((web.loopback_role, web.names.as_slice()), (Some(WebRole::View), &["dhcp.lan".to_owned()][..]));
    assert!(!web.text.contains("argon2id") && !web.text.contains(HASH) && web.text.contains("anna"), "{}", web.text);
    let web = config(&and("")).web.unwrap();
    assert_eq!(
        (web.loopback_role, web.tls),
        (Some(WebRole::Administer), None),
        "who has no users trusts the machine's"
    );
    let web = config(&and("[web]\nloopback_role = \"none\"\n")).web.unwrap();
    assert_eq!(web.loopback_role, None);
}

#[test]
fn a_certificate_brings_tls_and_what_cannot_be_is_told() {
    let web = config(&and("[web]\ncertificate = \"/c.pem\"\ncertificate_key = \"/k.pem\"\nredirect = \"127.0.0.1\"\n"))
        .web
        .unwrap();
    assert_eq!(web.tls, Some(WebTls::Files { certificate: "/c.pem".into(), key: "/k.pem".into() }));
    assert_eq!((web.hsts, web.redirect.unwrap().to_string().as_str()), (true, "127.0.0.1:80"));
    let web = config(&and("[web]\ncertificate = \"/c.pem\"\nhsts = false\n")).web.unwrap();
    assert_eq!(
        (web.tls, web.hsts),
        (Some(WebTls::Files { certificate: "/c.pem".into(), key: "/c.pem".into() }), false)
    );
    let web = "[web]\n";
    for (line, expected) in [
        (
            "certificate_key = \"/k.pem\"",
            ("8:19", "\"/k.pem\"", "the key of a certificate is named, and the certificate is not", "`certificate`"),
        ),
        ("certificate = \"c.pem\"", ("8:15", "\"c.pem\"", "`c.pem` is not a path from `/` on", "the whole path")),
        (
            "tls = false\ncertificate = \"/c.pem\"",
            ("8:7", "false", "there is a certificate, and TLS is turned off", "take `tls = false` out"),
        ),
        (
            "redirect = \"127.0.0.1\"",
            ("8:12", "\"127.0.0.1\"", "there is nowhere to send anybody: the page has no TLS", "add `tls = true`"),
        ),
        (
            "redirect = \"0.0.0.0:8067\"\ntls = true",
            ("8:12", "\"0.0.0.0:8067\"", "this is where the page itself is", "sent on anyway"),
        ),
        (
            "hsts = true\ntls = true",
            (
                "8:8",
                "true",
                "browsers cannot be told to insist on TLS without a certificate that they trust",
                "name one in `certificate`",
            ),
        ),
    ] {
        refused(&and(&format!("{web}{line}\n")), &[expected]);
    }
}

#[test]
fn what_is_wrong_with_a_user_or_a_token_is_told_with_its_mend() {
    let user =
        |hash: &str| and(&format!("[[web.user]]\nname = \"anna\"\nrole = \"view\"\npassword_hash = \"{hash}\"\n"));
    let mend = "`leasehold web password`";
    for (hash, why) in [
        ("secret", "password hash string missing field"),
        (
            "$argon2i$v=19$m=19456,t=2,p=1$c2FsdCBvZiAxNiBvY3RldA$aGFzaCBvZiAzMiBvY3RldHMsIGFzIGFuIGV4YW1wbGU",
            "it is of argon2i, and argon2id is taken",
        ),
        ("$argon2id$v=19$m=19456,t=2,p=1$c2FsdCBvZiAxNiBvY3RldA", "part of it is missing"),
        (
            "$argon2id$v=19$m=9000000,t=2,p=1$c2FsdCBvZiAxNiBvY3RldA$aGFzaCBvZiAzMiBvY3RldHMsIGFzIGFuIGV4YW1wbGU",
            "it takes more than 262144 KiB or 64 passes",
        ),
    ] {
        let message = format!("this is not a password's hash that can be used: {why}");
        refused(&user(hash), &[("10:17", &format!("\"{hash}\""), &message, mend)]);
    }
    let token = |more: &str| and(&format!("[[web.token]]\nname = \"t\"\nrole = \"view\"\n{more}\n"));
    let good = format!("token_hash = \"{HASH}\"\n");
    refused(
        &token("token_hash = \"lhd_abc\""),
        &[(
            "10:14",
            "\"lhd_abc\"",
            "this is not the SHA-256 of a token: 64 hexadecimal digits",
            "`leasehold web token NAME`",
        )],
    );
    refused(
        &token(&format!("{good}expires = \"2027-02-30\"")),
        &[("11:11", "\"2027-02-30\"", "`2027-02-30` is not a day", "2027-12-31")],
    );
    refused(
        &token(&format!("{good}addresses = []")),
        &[("11:13", "[]", "a token that may be used from nowhere is of no use", "take `addresses` out")],
    );
    refused(
        &token(&format!("{good}addresses = [\"key:k\"]")),
        &[("11:14", "\"key:k\"", "`key:k` is neither an address nor a prefix", "192.168.30.0/24")],
    );
    refused(
        &and(&format!("{USER}{USER}")),
        &[("12:8", "\"anna\"", "the name `anna` is taken: the log could not tell the two apart", "another name")],
    );
    refused(
        &and(&USER.replace("anna", " anna")),
        &[("8:8", "\" anna\"", "a name has 1 to 64 bytes, and no space at its ends", "short name")],
    );
}

#[test]
fn the_page_shows_the_file_without_its_secrets() {
    let key = "[[key]]\nname = \"k\"\nsecret = \"c2VjcmV0IG9mIDMyIGJ5dGVzLCBmb3IgYSB0ZXN0ISE=\"\n";
    let text = config(&and(key)).web.unwrap().text;
    assert!(text.contains("secret = \"(left out)\"") && !text.contains("c2Vjcm"), "{text}");
}
