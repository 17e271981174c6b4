//! How names are made: the keys that server, network, subnet, pool, class and reservation share.

use dhcp::settings::{
    AfterExpiry, CleanUp, ClientUpdates, ConflictGuard, ConflictOutcome, GeneratedName, Naming, NamingPart,
    OutsideName, ReplaceName, ReservedRecords, Ttl,
};

use super::{and, config, pooled, refused, warned};

/// A file with `keys` in one table, and a subnet with a pool, a class and a reservation.
fn in_table(table: &str, keys: &str) -> String {
    let keys_of = |name: &str| if name == table { format!("{keys}\n") } else { String::new() };
    format!(
        "[[zone]]\nname = \"nasir.xyz\"\n[ddns]\n{}[[network]]\nname = \"n\"\n{}[[class]]\nname = \"c\"\n\
         match = {{ user_class = \"iPXE\" }}\n{}[[subnet]]\nprefix = \"192.168.30.0/24\"\nnetwork = \"n\"\n{}\
         [[subnet.pool]]\nrange = \"192.168.30.5\"\n{}[[subnet.reservation]]\naddress = \"192.168.30.5\"\n\
         hardware = \"52:54:00:12:34:56\"\n{}",
        keys_of("ddns"),
        keys_of("network"),
        keys_of("class"),
        keys_of("subnet"),
        keys_of("pool"),
        keys_of("reservation"),
    )
}

/// The rules that hold for whatever a table covers: its own where it is the narrowest that there is.
fn rules(table: &str, keys: &str) -> Naming {
    let dhcp = config(&in_table(table, keys)).dhcp;
    let subnet = &dhcp.subnets[0];
    let found = match table {
        "class" => {
            let class = dhcp.classes.iter().next().unwrap().1;
            dhcp.naming(subnet, class.scope.naming.as_deref().into_iter())
        }
        "pool" | "reservation" => dhcp.reserved_naming(subnet, &subnet.reservations[0]),
        _ => dhcp.naming(subnet, [].into_iter()),
    };
    found.unwrap().into_owned()
}

const TABLES: [&str; 6] = ["ddns", "network", "class", "subnet", "pool", "reservation"];

fn domain() -> Naming {
    Naming::of_domain("nasir.xyz".parse().unwrap())
}

#[test]
fn every_table_takes_every_key_about_names() {
    let keys = "domain = \"nasir.xyz\"\nclean = \"drop\"\noutside = \"refuse\"\nclient_updates = \"deny\"\n\
                override_no_update = true\ngenerate = \"dev-{mac6}\"\nreplace = \"always\"\n\
                ttl = { share = 33, min = \"1m\", max = \"1h\" }\nconflict_check = \"check-exists-with-dhcid\"\n\
                conflict = \"suffix\"\nsuffix_keep = \"7d\"\nafter_expiry = { grace = \"1h\" }\n\
                reserved_names = \"while-leased\"";
    for table in TABLES {
        let expected = Naming {
            clean: CleanUp::Drop,
            outside: OutsideName::Refuse,
            client_updates: ClientUpdates::Deny,
            override_no_update: true,
            generate: Some(GeneratedName::Pattern("dev-{mac6}".into())),
            replace: ReplaceName::Always,
            ttl: Ttl::Share { percent: 33, min_secs: 60, max_secs: 3_600 },
            guard: ConflictGuard::CheckExistsWithDhcid,
            conflict: ConflictOutcome::Suffix { keep_secs: 604_800 },
            after_expiry: AfterExpiry::Grace(3_600),
            reserved: ReservedRecords::WhileLeased,
            ..domain()
        };
        assert_eq!(rules(table, keys), expected, "{table}");
    }
}

