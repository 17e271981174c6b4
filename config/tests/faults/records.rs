//! Static records, in the configuration and in master files.

use super::{and, config, dns::KEY, found, refused};

#[test]
fn static_records_of_a_zone_at_another_server_are_kept_there() {
    let zone = |records: &str| {
        and(&format!(
            "[[zone]]\nname = \"a.example\"\nserver = \"192.0.2.53\"\nkey = \"k\"\nttl = 60\nrecords = [\n{records}\n]\n{KEY}"
        ))
    };
    let config = config(&zone(
        "{ name = \"@\", type = \"MX\", data = \"10 mail\" },\n{ name = \"www\", type = \"TXT\", data = \"one\" },\n\
         { name = \"www\", type = \"TXT\", data = \"two\", ttl = \"5m\" },\n{ name = \"lab\", type = \"NS\", data = \"ns.lab\" },",
    ));
    let shown =
        config.ddns.stated.iter().map(|set| format!("{} {} {} {}", set.name, set.ttl, set.rtype, set.rdata.len()));
    let expected = ["a.example. 60 MX 1", "lab.a.example. 60 NS 1", "www.a.example. 60 TXT 2"];
    assert_eq!(shown.collect::<Vec<_>>(), expected);
    assert!(config.ddns.is_protected(&"www.a.example".parse().unwrap()), "no client can take the name");
    refused(
        &zone("{ name = \"@\", type = \"NS\", data = \"ns\" },"),
        &[(
            "13:1",
            "{ name = \"@\", type = \"NS\", data = \"ns\" }",
            "the name servers of a zone that has a `server` are not ours to say",
            "the server that holds the zone decides that",
        )],
    );
    refused(
        &zone("{ name = \"x\", type = \"CNAME\", data = \"y\" },\n{ name = \"x\", type = \"TXT\", data = \"y\" },"),
        &[(
            "13:1",
            "{ name = \"x\", type = \"CNAME\", data = \"y\" }",
            "`x.a.example` has a CNAME record and other records",
            "RFC 1034 section 3.6.2",
        )],
    );
}

#[test]
fn static_records() {
    let text = and("[[zone]]\nname = \"a.example\"\nttl = \"1h\"\nrecords = [\n\
         { name = \"@\", type = \"MX\", data = \"10 mail\" },\n\
         { name = \"mail\", type = \"A\", data = \"192.168.30.2\", ttl = 60 },\n\
         { name = \"www\", type = \"CNAME\", data = \"mail\" },\n\
         { name = \"v6.a.example.\", type = \"AAAA\", data = \"2001:db8::1\" },\n\
         { name = \"_sip._udp\", type = \"SRV\", data = \"0 5 5060 mail.a.example.\" },\n\
         { name = \"*.apps\", type = \"A\", data = \"192.168.30.3\" },\n\
         { name = \"@\", type = \"TXT\", data = \"hello there\" },\n]\n");
    let config = config(&text);
    let zone = config.dns.zones.iter().find(|zone| zone.apex.to_string() == "a.example.").unwrap();
    let shown: Vec<String> = zone.records.iter().map(|set| format!("{} {} {}", set.name, set.ttl, set.rtype)).collect();
    assert_eq!(
        shown,
        [
            "a.example. 3600 MX",
            "a.example. 3600 TXT",
            "_sip._udp.a.example. 3600 SRV",
            "*.apps.a.example. 3600 A",
            "mail.a.example. 60 A",
            "v6.a.example. 3600 AAAA",
            "www.a.example. 3600 CNAME",
        ]
    );
    assert!(config.ddns.protected.contains(&"mail.a.example".parse().unwrap()));
}

