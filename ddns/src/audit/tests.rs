#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;
use crate::cuts::Classless;

fn name(text: &str) -> Fqdn {
    text.parse().unwrap()
}

fn host(n: u8) -> HostIdentity {
    HostIdentity::from_hardware(1, &[2, 0, 0, 0, 0, n])
}

fn want(label: &str, n: u8) -> Want {
    Want {
        name: name(&format!("{label}.lan")),
        identity: host(n),
        addresses: vec![IpAddr::from([10, 0, 0, n])],
        ttl_secs: 600,
        after_forward: false,
        guard: ConflictGuard::default(),
    }
}

fn forward(label: &str, n: u8) -> AuditedRow {
    let want = want(label, n);
    AuditedRow { key: RowKey::Forward(want.name.clone()), generation: 1, want: Some(want), rest: Rest::Done }
}

fn reverse(label: &str, n: u8) -> AuditedRow {
    let want = want(label, n);
    AuditedRow { key: RowKey::Reverse(want.addresses[0]), generation: 1, want: Some(want), rest: Rest::Done }
}

fn a(last: u8) -> Data {
    Rdata::address(IpAddr::from([10, 0, 0, last]))
}

fn dhcid(label: &str, n: u8) -> Data {
    (RecordType::DHCID, Rdata::dhcid(&Dhcid::new(&host(n), &name(&format!("{label}.lan")))))
}

fn ptr(label: &str) -> Data {
    (RecordType::PTR, Rdata::ptr(&name(&format!("{label}.lan"))))
}

type Data = (RecordType, Rdata);
type Verdict = (Kind, bool);

fn audit(rows: &[AuditedRow], zone: &[(&str, u32, Data)]) -> ZoneFindings {
    audit_between(rows, rows, zone)
}

fn audit_between(before: &[AuditedRow], after: &[AuditedRow], zone: &[(&str, u32, Data)]) -> ZoneFindings {
    let mut owners = Owners::new(["10.0.0.0/8".parse().unwrap()]);
    before.iter().chain(after).for_each(|row| owners.insert_row(row));
    let mut audit = ZoneAudit::new(Arc::default(), before.iter().cloned());
    for (owner, ttl, (rtype, rdata)) in zone {
        audit.take(&name(owner), *rtype, *ttl, rdata.clone());
    }
    audit.conclude(after, &owners)
}

fn kinds(findings: &ZoneFindings) -> Vec<(Kind, bool)> {
    findings.findings.iter().map(|finding| (finding.kind, finding.adoptable)).collect()
}

#[test]
fn a_zone_that_holds_what_it_should_has_no_findings() {
    let rows = [forward("pc", 1), reverse("pc", 1)];
    let zone = [
        ("pc.lan", 600, a(1)),
        // RFC 4703 section 5.3.2 does not write the DHCID anew: its time to live may be of before.
        ("pc.lan", 60, dhcid("pc", 1)),
        ("1.0.0.10.in-addr.arpa", 600, ptr("pc")),
        ("1.0.0.10.in-addr.arpa", 600, dhcid("pc", 1)),
        ("hand.lan", 60, a(99)),
        ("pc.lan", 60, (RecordType::TXT, Rdata::txt(&["by hand"]))),
    ];
    let findings = audit(&rows, &zone);
    assert_eq!(findings.findings, []);
    assert_eq!((findings.right, findings.others, findings.records, findings.left_out), (2, 1, 6, 0));
}

#[test]
fn each_kind_of_damage_is_told_as_what_it_is() {
    let forward_cases: [(&[Data], u32, Verdict); 8] = [
        (&[], 600, (Kind::Missing, false)),
        (&[a(1), dhcid("pc", 1)], 60, (Kind::Changed, false)),
        (&[a(2), dhcid("pc", 1)], 600, (Kind::Changed, false)),
        (&[a(1), a(2), dhcid("pc", 1)], 600, (Kind::Changed, false)),
        (&[dhcid("pc", 1)], 600, (Kind::Changed, false)),
        (&[a(1)], 600, (Kind::Foreign, true)),
        (&[a(2)], 600, (Kind::Foreign, false)),
        (&[a(1), dhcid("pc", 9)], 600, (Kind::Foreign, false)),
    ];
    for (records, ttl, expected) in forward_cases {
        let zone: Vec<_> = records.iter().map(|record| ("pc.lan", ttl, record.clone())).collect();
        assert_eq!(kinds(&audit(&[forward("pc", 1)], &zone)), [expected], "{records:?}");
    }
    let reverse_cases: [(&[Data], Verdict); 5] = [
        (&[], (Kind::Missing, false)),
        (&[dhcid("pc", 1)], (Kind::Changed, false)),
        (&[ptr("pc")], (Kind::Foreign, true)),
        (&[ptr("other")], (Kind::Foreign, false)),
        (&[ptr("pc"), dhcid("pc", 7)], (Kind::Foreign, false)),
    ];
    for (records, expected) in reverse_cases {
        let zone: Vec<_> = records.iter().map(|record| ("1.0.0.10.in-addr.arpa", 600, record.clone())).collect();
        assert_eq!(kinds(&audit(&[reverse("pc", 1)], &zone)), [expected], "{records:?}");
    }
}