#[test]
fn every_word_of_the_keys_about_names() {
    let of = |key: &str| rules("subnet", &format!("domain = \"nasir.xyz\"\n{key}"));
    assert_eq!(of(""), domain());
    for (word, clean) in [("hyphen", CleanUp::Hyphen), ("drop", CleanUp::Drop), ("refuse", CleanUp::Refuse)] {
        assert_eq!(of(&format!("clean = \"{word}\"")).clean, clean);
    }
    for (word, updates) in [
        ("override", ClientUpdates::Override),
        ("allow", ClientUpdates::Allow),
        ("ignore", ClientUpdates::Ignore),
        ("deny", ClientUpdates::Deny),
    ] {
        assert_eq!(of(&format!("client_updates = \"{word}\"")).client_updates, updates);
    }
    for (written, generate) in [
        ("true", Some(GeneratedName::Address)),
        ("false", None),
        ("\"address\"", Some(GeneratedName::Address)),
        ("\"hardware\"", Some(GeneratedName::Hardware)),
        ("\"Lab-{Last}\"", Some(GeneratedName::Pattern("lab-{last}".into()))),
        ("\"{mac}\"", Some(GeneratedName::Pattern("{mac}".into()))),
    ] {
        assert_eq!(of(&format!("generate = {written}")).generate, generate);
    }
    for (word, replace) in [
        ("when-absent", ReplaceName::WhenAbsent),
        ("always", ReplaceName::Always),
        ("when-present", ReplaceName::WhenPresent),
    ] {
        assert_eq!(of(&format!("generate = true\nreplace = \"{word}\"")).replace, replace);
    }
    for (written, ttl) in [
        ("\"rfc4702\"", Ttl::Rfc4702),
        ("\"5m\"", Ttl::Fixed(300)),
        ("60", Ttl::Fixed(60)),
        ("{ share = 10 }", Ttl::Share { percent: 10, min_secs: 60, max_secs: 3_600 }),
        ("{ share = 10, max = 30 }", Ttl::Share { percent: 10, min_secs: 30, max_secs: 30 }),
        ("{ share = 10, min = \"2h\" }", Ttl::Share { percent: 10, min_secs: 7_200, max_secs: 7_200 }),
    ] {
        assert_eq!(of(&format!("ttl = {written}")).ttl, ttl);
    }
    for (word, guard) in [
        ("check-with-dhcid", ConflictGuard::CheckWithDhcid),
        ("no-check-with-dhcid", ConflictGuard::NoCheckWithDhcid),
        ("check-exists-with-dhcid", ConflictGuard::CheckExistsWithDhcid),
        ("no-check-without-dhcid", ConflictGuard::NoCheckWithoutDhcid),
    ] {
        assert_eq!(of(&format!("conflict_check = \"{word}\"")).guard, guard);
    }
    for (word, conflict) in [
        ("refuse", ConflictOutcome::Refuse),
        ("suffix", ConflictOutcome::Suffix { keep_secs: 2_592_000 }),
        ("take-over", ConflictOutcome::TakeOver),
    ] {
        assert_eq!(of(&format!("conflict = \"{word}\"")).conflict, conflict);
    }
    for (written, after) in [("\"at-once\"", AfterExpiry::AtOnce), ("\"keep\"", AfterExpiry::Keep)] {
        assert_eq!(of(&format!("after_expiry = {written}")).after_expiry, after);
    }
    for (word, reserved) in
        [("always", ReservedRecords::WhileConfigured), ("while-leased", ReservedRecords::WhileLeased)]
    {
        assert_eq!(of(&format!("reserved_names = \"{word}\"")).reserved, reserved);
    }
}

#[test]
fn each_rule_of_names_is_the_narrowest_tables_that_has_it() {
    let text = pooled(
        "domain = \"nasir.xyz\"\nttl = 60\n[ddns]\nttl = 30\nconflict = \"suffix\"\ngenerate = true\n[[class]]\nname = \"c\"\n\
         match = { user_class = \"iPXE\" }\ndomain = \"boot.nasir.xyz\"\ngenerate = false\nsuffix_keep = \"1d\"",
    );
    let dhcp = config(&text).dhcp;
    let subnet = dhcp.subnets[0].naming.clone().unwrap();
    let kept = |keep_secs| ConflictOutcome::Suffix { keep_secs };
    assert_eq!((subnet.ttl, subnet.conflict), (Ttl::Fixed(60), kept(2_592_000)));
    assert_eq!(subnet.generate, Some(GeneratedName::Address));
    let part = dhcp.classes.iter().next().unwrap().1.scope.naming.clone().unwrap();
    let domain = Some("boot.nasir.xyz".parse().unwrap());
    let conflict = Some(kept(86_400));
    assert_eq!(*part, NamingPart { domain, generate: Some(None), conflict, ..NamingPart::default() });
}