#[test]
fn static_records_that_are_wrong() {
    let zone = |record: &str| and(&format!("[[zone]]\nname = \"a.example\"\nrecords = [\n{record}\n]\n"));
    for (record, place, underlined, message, mend) in [
        (
            "{ name = \"x\", type = \"A\", data = \"192.168.30\" }",
            "10:34",
            "\"192.168.30\"",
            "`192.168.30` is not A data: `192.168.30` is not an IPv4 address",
            "192.168.30.2",
        ),
        (
            "{ name = \"x\", type = \"MX\", data = \"mail\" }",
            "10:35",
            "\"mail\"",
            "`mail` is not MX data: `mail` is not a number from 0 to 65535",
            "10 mail",
        ),
        (
            "{ name = \"x\", type = \"SRV\", data = \"0 5 http sip\" }",
            "10:41",
            "http",
            "`0 5 http sip` is not SRV data: `http` is not a number from 0 to 65535",
            "0 5 5060 sip",
        ),
        (
            "{ name = \"x\", type = \"CAA\", data = '0 issue \"ca' }",
            "10:45",
            "\"",
            "`0 issue \"ca` is not CAA data: the quotes are not closed in this line",
            "'0 issue \"letsencrypt.org\"'",
        ),
        (
            "{ name = \"@\", type = \"SOA\", data = \"ns h 1 2 3 4 5\" }",
            "10:22",
            "\"SOA\"",
            "the SOA record is made of `ns`, `hostmaster` and `ttl`",
            "`file`",
        ),
        (
            "{ name = \"x\", type = \"AXFR\", data = \"y\" }",
            "10:22",
            "\"AXFR\"",
            "`AXFR` is not a type of record",
            "TYPE and its number",
        ),
        (
            "{ name = \"x.b.\", type = \"A\", data = \"192.168.30.2\" }",
            "10:10",
            "\"x.b.\"",
            "`x.b.` is not within the zone `a.example`",
            "relative",
        ),
        (
            "{ name = \"x\", type = \"B\", data = \"y\" }",
            "10:22",
            "\"B\"",
            "`B` is not a type of record",
            "TYPE and its number",
        ),
        (
            "{ name = \"x\", type = \"CNAME\", data = \"y\" },\n{ name = \"x\", type = \"A\", data = \"192.168.30.2\" }",
            "10:1",
            "{ name = \"x\", type = \"CNAME\", data = \"y\" }",
            "`x.a.example` has a CNAME record and other records",
            "RFC 1034",
        ),
    ] {
        refused(&zone(record), &[(place, underlined, message, mend)]);
    }
}

#[test]
fn a_zones_file_gives_records_and_soa() {
    let zone = |more: &str| {
        let text = format!("[[zone]]\nname = \"a.example\"\nfile = \"zones/good.zone\"\n{more}");
        let dns = config(&and(&text)).dns;
        dns.zones.into_iter().find(|zone| zone.apex.to_string() == "a.example.").unwrap()
    };
    let plain = zone("records = [{ name = \"ns1\", type = \"A\", data = \"192.0.2.2\" }]\n");
    assert_eq!(
        (plain.ns.to_string(), plain.hostmaster.to_string()),
        ("ns1.a.example.".into(), "admin.a.example.".into())
    );
    let (soa, ttl) = plain.soa.unwrap();
    assert_eq!((soa.serial, soa.minimum, ttl), (7, 4, 60));
    let held: Vec<String> =
        plain.records.iter().map(|set| format!("{} {} x{}", set.name, set.rtype, set.rdata.len())).collect();
    let expected =
        ["a.example. NS x1", "big.a.example. TYPE65280 x1", "ns1.a.example. A x2", "www.a.example. CNAME x1"];
    assert_eq!(held, expected);
    assert_eq!(zone("ns = \"other.a.example\"\n").ns.to_string(), "other.a.example.");
}

#[test]
fn a_zones_file_with_faults_tells_each_with_its_place() {
    let mend = "mend it at that place";
    let bad = "[[zone]]\nname = \"a.example\"\nfile = \"zones/bad.zone\"\n";
    let leaves =
        "zones/bad.zone:4:10: `../more.zone`: an included file is at or beneath the directory of the zone's file";
    let expected = [
        "zones/bad.zone:1:7: `192.0.2.300` is not an IPv4 address",
        "zones/bad.zone:3:12: nothing more belongs here",
        leaves,
    ];
    let place = "\"zones/bad.zone\"";
    refused(&and(bad), &expected.map(|told| ("9:8", place, told, mend)));
    refused(
        &and("[[zone]]\nname = \"a.example\"\nfile = \"none.zone\"\n"),
        &[(
            "9:8",
            "\"none.zone\"",
            "the zone's file `none.zone` cannot be read: No such file or directory",
            "write the path of a master file",
        )],
    );
    // An alias of the file beside a record of the configuration.
    let clash = "[[zone]]\nname = \"a.example\"\nfile = \"zones/good.zone\"\n\
                 records = [{ name = \"www\", type = \"A\", data = \"192.0.2.2\" }]\n";
    let told = found(&and(clash));
    assert!(told.list.iter().any(|fault| fault.message == "`www.a.example` has a CNAME record and other records"));
}

