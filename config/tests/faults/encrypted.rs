//! DNS by TLS and by HTTPS: `tls_listen`, `https_listen`, the certificate.

use std::path::Path;

use config::settings::{CertificateFiles, Listen};

use super::{and, config, refused};

#[test]
fn nothing_is_encrypted_unless_the_file_says_where() {
    assert_eq!(config(&and("[dns]\n")).dns.encrypted, None);
    let same = config(&and("[dns]\ntls_listen = \"same\"\n")).dns.encrypted.unwrap();
    assert_eq!((same.tls, same.https), (Some(Listen::Interfaces { port: 853 }), None));
    assert_eq!((same.https_path.as_str(), same.certificate), ("/dns-query", None));
    let text = "[dns]\nlisten = [\"192.168.30.1:5300\", \"192.168.30.1:53\"]\ntls_listen = \"same\"\n\
                https_listen = [\"192.168.30.2\", \"[::1]:8443\"]\nhttps_path = \"/d\"\n\
                certificate = \"/etc/c.pem\"\ncertificate_key = \"/etc/k.pem\"\n";
    let all = config(&and(text)).dns.encrypted.unwrap();
    let addresses = |list: &[&str]| Some(Listen::Addresses(list.iter().map(|text| text.parse().unwrap()).collect()));
    assert_eq!(all.tls, addresses(&["192.168.30.1:853"]), "one place is listened on once");
    assert_eq!(all.https, addresses(&["192.168.30.2:443", "[::1]:8443"]));
    let file = |path: &str| Path::new(path).to_owned();
    let files = CertificateFiles { certificate: file("/etc/c.pem"), key: file("/etc/k.pem") };
    assert_eq!((all.https_path.as_str(), all.certificate), ("/d", Some(files)));
    let one = config(&and("[dns]\nhttps_listen = \"same\"\ncertificate = \"/etc/c.pem\"\n")).dns.encrypted.unwrap();
    assert_eq!(one.certificate.map(|files| files.key), Some(file("/etc/c.pem")));
}

#[test]
fn dns_is_served_where_only_an_encrypted_place_is_named() {
    let text = "[[subnet]]\nprefix = \"192.168.30.0/24\"\npools = [\"192.168.30.9\"]\n[dns]\ntls_listen = \"same\"\n";
    assert!(config(text).dns.enabled);
}

#[test]
fn keys_that_nothing_shows_or_that_lack_the_other() {
    refused(
        &and("[dns]\ncertificate = \"/etc/c.pem\"\n"),
        &[(
            "8:15",
            "\"/etc/c.pem\"",
            "`certificate` is about DNS by TLS and HTTPS, and neither is served",
            "tls_listen",
        )],
    );
    refused(
        &and("[dns]\ntls_listen = \"same\"\ncertificate_key = \"/etc/k.pem\"\n"),
        &[("9:19", "\"/etc/k.pem\"", "there is a key, and no certificate that it belongs to", "certificate = ")],
    );
    refused(&and("[dns]\ntls_listen = []\n"), &[("8:14", "[]", "this list names no address", "write \"same\"")]);
    refused(
        &and("[dns]\ntls_listen = [\"192.168.30.1:443\"]\nhttps_listen = [\"192.168.30.1\"]\n"),
        &[(
            "9:16",
            "[\"192.168.30.1\"]",
            "192.168.30.1:443 is asked to serve TLS and HTTPS at one port",
            "give them ports of their own",
        )],
    );
    refused(
        &and("[dns]\nhttps_listen = \"same\"\nhttps_path = \"dns-query\"\n"),
        &[("9:14", "\"dns-query\"", "`dns-query` is no path of a URL", "write one from `/` on")],
    );
    refused(
        &and("[dns]\ntls_listen = \"all\"\n"),
        &[("8:14", "\"all\"", "\"all\" is not a value of `tls_listen`", "write a list, or \"same\"")],
    );
}
