//! A configuration file in any bytes: every fault has its place in the text, and what is accepted is fit to serve with.

#![no_main]

use std::path::Path;

use config::{Config, Faults, check, render};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let no_secret = |_: &Path| Err("no file is read here".to_owned());
    match check(text, "fuzz.toml", &no_secret) {
        Ok(checked) => {
            look(&checked.warnings, text);
            assert!(!checked.warnings.refuse());
            serve(&checked.config);
        }
        Err(faults) => {
            assert!(faults.refuse(), "a file is refused for a fault");
            look(&faults, text);
        }
    }
});

/// Each finding can be drawn, and lies in the text.
fn look(faults: &Faults, text: &str) {
    for fault in &faults.list {
        assert!(text.get(fault.span.start..fault.span.end).is_some(), "{fault:?} is not in the text");
        assert!(!fault.message.is_empty());
    }
    let _ = (render(faults, text, false), faults.to_json(text), faults.to_string());
}

/// What the engine and the zones take for granted.
fn serve(config: &Config) {
    let subnets = &config.dhcp.subnets;
    for pair in subnets.windows(2) {
        let [left, right] = pair else { continue };
        assert!(left.prefix < right.prefix, "subnets are sorted");
        assert!(!left.prefix.contains(&right.prefix) && !right.prefix.contains(&left.prefix), "subnets overlap");
    }
    for subnet in subnets {
        assert_eq!(subnet.prefix, subnet.prefix.trunc());
        assert!(!subnet.prefix.addr().is_loopback() && !subnet.prefix.addr().is_multicast());
        let ranges = subnet.ranges();
        for pool in &ranges {
            assert!(pool.first <= pool.last);
            assert!(subnet.prefix.contains(&pool.first) && subnet.prefix.contains(&pool.last), "a pool outside");
            assert!(!pool.first.is_link_local() && !pool.first.is_loopback() && !pool.first.is_multicast());
        }
        assert!(ranges.windows(2).all(|pools| pools[0].last < pools[1].first), "pools are sorted and apart");
        assert!(subnet.reservations.is_sorted_by_key(|one| one.address));
        assert!(subnet.reservations.iter().filter_map(|one| one.address).all(|one| subnet.prefix.contains(&one)));
        let lease = dhcp::settings::LeaseTime::of([subnet.scope.lease_secs]);
        assert!(lease.min <= lease.default && lease.default <= lease.max);
        assert!(subnet.renewal_permille <= subnet.rebinding_permille && subnet.rebinding_permille <= 1000);
        let options = subnet.scope.options.0.iter().chain(subnet.reservations.iter().flat_map(|one| &one.scope.options.0));
        for (code, data) in options.chain(&config.dhcp.scope.options.0) {
            assert!(
                ![0, 50, 51, 52, 53, 54, 55, 57, 61, 81, 82, 255].contains(code),
                "option {code} is the engine's own"
            );
            assert!(data.len() <= 65_535);
        }
        if let Some(naming) = &subnet.naming {
            assert!(config.ddns.zone_of(&naming.domain).is_some(), "{} is in no zone", naming.domain);
        }
    }
    let _ = config.interfaces();
}