#[test]
fn records_of_every_type_stand_in_the_configuration_as_in_a_master_file() {
    let written = [
        ("CAA", "0 issue \"letsencrypt.org; validationmethods=dns-01\""),
        ("TLSA", "3 1 1 0C72AC70B745AC19998811B131D662C9AC69DBDBE7CB23E5B514B56664C5D3D6"),
        ("SSHFP", "4 2 123456789ABCDEF67890123456789ABCDEF67890123456789ABCDEF123456789"),
        ("NAPTR", "100 10 \"u\" \"E2U+sip\" \"!^.*$!sip:info@a.example!\" ."),
        ("HTTPS", "1 . alpn=\"h2,h3\" ipv4hint=192.0.2.1"),
        ("SVCB", "0 mail"),
        ("LOC", "52 14 05 N 00 08 50 E 10m"),
        ("HINFO", "\"a PC\" linux"),
        ("DS", "60485 5 1 2BB183AF5F22588179A53B0A98631FAD1A292118"),
        ("DNAME", "elsewhere.example."),
        ("URI", "10 1 \"ftp://ftp1.example.com/public\""),
        ("TXT", "\"two words\" \"and more\""),
        ("TYPE65280", "\\# 2 0102"),
        ("openpgpkey", "AQMFD5raczCJHViKtLYhWGz8hMY9UGRuniJDBzC7w0aR"),
    ];
    let rows = written
        .iter()
        .enumerate()
        .map(|(at, (rtype, data))| format!("{{ name = \"r{at:02}\", type = \"{rtype}\", data = '{data}' }},\n"));
    let rows: String = rows.collect();
    let config = config(&and(&format!("[[zone]]\nname = \"a.example\"\nrecords = [\n{rows}]\n")));
    let zone = config.dns.zones.iter().find(|zone| zone.apex.to_string() == "a.example.").unwrap();
    assert_eq!(zone.records.len(), written.len());
    for ((rtype, data), set) in written.iter().zip(zone.records.iter()) {
        assert_eq!(set.rtype, rtype.parse().unwrap());
        // As the master file's reader has it.
        let text = format!("{} {rtype} {data}\n", set.name);
        let file = zones::master::MasterFile { text: &text, file: "z", apex: &zone.apex, ttl_secs: 3_600 };
        let read = zones::master::read(&file, &|_| Err("nothing is included".to_owned())).unwrap();
        assert_eq!(read, [set], "{rtype}");
    }
}

#[test]
fn what_a_master_file_includes_lies_beneath_its_own_folder() {
    // The reader of files is asked for what is included together with the folder of the zone's file.
    struct Beneath;
    impl config::ReadSecret for Beneath {
        fn read_secret(&self, path: &std::path::Path) -> Result<String, String> {
            match path.to_str() {
                Some("/etc/zones/a.zone") => {
                    Ok("www A 192.0.2.1\n$INCLUDE more/b.zone\n$INCLUDE more/c.zone\n".to_owned())
                }
                _ => Err("is not read here".to_owned()),
            }
        }

        fn read_included(&self, within: &std::path::Path, path: &std::path::Path) -> Result<String, String> {
            assert_eq!(within, std::path::Path::new("/etc/zones"));
            match path.to_str() {
                Some("more/b.zone") => Ok("b A 192.0.2.2\n".to_owned()),
                _ => Err("it lies outside".to_owned()),
            }
        }
    }
    let text = and("[[zone]]\nname = \"a.example\"\nfile = \"/etc/zones/a.zone\"\n");
    let faults = config::check(&text, "test.toml", &Beneath).unwrap_err();
    let told: Vec<&str> = faults.list.iter().map(|fault| fault.message.as_str()).collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("/etc/zones/a.zone") && told[0].contains("it lies outside"), "{told:?}");
}
