//! Names that clients ask for by options 12 and 81, in any bytes.

#![no_main]

use std::net::Ipv4Addr;

use ddns::choose::{
    CleanUp, ClientUpdates, GeneratedName, Naming, OutsideName, Question, ReplaceName, choose, explain_choice,
};
use ddns::settings::{Settings, ZoneRoute, ZoneServer};
use dns::{Fqdn, HostIdentity};
use libfuzzer_sys::arbitrary::{Result, Unstructured};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let _ = ask(&mut Unstructured::new(input));
});

fn fqdn(text: &str) -> Fqdn {
    text.parse().expect("a name")
}

fn ask(input: &mut Unstructured<'_>) -> Result<()> {
    let naming = Naming {
        outside: *input.choose(&[OutsideName::FirstLabel, OutsideName::Refuse])?,
        clean: *input.choose(&[CleanUp::Hyphen, CleanUp::Drop, CleanUp::Refuse])?,
        client_updates: *input.choose(&[
            ClientUpdates::Override,
            ClientUpdates::Allow,
            ClientUpdates::Ignore,
            ClientUpdates::Deny,
        ])?,
        override_no_update: input.arbitrary()?,
        generate: input
            .choose(&[
                None,
                Some(GeneratedName::Address),
                Some(GeneratedName::Hardware),
                Some(GeneratedName::Pattern("dev-{mac6}".into())),
            ])?
            .clone(),
        replace: *input.choose(&[ReplaceName::WhenAbsent, ReplaceName::Always, ReplaceName::WhenPresent])?,
        ..Naming::of_domain(fqdn("home.example"))
    };
    let zones = ["home.example", "30.168.192.in-addr.arpa"];
    let route = |apex| ZoneRoute { apex: fqdn(apex), server: ZoneServer::Embedded };
    let settings = Settings {
        zones: zones.into_iter().map(route).collect(),
        protected: [fqdn("router.home.example")].into_iter().collect(),
        ..Settings::default()
    };
    let lease_secs = input.arbitrary()?;
    let host = input.arbitrary::<u8>()?;
    let option_12_bytes = input.int_in_range(0..=255_usize)?.min(input.len());
    let hostname = input.bytes(option_12_bytes)?;
    let client_fqdn = if input.arbitrary()? { Some(input.bytes(input.len())?) } else { None };
    let question = Question {
        hostname,
        client_fqdn,
        reserved_hostname: None,
        address: Ipv4Addr::new(192, 168, 30, host).into(),
        hardware: &[2, 0, 0x5e, 0x10, 0, 1],
        lease_secs,
        identity: HostIdentity::ClientId([1, 2, 3].into()),
        naming: &naming,
    };

    let nobody = |_: &Fqdn, _: &HostIdentity| false;
    let answer = choose(&question, &settings, &nobody);
    let (told, steps) = explain_choice(&question, &settings, &nobody);
    assert!(told == answer && !steps.is_empty());
    // RFC 4702 section 4: the option only for a client that sent it, with both RCODEs 255.
    if let Some(reply) = &answer.client_fqdn {
        assert!(client_fqdn.is_some_and(|sent| sent.len() >= 3));
        assert_eq!(reply[1..3], [255, 255]);
        // Section 2.1: "If the 'N' bit is 1, the 'S' bit MUST be 0."
        assert!(reply[0] & 0b1000 == 0 || reply[0] & 1 == 0);
    }
    let Some(name) = answer.name else { return Ok(()) };
    assert!(name.fqdn.is_within(&naming.domain), "{} lies in no zone", name.fqdn);
    assert!(name.fqdn != naming.domain && !settings.protected.contains(&name.fqdn), "{} is protected", name.fqdn);
    assert!(name.forward || name.reverse);
    for label in name.fqdn.labels() {
        // RFC 1123 section 2.1: letters, digits and hyphens, the latter neither first nor last.
        assert!(label.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-'), "{}", name.fqdn);
        assert!(label.first() != Some(&b'-') && label.last() != Some(&b'-'), "{}", name.fqdn);
    }
    // A client that says what it was told keeps its name.
    let text = name.fqdn.to_string();
    let sent = client_fqdn.filter(|sent| sent.len() >= 3).map(|sent| [&[sent[0] | 4, 0, 0], name.fqdn.as_wire()].concat());
    let again = Question { hostname: text.as_bytes(), client_fqdn: sent.as_deref(), ..question };
    assert_eq!(choose(&again, &settings, &nobody).name, Some(name));
    Ok(())
}
