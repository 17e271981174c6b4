//! What keeps others from using the DNS server against somebody, and from using it up.

use config::settings::{Cookies, DnsProtection};

use super::{GOOD, and, config, refused};

#[test]
fn protection_is_on_unless_it_is_written_otherwise() {
    let subnet = "192.168.30.0/24".parse().expect("a prefix");
    let default = config(GOOD).dns.protection;
    assert_eq!(default, DnsProtection { exempt: vec![subnet], ..DnsProtection::default() });
    assert!(default.answers_per_second > 0 && default.cookies == Cookies::Offered);
    let written = config(&and(
        "[dns]\ncookies = \"required\"\n\n[dns.limits]\nanswers_per_second = 0\nslip = 1\nquestions_per_client = 50\n\
                               exempt = [\"10.7.0.0/16\"]\nconnections = 20\nconnections_per_client = 2\nidle = \"1m\"\n",
    ));
    assert_eq!(
        written.dns.protection,
        DnsProtection {
            cookies: Cookies::Required,
            answers_per_second: 0,
            slip: 1,
            questions_per_client: 50,
            exempt_written: vec!["10.7.0.0/16".parse().expect("a prefix")],
            exempt: vec!["10.7.0.0/16".parse().expect("a prefix"), subnet],
            connections: 20,
            connections_per_client: 2,
            idle_secs: 60,
        }
    );
    // Fewer in all are also the most of one client.
    let few = config(&and("[dns.limits]\nconnections = 8\n")).dns.protection;
    assert_eq!((few.connections, few.connections_per_client), (8, 8));
}

#[test]
fn protection_that_serves_nobody() {
    refused(
        &and("[dns.limits]\nconnections = 0"),
        &[("8:15", "0", "`connections` cannot be zero: large answers and zone transfers come over TCP", "how many")],
    );
    refused(
        &and("[dns.limits]\nconnections = 8\nconnections_per_client = 9"),
        &[("9:26", "9", "one client cannot have 9 of 8 connections", "more `connections`")],
    );
    refused(
        &and("[dns.limits]\nexempt = [\"10.7.0.1/24\"]"),
        &[("8:11", "\"10.7.0.1/24\"", "`10.7.0.1/24` has bits set beyond its length", "10.7.0.0/24")],
    );
    refused(
        &and("[dns]\ncookies = \"on\""),
        &[("8:11", "\"on\"", "\"on\" is not a value of `cookies`", "\"offered\"")],
    );
}