#[test]
fn another_servers_family_and_records_by_hand_beside_ours_are_no_finding() {
    let (rtype, rdata) = Rdata::address("2001:db8::1".parse().unwrap());
    let zone = [("pc.lan", 600, a(1)), ("pc.lan", 600, dhcid("pc", 1)), ("pc.lan", 60, (rtype, rdata))];
    assert_eq!(kinds(&audit(&[forward("pc", 1)], &zone)), []);
    let arpa = "1.0.0.10.in-addr.arpa";
    let zone = [(arpa, 600, ptr("pc")), (arpa, 600, dhcid("pc", 1)), (arpa, 60, ptr("by-hand"))];
    assert_eq!(kinds(&audit(&[reverse("pc", 1)], &zone)), []);
}

#[test]
fn a_name_with_other_records_only_is_somebodys_and_not_missing() {
    let zone = [("pc.lan", 60, (RecordType::TXT, Rdata::txt(&["by hand"])))];
    assert_eq!(kinds(&audit(&[forward("pc", 1)], &zone)), [(Kind::Foreign, false)]);
}

#[test]
fn a_leftover_of_a_known_host_is_stale_and_any_other_is_only_counted() {
    let rows = [forward("pc", 1), reverse("pc", 1)];
    let zone = [
        ("pc.lan", 600, a(1)),
        ("pc.lan", 600, dhcid("pc", 1)),
        ("1.0.0.10.in-addr.arpa", 600, ptr("pc")),
        ("1.0.0.10.in-addr.arpa", 600, dhcid("pc", 1)),
        // Of our host, and at an address that another server gives: it publishes the host there.
        ("roams.lan", 600, Rdata::address(IpAddr::from([192, 0, 2, 1]))),
        ("roams.lan", 600, dhcid("roams", 1)),
        // Of our host, at its address; of our host, where no address tells whose; of nobody that we know.
        ("old.lan", 600, a(1)),
        ("old.lan", 600, dhcid("old", 1)),
        ("older.lan", 600, a(77)),
        ("older.lan", 600, dhcid("older", 1)),
        ("others.lan", 600, a(1)),
        ("others.lan", 600, dhcid("others", 200)),
        ("9.0.0.10.in-addr.arpa", 600, ptr("old")),
        ("9.0.0.10.in-addr.arpa", 600, dhcid("old", 1)),
    ];
    let findings = audit(&rows, &zone);
    let stale: Vec<_> = findings.findings.iter().map(|finding| finding.stale.clone().unwrap()).collect();
    let held = |label: &str, last: u8| Held {
        name: name(&format!("{label}.lan")),
        identity: host(1),
        addresses: vec![IpAddr::from([10, 0, 0, last])],
        guard: ConflictGuard::default(),
    };
    assert_eq!(stale, [held("old", 1), held("older", 77), held("old", 9)]);
    assert_eq!((findings.right, findings.others, findings.others_with_dhcid), (2, 2, 2));
}

#[test]
fn the_pointer_of_a_former_holder_of_ours_is_not_foreign() {
    let arpa = "1.0.0.10.in-addr.arpa";
    let findings =
        audit(&[reverse("new", 1), forward("pc", 2)], &[(arpa, 600, ptr("old")), (arpa, 600, dhcid("old", 2))]);
    let pointer = findings.findings.iter().find(|finding| matches!(finding.key, RowKey::Reverse(_))).unwrap();
    assert_eq!(
        (pointer.kind, pointer.stale.as_ref().map(|held| held.name.clone())),
        (Kind::Changed, Some(name("old.lan")))
    );
}