/// A pool's or a class' domain publishes names where the subnet has none, by the other rules of the subnet.
#[test]
fn a_domain_of_a_pool_alone_publishes_its_names_and_makes_the_reverse_zone() {
    let text = in_table("pool", "domain = \"nasir.xyz\"").replace("[[subnet.pool]]", "ttl = 60\n[[subnet.pool]]");
    let config = config(&text);
    let subnet = &config.dhcp.subnets[0];
    assert_eq!(subnet.naming, None);
    let naming = config.dhcp.reserved_naming(subnet, &subnet.reservations[0]).unwrap().into_owned();
    assert_eq!(naming, Naming { ttl: Ttl::Fixed(60), ..domain() });
    assert!(config.ddns.reverse_zone_of("192.168.30.5".parse().unwrap()).is_some());
}

#[test]
fn the_domain_of_each_table_is_in_a_zone() {
    for table in TABLES {
        let text = in_table(table, "domain = \"other.example\"");
        let line = text.lines().position(|line| line.starts_with("domain")).unwrap() + 1;
        let place = format!("{line}:10");
        refused(
            &text,
            &[(place.as_str(), "\"other.example\"", "the domain `other.example` is in no zone", "add a [[zone]]")],
        );
    }
}

#[test]
fn names_of_reservations_are_made_by_the_rules_of_their_own_pool() {
    let text = in_table("pool", "domain = \"lab.nasir.xyz\"") + "hostname = \"box\"\n";
    assert!(config(&text).ddns.reserved.contains(&"box.lab.nasir.xyz".parse().unwrap()));
    // Nobody is called as a domain is.
    assert!(config(&text).ddns.protected.contains(&"lab.nasir.xyz".parse().unwrap()));
    let own = text + "domain = \"nasir.xyz\"\n";
    assert!(config(&own).ddns.reserved.contains(&"box.nasir.xyz".parse().unwrap()));
}

#[test]
fn patterns_that_make_no_names() {
    for (pattern, why) in [
        ("host", "every client would get the same name"),
        ("h-{mac7}", "what stands in braces is not known"),
        ("h-{mac", "what stands in braces is not known"),
        ("h_{mac}", "it has characters other than letters, digits and hyphens"),
        ("a.{mac}", "it has characters other than letters, digits and hyphens"),
        ("h\u{fc}-{mac}", "it has characters other than letters, digits and hyphens"),
        ("-{mac}", "it begins or ends with a hyphen"),
        ("{mac}-", "it begins or ends with a hyphen"),
        ("{mac}{mac}{mac}{mac}{mac}{mac}", "it could come to more than 63 characters"),
    ] {
        refused(
            &and(&format!("generate = \"{pattern}\"\n")),
            &[(
                "7:12",
                &format!("\"{pattern}\""),
                &format!("`{pattern}` is no pattern for names: {why}"),
                "such as \"dev-{mac6}\"",
            )],
        );
    }
}

#[test]
fn times_to_live_that_cannot_be() {
    refused(&and("ttl = { share = 0 }\n"), &[("7:17", "0", "`share` is of a hundred", "a number between 1 and 100")]);
    refused(
        &and("ttl = { share = 50, min = \"1h\", max = \"1m\" }\n"),
        &[("7:27", "\"1h\"", "`min` is more than `max`", "less than the other")],
    );
    refused(
        &and("ttl = { min = \"1h\" }\n"),
        &[("7:7", "{ min = \"1h\" }", "`share` is missing in `ttl`", "add `share`")],
    );
    refused(&and("ttl = \"soon\"\n"), &[("7:7", "\"soon\"", "`soon` is not a length of time", "a number and a unit")]);
    refused(&and("ttl = \"infinite\"\n"), &[("7:7", "\"infinite\"", "`ttl` cannot be infinite", "12h")]);
}

#[test]
fn rules_of_names_that_do_nothing_or_are_not_known() {
    warned(
        &and("replace = \"always\"\n"),
        &[(
            "7:11",
            "\"always\"",
            "`replace` does nothing here: no name is made that could stand in another's place",
            "add `generate",
        )],
    );
    warned(
        &and("suffix_keep = \"1d\"\n"),
        &[("7:15", "\"1d\"", "`suffix_keep` does nothing here: no name gets a number", "conflict = \"suffix\"")],
    );
    refused(
        &and("after_expiry = \"at-onec\"\n"),
        &[("7:16", "\"at-onec\"", "\"at-onec\" is not a value of `after_expiry`", "did you mean \"at-once\"?")],
    );
    refused(&and("after_expiry = { grace = 0 }\n"), &[("7:26", "0", "`grace` cannot be zero", "a length of time")]);
}
