#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;

fn apex() -> Fqdn {
    "example".parse().unwrap()
}

fn no_files(_: &str) -> Result<String, String> {
    Err("there is none".to_owned())
}

fn read_with(text: &str, include: Include<'_>) -> Result<Vec<Rrset>, Vec<MasterFault>> {
    read(&MasterFile { text, file: "example.zone", apex: &apex(), ttl_secs: 3600 }, include)
}

/// Name, TTL and type of each set, with its number of records where there are several.
fn words(text: &str) -> Vec<String> {
    words_with(text, &no_files)
}

fn words_with(text: &str, include: Include<'_>) -> Vec<String> {
    let word = |set: &Rrset| match set.rdata.len() {
        1 => format!("{} {} {}", set.name, set.ttl, set.rtype),
        more => format!("{} {} {} x{more}", set.name, set.ttl, set.rtype),
    };
    read_with(text, include).unwrap().iter().map(word).collect()
}

fn faults(text: &str) -> Vec<String> {
    read_with(text, &no_files).unwrap_err().iter().map(ToString::to_string).collect()
}

fn fault(text: &str) -> String {
    let [fault] = &faults(text)[..] else { panic!("{:?}", faults(text)) };
    fault.clone()
}

#[test]
fn rfc1035_5_1_owners_ttls_classes_and_parentheses() {
    let text = "$TTL 300\n\
                @ IN SOA ns hostmaster ( 1 ; the serial\n  1h 15m\n\t2w 60 )\n\
                \tNS ns\n\
                ns 60 IN A 192.0.2.1\n\
                \x20IN 60 A 192.0.2.2\n\
                a.example. A 192.0.2.3 ; comment\n\
                $ORIGIN sub\n\
                @ TXT \"two words\" word\n\
                b 5m A 192.0.2.4";
    let expected = [
        "example. 300 NS",
        "example. 300 SOA",
        "a.example. 300 A",
        "ns.example. 60 A x2",
        "sub.example. 300 TXT",
        "b.sub.example. 300 A",
    ];
    let mut found = words(text);
    // A TTL is one of its record's own words.
    assert_eq!(found.pop().unwrap(), expected[5].to_owned());
    assert_eq!(found, expected[..5]);
    let soa = read_with(text, &no_files).unwrap()[1].rdata[0].to_soa().unwrap();
    assert_eq!((soa.serial, soa.refresh, soa.retry, soa.expire, soa.minimum), (1, 3600, 900, 1_209_600, 60));
}

#[test]
fn rfc2308_4_a_record_without_a_ttl_has_that_of_the_directive_else_of_the_record_before() {
    assert_eq!(
        words("a 5 A 192.0.2.1\nb A 192.0.2.1\n$TTL 9\nc A 192.0.2.1\nd 7 A 192.0.2.1\ne A 192.0.2.1"),
        ["a.example. 5 A", "b.example. 5 A", "c.example. 9 A", "d.example. 7 A", "e.example. 9 A"]
    );
    assert_eq!(words("a A 192.0.2.1"), ["a.example. 3600 A"]);
    assert_eq!(words("@ SOA a b 1 2 3 4 77\nb A 192.0.2.1"), ["example. 77 SOA", "b.example. 77 A"]);
    // The first record of a set decides, as BIND has it.
    assert_eq!(words("a 5 A 192.0.2.1\na 9 A 192.0.2.2"), ["a.example. 5 A x2"]);
}