#[test]
fn what_changes_while_the_zone_is_read_is_under_way_and_no_finding() {
    let (done, mut newer) = (forward("pc", 1), forward("pc", 1));
    newer.generation = 2;
    let under_way = AuditedRow { rest: Rest::UnderWay, ..forward("pc", 1) };
    let leaving = AuditedRow { want: None, ..forward("pc", 1) };
    for (before, after) in [
        (vec![done.clone()], vec![newer]),
        (vec![done.clone()], vec![]),
        (vec![], vec![done.clone()]),
        (vec![under_way.clone()], vec![under_way]),
        (vec![leaving.clone()], vec![leaving]),
    ] {
        // Our own record of before stands there: it is not told as stale either.
        let findings = audit_between(&before, &after, &[("pc.lan", 600, a(5)), ("pc.lan", 600, dhcid("pc", 1))]);
        assert_eq!((kinds(&findings), findings.under_way), (vec![], 1), "{before:?} {after:?}");
    }
}

#[test]
fn each_policy_calls_foreign_what_it_would_leave_alone() {
    let judged = |guard: ConflictGuard, records: &[Data]| {
        let mut row = forward("pc", 1);
        row.want.as_mut().unwrap().guard = guard;
        let zone: Vec<_> = records.iter().map(|record| ("pc.lan", 600, record.clone())).collect();
        kinds(&audit(&[row], &zone)).first().map(|(kind, _)| *kind)
    };
    let (by_hand, anothers) = ([a(2)], [a(1), dhcid("pc", 9)]);
    for (guard, of_hand, of_another) in [
        (ConflictGuard::CheckWithDhcid, Some(Kind::Foreign), Some(Kind::Foreign)),
        (ConflictGuard::CheckExistsWithDhcid, Some(Kind::Foreign), Some(Kind::Changed)),
        (ConflictGuard::NoCheckWithDhcid, Some(Kind::Changed), Some(Kind::Changed)),
        (ConflictGuard::NoCheckWithoutDhcid, Some(Kind::Changed), Some(Kind::Changed)),
    ] {
        assert_eq!((judged(guard, &by_hand), judged(guard, &anothers)), (of_hand, of_another), "{guard:?}");
    }
    assert_eq!(judged(ConflictGuard::NoCheckWithoutDhcid, &[a(1)]), None);
}

#[test]
fn too_many_records_are_told_and_cost_no_more_memory() {
    let mut audit = ZoneAudit::new(Arc::default(), [forward("pc", 1)]);
    for n in 0..=RECORDS_PER_NAME_MAX as u32 {
        let (rtype, rdata) = Rdata::address(IpAddr::from(n.to_be_bytes()));
        audit.take(&name("pc.lan"), rtype, 600, rdata);
    }
    let findings = audit.conclude(&[forward("pc", 1)], &Owners::default());
    assert_eq!((findings.left_out, findings.findings[0].found.len()), (1, RECORDS_PER_NAME_MAX));
}

/// RFC 2317 section 4: the addresses of 10.0.0.0/25 have their PTR records in a zone of their own.
#[test]
fn pointers_of_a_classless_delegation_are_looked_for_where_their_aliases_lead() {
    let classless = Classless { prefix: "10.0.0.0/25".parse().unwrap(), parent: name("0-25.0.0.10.in-addr.arpa") };
    let settings = Arc::new(Settings { classless: vec![classless], ..Settings::default() });
    let owners = || {
        let mut owners = Owners::new(["10.0.0.0/8".parse().unwrap()]);
        owners.insert_row(&reverse("pc", 1));
        owners
    };
    let judged = |zone: &[(&str, u32, Data)]| {
        let rows = [reverse("pc", 1)];
        let mut audit = ZoneAudit::new(Arc::clone(&settings), rows.clone());
        let asked: Vec<String> = audit.keys().map(|(_, owner)| owner.to_string()).collect();
        assert_eq!(asked, ["1.0-25.0.0.10.in-addr.arpa."]);
        for (owner, ttl, (rtype, rdata)) in zone {
            audit.take(&name(owner), *rtype, *ttl, rdata.clone());
        }
        let findings = audit.conclude(&rows, &owners());
        let found: Vec<_> = findings.findings.into_iter().map(|finding| (finding.kind, finding.key)).collect();
        (found, findings.others)
    };
    let (alias, ordinary) = ("1.0-25.0.0.10.in-addr.arpa", "1.0.0.10.in-addr.arpa");
    let key = |last: u8| RowKey::Reverse(IpAddr::from([10, 0, 0, last]));
    let right = [(alias, 600, ptr("pc")), (alias, 600, dhcid("pc", 1))];
    assert_eq!(judged(&right), (vec![], 0));
    // Nothing of ours is ever written where an alias is: what stands there is nobody's leftover.
    let elsewhere = [(ordinary, 600, ptr("pc")), (ordinary, 600, dhcid("pc", 1))];
    assert_eq!(judged(&elsewhere), (vec![(Kind::Missing, key(1))], 1));
    let left = "9.0-25.0.0.10.in-addr.arpa";
    let leftover = [&right[..], &[(left, 600, ptr("old")), (left, 600, dhcid("old", 1))]].concat();
    assert_eq!(judged(&leftover), (vec![(Kind::Stale, key(9))], 0));
}

