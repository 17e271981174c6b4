#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;

#[test]
fn what_is_asked_about_is_told_apart_by_its_form() {
    let name = |text: &str| Subject::Name(text.parse().unwrap());
    for (asked, meant) in [
        ("client1.nasir.xyz", name("client1.nasir.xyz.")),
        (" Client1 ", name("client1")),
        ("192.168.30.7", Subject::Address("192.168.30.7".parse().unwrap())),
        ("7.30.168.192.in-addr.arpa", Subject::Address("192.168.30.7".parse().unwrap())),
        ("2001:db8::7", Subject::Address("2001:db8::7".parse().unwrap())),
        ("02:00:5E:10:00:01", Subject::Hardware(HardwareAddress::new(1, &[2, 0, 0x5e, 0x10, 0, 1]).unwrap())),
        ("02-00-5e-10-00-01", Subject::Hardware(HardwareAddress::new(1, &[2, 0, 0x5e, 0x10, 0, 1]).unwrap())),
        // Names that look a little like one.
        ("02-00-5e-10-00", name("02-00-5e-10-00")),
        ("be-ef-be-ef-be-eg", name("be-ef-be-ef-be-eg")),
    ] {
        assert_eq!(subject(asked, &Settings::default()), Ok(meant), "{asked}");
    }
    for nothing in ["", "..", &"x".repeat(300)] {
        let refused = subject(nothing, &Settings::default()).unwrap_err();
        assert!(refused.contains("is no name, address or hardware address"), "{refused}");
    }
}

#[test]
fn a_name_that_nothing_claims_is_told_why() {
    use ddns::settings::{ZoneRoute, ZoneServer};
    let zones = vec![ZoneRoute { apex: "lan".parse().unwrap(), server: ZoneServer::Embedded }];
    let settings = Settings {
        zones: zones.into(),
        protected: ["router.lan".parse().unwrap()].into_iter().collect(),
        ..Settings::default()
    };
    let told = |asked: &str| {
        let Ok(Subject::Name(name)) = subject(asked, &Settings::default()) else { panic!("{asked} is a name") };
        let facts = Facts { names: BTreeSet::from([name.clone()]), ..Facts::default() };
        explain(asked, &Subject::Name(name), &facts, &[], &settings).verdict
    };
    assert!(told("pc.lan").starts_with("nothing claims pc.lan.: no lease and no reservation has it"));
    assert!(told("pc.example").starts_with("pc.example.: no zone of the configuration holds it"));
    assert!(told("lan").starts_with("lan. is a zone's own name"));
    assert!(told("router.lan").starts_with("router.lan. is protected"));
}
