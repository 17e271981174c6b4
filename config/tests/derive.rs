//! A configuration from one interface.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use config::{Config, Derived};

fn derived(address: &str, router: Option<&str>) -> Derived {
    let router = router.map(|router| router.parse().unwrap());
    Config::from_interface("eth0", address.parse().unwrap(), "nasir.xyz", router)
        .unwrap_or_else(|refused| panic!("{}", config::render(&refused.faults, &refused.text, false)))
}

fn pools(derived: &Derived) -> Vec<String> {
    let pools = &derived.checked.config.dhcp.subnets[0].ranges();
    pools.iter().map(|pool| format!("{}-{}", pool.first, pool.last)).collect()
}

#[test]
fn an_interface_and_a_domain_are_enough() {
    let derived = derived("192.168.30.1/24", None);
    assert!(derived.checked.warnings.is_empty());
    let config = &derived.checked.config;
    let subnet = &config.dhcp.subnets[0];
    assert_eq!(subnet.prefix.to_string(), "192.168.30.0/24");
    assert_eq!(subnet.interfaces, ["eth0"]);
    assert_eq!(pools(&derived), ["192.168.30.128-192.168.30.254"]);
    assert!(!subnet.scope.options.0.contains_key(&3));
    assert!(config.tells_own_dns(subnet));
    let apexes: Vec<String> = config.dns.zones.iter().map(|zone| zone.apex.to_string()).collect();
    assert_eq!(apexes, ["30.168.192.in-addr.arpa.", "nasir.xyz."]);
    assert!(config.dns.forward.is_some());
}

#[test]
fn our_own_address_and_the_routers_are_not_leased() {
    let derived = derived("192.168.30.200/24", Some("192.168.30.254"));
    assert_eq!(pools(&derived), ["192.168.30.128-192.168.30.199", "192.168.30.201-192.168.30.253"]);
    assert_eq!(&*derived.checked.config.dhcp.subnets[0].scope.options.0[&3], [192, 168, 30, 254]);
}

#[test]
fn small_subnets() {
    assert_eq!(pools(&derived("10.0.0.1/29", None)), ["10.0.0.4-10.0.0.6"]);
    assert_eq!(pools(&derived("10.0.0.1/30", None)), ["10.0.0.2-10.0.0.2"]);
    // Nothing would be left of the upper half.
    assert_eq!(pools(&derived("10.0.0.2/30", None)), ["10.0.0.1-10.0.0.1"]);
    for full in ["10.0.0.1/31", "10.0.0.1/32"] {
        let refused = Config::from_interface("eth0", full.parse().unwrap(), "nasir.xyz", None).unwrap_err();
        assert!(refused.faults.list[0].message.contains("nothing is left there to lease"), "{refused:?}");
    }
    assert!(
        Config::from_interface("eth0", "10.0.0.2/30".parse().unwrap(), "nasir.xyz", Some("10.0.0.1".parse().unwrap()))
            .is_err()
    );
}

#[test]
fn the_text_says_the_same_when_it_is_read_again() {
    let derived = derived("192.168.30.200/24", Some("192.168.30.1"));
    let no_files = |_: &std::path::Path| Err(String::new());
    // The page shows a file's name, which is all that may differ.
    let file = derived.checked.config.web.as_ref().unwrap().file.to_string();
    let again = config::check(&derived.text, &file, &no_files).unwrap();
    assert_eq!(again.config, derived.checked.config);
}

#[test]
fn what_is_wrong_with_the_words_is_said() {
    for (interface, address, domain) in [
        ("eth0", "192.168.30.1/24", "a b"),
        ("eth0", "192.168.30.1/24", "\"\n[x]"),
        ("an interface", "192.168.30.1/24", "nasir.xyz"),
        ("lo", "127.0.0.1/8", "nasir.xyz"),
        ("eth0", "169.254.7.7/16", "nasir.xyz"),
    ] {
        assert!(Config::from_interface(interface, address.parse().unwrap(), domain, None).is_err());
    }
}

#[test]
fn bytes_that_are_not_text() {
    let faults = config::decode(b"[dns]\n\xff", "x.toml").unwrap_err();
    assert_eq!((faults.list[0].span.start, faults.list.len()), (6, 1));
    assert!(config::render(&faults, &String::from_utf8_lossy(b"[dns]\n\xff"), false).contains("x.toml:2:1"));
}