#[test]
fn a_host_with_another_servers_address_may_be_there_now() {
    let elsewhere = Rdata::address(IpAddr::from([192, 0, 2, 1]));
    let judged = |records: &[Data]| {
        let zone: Vec<_> = records.iter().map(|record| ("pc.lan", 600, record.clone())).collect();
        let findings = audit(&[forward("pc", 1)], &zone).findings;
        findings.first().map(|finding| (finding.kind, finding.may_be_elsewhere))
    };
    assert_eq!(judged(&[elsewhere.clone(), dhcid("pc", 1)]), Some((Kind::Changed, true)));
    // An address of ours, one more, or another's DHCID: that is not how another server of the same zone leaves it.
    assert_eq!(judged(&[a(2), dhcid("pc", 1)]), Some((Kind::Changed, false)));
    assert_eq!(judged(&[a(1), elsewhere.clone(), dhcid("pc", 1)]), Some((Kind::Changed, false)));
    assert_eq!(judged(&[elsewhere, dhcid("pc", 9)]), Some((Kind::Foreign, false)));
    assert_eq!(judged(&[dhcid("pc", 1)]), Some((Kind::Changed, false)));
}

/// Its address is in no subnet, and its PTR record names it: that is this server's own doing.
#[test]
fn a_machine_by_hand_outside_all_subnets_is_not_taken_for_another_servers() {
    let address = IpAddr::from([192, 0, 2, 1]);
    let want = Want { addresses: vec![address], ..want("nas", 1) };
    let row = AuditedRow { key: RowKey::Forward(want.name.clone()), generation: 1, want: Some(want), rest: Rest::Done };
    let other = Rdata::address(IpAddr::from([192, 0, 2, 2]));
    for changed in [
        &[("nas.lan", 60, Rdata::address(address)), ("nas.lan", 60, dhcid("nas", 1))][..],
        &[("nas.lan", 600, Rdata::address(address)), ("nas.lan", 600, other), ("nas.lan", 600, dhcid("nas", 1))],
    ] {
        let findings = audit(std::slice::from_ref(&row), changed).findings;
        let judged: Vec<_> = findings.iter().map(|finding| (finding.kind, finding.may_be_elsewhere)).collect();
        assert_eq!(judged, [(Kind::Changed, false)]);
    }
}

#[test]
fn records_that_are_stated_are_compared_by_name_and_type() {
    let txt = |text: &str| (RecordType::TXT, Rdata::txt(&[text]));
    let stated = |label: &str, (rtype, rdata): Data| {
        let want = Want { identity: HostIdentity::Stated([rdata].into()), addresses: Vec::new(), ..want(label, 1) };
        AuditedRow { key: RowKey::Stated(want.name.clone(), rtype), generation: 1, want: Some(want), rest: Rest::Done }
    };
    let cname = (RecordType::CNAME, Rdata::cname(&name("pc.lan")));
    let rows = [
        stated("right", txt("x")),
        stated("right", (RecordType::MX, Rdata::mx(10, &name("mail.lan")))),
        stated("later", txt("x")),
        stated("gone", txt("x")),
        stated("other", txt("x")),
        stated("more", txt("x")),
        stated("alias", cname.clone()),
        stated("blocked", cname.clone()),
    ];
    let zone = [
        ("right.lan", 600, txt("x")),
        ("right.lan", 600, (RecordType::MX, Rdata::mx(10, &name("mail.lan")))),
        ("later.lan", 60, txt("x")),
        ("other.lan", 600, txt("y")),
        ("more.lan", 600, txt("x")),
        ("more.lan", 600, txt("y")),
        ("alias.lan", 600, cname),
        ("blocked.lan", 600, a(9)),
    ];
    let report = audit(&rows, &zone);
    let told: Vec<(Kind, String)> =
        report.findings.iter().map(|one| (one.kind, one.want.as_ref().unwrap().name.to_string())).collect();
    let expected = [
        (Kind::Missing, "gone.lan."),
        (Kind::Changed, "later.lan."),
        (Kind::Foreign, "blocked.lan."),
        (Kind::Foreign, "more.lan."),
        (Kind::Foreign, "other.lan."),
    ];
    assert_eq!(told, expected.map(|(kind, name)| (kind, name.to_owned())));
    assert_eq!((report.right, report.others), (3, 0));
}