#[test]
fn rfc1035_5_1_quotes_and_escapes() {
    let sets = read_with(r#"a\.b TXT "a \"b\" ;(" c\;d \065\\ """#, &no_files).unwrap();
    assert_eq!(sets[0].name.to_string(), r"a\.b.example.");
    assert_eq!(sets[0].rdata[0].to_txt().unwrap(), [&br#"a "b" ;("#[..], b"c;d", b"A\\", b""]);
}

#[test]
fn included_files_have_an_origin_of_their_own_and_change_nothing_outside() {
    let files = |path: &str| match path {
        "hosts/lan.zone" => Ok("h A 192.0.2.1\n$ORIGIN elsewhere.example.\nx A 192.0.2.2\n".to_owned()),
        "same.zone" => Ok(" TXT inherited\n".to_owned()),
        _ => Err("no such file".to_owned()),
    };
    let text = "$TTL 1\na A 192.0.2.9\n$INCLUDE hosts/lan.zone sub\n TXT after\n$INCLUDE same.zone\nb A 192.0.2.3";
    assert_eq!(
        words_with(text, &files),
        ["a.example. 1 A", "a.example. 1 TXT x2", "b.example. 1 A", "x.elsewhere.example. 1 A", "h.sub.example. 1 A"]
    );
    let told = read_with("$INCLUDE none.zone", &files).unwrap_err();
    assert_eq!(told[0].to_string(), "example.zone:1:10: `none.zone` cannot be read: no such file");
}

#[test]
fn included_files_stay_beneath_the_first_and_do_not_include_each_other_for_ever() {
    for path in ["/etc/passwd", "../secret", "a/../../secret", "..", r"..\secret"] {
        let told = fault(&format!("$INCLUDE {path}"));
        assert!(told.contains("at or beneath the directory"), "{told}");
    }
    let itself = |_: &str| Ok("$INCLUDE self\n".to_owned());
    let told = read_with("$INCLUDE self", &itself).unwrap_err();
    assert_eq!(told.len(), 1);
    assert!(told[0].message.contains("more than 8 deep"), "{told:?}");
    let wide = |_: &str| Ok("; nothing\n".to_owned());
    let told = read_with(&"$INCLUDE x\n".repeat(FILES_MAX), &wide).unwrap_err();
    assert!(told[0].message.contains("more than 1000 files"), "{told:?}");
}

#[test]
fn generate_makes_a_record_for_each_number() {
    assert_eq!(
        words("$GENERATE 1-5/2 h$ 60 IN A 192.0.2.$"),
        ["h1.example. 60 A", "h3.example. 60 A", "h5.example. 60 A"]
    );
    assert_eq!(
        words("$GENERATE 9-10 h${-9,3} CNAME \\$.${0,2,x}"),
        ["h000.example. 3600 CNAME", "h001.example. 3600 CNAME"]
    );
    assert_eq!(generate::substitute("${0,2,x}-${1,4,o}-${0,5,n}-$$-\\$", 171).unwrap(), "ab-0254-b.a.0-$-$");
    assert!(fault("$GENERATE 0-65536 h$ A 192.0.2.1").contains("more than 65536 records"));
    assert!(fault("$GENERATE 255-256 h$ A 192.0.2.$").starts_with("example.zone:1:1: for 256: "));
    for bad in ["5-1", "1", "1-2/0", "-1-2"] {
        assert!(fault(&format!("$GENERATE {bad} h$ A 192.0.2.1")).starts_with("example.zone:1:11: "), "{bad}");
    }
}

#[test]
fn a_fault_is_told_with_line_and_column_and_the_others_are_told_too() {
    assert_eq!(
        faults("a A 192.0.2\nb A\nc CNAME a\nc TXT x\n  d ( A\n192.0.2.1\n"),
        [
            "example.zone:1:5: `192.0.2` is not an IPv4 address",
            "example.zone:2:4: an IPv4 address is missing",
            "example.zone:5:5: the parenthesis is not closed",
            "example.zone:3:1: c.example. has a CNAME record and TXT records: an alias stands alone",
        ]
    );
    for (text, told) in [
        ("h.other. A 192.0.2.1", "1:1: h.other. is not within the zone example."),
        ("x SOA a b 1 2 3 4 5", "1:1: a SOA record stands at the zone's apex, example."),
        (" A 192.0.2.1", "1:2: the line begins with a blank, and no owner stands before it"),
        ("a CH TXT x", "1:3: class CH: only IN is served"),
        ("a NOPE x", "1:3: `NOPE` is not a record type (a mnemonic such as AAAA, or TYPE followed by a number)"),
        ("a ANY", "1:3: ANY records cannot stand in a zone"),
        ("a 3000000000 A 192.0.2.1", "1:3: a TTL is at most 2147483647 seconds"),
        ("a TXT \"open\nb A 192.0.2.1", "1:7: the quotes are not closed in this line"),
        ("a TXT )", "1:7: no parenthesis is open here"),
        ("a TXT (x (y))", "1:10: parentheses do not stand in parentheses"),
        ("$FOO x", "1:1: `$FOO` is no directive: $ORIGIN, $TTL, $INCLUDE and $GENERATE are known"),
        ("a CNAME b\na CNAME c", "2:1: a.example. has a CNAME record already"),
        ("a 60", "1:5: a type and data are missing"),
    ] {
        assert_eq!(fault(text), format!("example.zone:{told}"));
    }
}

#[test]
fn no_more_faults_are_told_than_anybody_reads() {
    assert_eq!(faults(&"x A y\n".repeat(1000)).len(), FAULTS_MAX);
    // Aliases are looked at when all files are read.
    let aliases: String = (0..1000).map(|n| format!("a{n} CNAME b\na{n} A 192.0.2.1\n")).collect();
    assert_eq!(faults(&aliases).len(), FAULTS_MAX);
}

proptest::proptest! {
    #[test]
    fn any_text_is_read_or_refused_without_a_panic(text in r#"([a-c@$\\"();. \t\n0-9]|\$GENERATE |\$INCLUDE |A |TXT |SOA |é){0,60}"#) {
        let same = |_: &str| Ok(text.clone());
        let _ = read_with(&text, &same);
    }
}
