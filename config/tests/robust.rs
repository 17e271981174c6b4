//! No text makes the checker panic, and what it says always has a place in the text.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

/// A small generator of random numbers (xorshift64*); its seed is printed when a test fails.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(high).unwrap() % bound
    }
}

const PIECES: [&str; 24] = [
    "\"",
    "[",
    "]",
    "[[",
    "]]",
    "{",
    "}",
    "=",
    ",",
    ".",
    "\n",
    " ",
    "#",
    "ä",
    "\0",
    "0",
    "-",
    "/",
    "'''",
    "prefix",
    "[[subnet]]",
    "192.168.30.0/24",
    "true",
    "\u{feff}",
];

/// One to four cuts, doublings and insertions.
fn damaged(text: &str, random: &mut Random) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    for _ in 0..=random.below(4) {
        let at = random.below(chars.len() + 1);
        let end = (at + random.below(12)).min(chars.len());
        match random.below(3) {
            0 => drop(chars.drain(at..end)),
            1 => {
                let piece: Vec<char> = chars[at..end].to_vec();
                chars.splice(at..at, piece);
            }
            _ => {
                let piece = PIECES[random.below(PIECES.len())];
                chars.splice(at..at, piece.chars());
            }
        }
    }
    chars.into_iter().collect()
}

#[test]
fn a_damaged_file_is_refused_or_taken_but_never_a_panic() {
    let secret = |_: &Path| Ok("MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=".to_owned());
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let files = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let texts: Vec<String> = files
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .map(|path| std::fs::read_to_string(path).unwrap())
        .collect();
    for seed in 1..=400_u64 {
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let original = &texts[random.below(texts.len())];
        let text = damaged(original, &mut random);
        let done = std::panic::catch_unwind(|| {
            let faults = match config::check(&text, "damaged.toml", &secret) {
                Ok(checked) => {
                    assert_promises(&checked.config);
                    checked.warnings
                }
                Err(faults) => {
                    assert!(faults.refuse(), "refused for nothing");
                    faults
                }
            };
            for fault in &faults.list {
                assert!(text.get(fault.span.start..fault.span.end).is_some(), "{fault:?}");
            }
            let drawn = config::render(&faults, &text, false);
            assert_eq!(drawn.is_empty(), faults.is_empty());
            assert_eq!(faults.to_json(&text).as_array().unwrap().len(), faults.list.len());
        });
        assert!(done.is_ok(), "seed {seed}:\n{text}");
    }
}

/// What the engine and the updater are promised of every configuration.
fn assert_promises(config: &config::Config) {
    let subnets = &config.dhcp.subnets;
    assert!(
        subnets.windows(2).all(|pair| pair[0].prefix < pair[1].prefix && !pair[0].prefix.contains(&pair[1].prefix))
    );
    for subnet in subnets {
        let within = |pool: &dhcp::settings::AddressRange| {
            pool.first <= pool.last && subnet.prefix.contains(&pool.first) && subnet.prefix.contains(&pool.last)
        };
        let ranges = subnet.ranges();
        assert!(ranges.iter().all(within));
        assert!(ranges.windows(2).all(|pair| pair[0].last < pair[1].first));
        assert!(subnet.reservations.is_sorted_by_key(|one| one.address));
        assert!(subnet.reservations.iter().filter_map(|one| one.address).all(|one| subnet.prefix.contains(&one)));
        let lease = dhcp::settings::LeaseTime::of([subnet.scope.lease_secs]);
        assert!(0 < lease.min && lease.min <= lease.default && lease.default <= lease.max, "{lease:?}");
        assert!(0 < subnet.renewal_permille && subnet.renewal_permille < subnet.rebinding_permille);
        assert!(subnet.rebinding_permille < 1_000);
        let sets =
            subnet.reservations.iter().map(|reservation| &reservation.scope.options).chain([&subnet.scope.options]);
        for code in sets.flat_map(|set| set.0.keys()) {
            assert!(!matches!(code, 0 | 50..=59 | 61 | 80..=82 | 118 | 255), "option {code} is the engine's own");
        }
        let zone_of = |name: &dns::Fqdn| config.ddns.zone_of(name).is_some();
        assert!(subnet.naming.as_ref().is_none_or(|naming| zone_of(&naming.domain)));
    }
    assert!(config.ddns.reserved.iter().all(|name| config.ddns.zone_of(name).is_some()));
    let held = config.ddns.zones.iter().filter(|zone| zone.server == ddns::settings::ZoneServer::Embedded).count();
    assert_eq!(held, config.dns.zones.len());
    for zone in &config.dns.zones {
        assert!(zone.records.iter().all(|set| set.name.is_within(&zone.apex) && !set.rdata.is_empty()));
    }
}

/// A large site: 1,000 subnets and 20,000 reservations.
#[test]
fn a_large_file_is_read() {
    let mut text = String::from("[[zone]]\nname = \"campus.example\"\n[ddns]\ndomain = \"campus.example\"\n");
    for subnet in 0..1_000_u32 {
        let (high, low) = (subnet / 250, subnet % 250);
        text += &format!(
            "[[subnet]]\nprefix = \"10.{high}.{low}.0/24\"\npools = [\"10.{high}.{low}.100-10.{high}.{low}.199\"]\n"
        );
        for host in 1..=20 {
            text += &format!(
                "[[subnet.reservation]]\naddress = \"10.{high}.{low}.{host}\"\n\
                 hardware = \"52:54:00:{high:02x}:{low:02x}:{host:02x}\"\nhostname = \"pc-{subnet}-{host}\"\n"
            );
        }
    }
    let none = |_: &Path| Err(String::new());
    let config = config::check(&text, "large.toml", &none).unwrap().config;
    assert_eq!(config.dhcp.subnets.len(), 1_000);
    assert_eq!(config.ddns.reserved.len(), 20_000);
    assert_eq!(config.dns.zones.len(), 1_001);
}

#[test]
fn a_thousand_files_with_faults_are_refused_with_a_place_each() {
    let secret = |_: &Path| Ok("MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=".to_owned());
    let good =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/home-lab.toml")).unwrap();
    let served = config::check(&good, "good.toml", &secret).unwrap().config;
    let (mut refused, mut taken) = (0, 0);
    for seed in 1..=20_000_u64 {
        let text = damaged(&good, &mut Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
        match config::check(&text, "damaged.toml", &secret) {
            Err(faults) => {
                refused += 1;
                assert!(faults.refuse(), "seed {seed}");
                for one in faults.to_json(&text).as_array().unwrap() {
                    let at = |key: &str| one[key].as_u64().unwrap();
                    assert!(at("line") > 0 && at("column") > 0 && one["file"] == "damaged.toml", "seed {seed}: {one}");
                }
            }
            // What can be taken can be compared with what is in force, and the comparison is right about whether it is
            // the same.
            Ok(checked) => {
                taken += 1;
                let found = config::difference::Difference::between(&served, &checked.config);
                let mut same = checked.config.clone();
                if let (Some(web), Some(now)) = (&mut same.web, &served.web) {
                    (web.text, web.file) = (now.text.clone(), now.file.clone());
                }
                assert_eq!(found.is_empty(), same == served, "seed {seed}: {found:#?}");
            }
        }
        if refused == 1_000 {
            break;
        }
    }
    assert!(refused == 1_000 && taken > 20, "{refused} refused, {taken} taken");
}
