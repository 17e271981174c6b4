#![allow(clippy::unwrap_used, reason = "a test that fails here says why")]

mod random;

use std::net::Ipv4Addr;

use super::*;
use crate::client::ClientMessage;
use crate::identity::HardwareAddress;
use crate::message::{Message, MessageType};

fn hardware(bytes: &[u8]) -> HardwareAddress {
    HardwareAddress::new(1, bytes).unwrap()
}

fn discover() -> ClientMessage {
    ClientMessage::new(MessageType::Discover, 1, hardware(&[0x52, 0x54, 0, 0x12, 0x34, 0x56]))
}

fn equal(data: impl AsRef<[u8]>) -> Test {
    Test::Equal(data.as_ref().into())
}

fn prefix(data: impl AsRef<[u8]>) -> Test {
    Test::Prefix(data.as_ref().into())
}

fn contains(data: impl AsRef<[u8]>) -> Test {
    Test::Contains(data.as_ref().into())
}

/// Calls `read` with the facts of a message.
fn with_facts<T>(message: &ClientMessage, is_known: bool, read: impl FnOnce(&Facts<'_, '_>) -> T) -> T {
    let mut datagram = Vec::new();
    message.encode(&mut datagram);
    let message = Message::parse(&datagram).unwrap();
    let (relay, giaddr) = (message.relay_agent_info().0, message.giaddr);
    read(&Facts { message: &message, relay, giaddr, interface: "eth0.20", is_known })
}

fn compile(conditions: impl IntoIterator<Item = Condition>) -> Result<Classes, ClassFault> {
    Classes::compile(conditions.into_iter().map(|condition| Class::new("class", condition)).collect())
}

/// Whether one leaf holds for a message.
fn holds(message: &ClientMessage, fact: Fact, test: Test) -> bool {
    let classes = compile([Condition::Is(fact, test)]).unwrap();
    with_facts(message, false, |facts| classes.of(facts)).contains(ClassId(0))
}

fn of(classes: &Classes, message: &ClientMessage) -> Vec<u16> {
    with_facts(message, false, |facts| classes.of(facts)).iter().map(|id| id.0).collect()
}

#[test]
fn an_option_is_compared_whole_by_its_beginning_anywhere_and_at_a_place() {
    let message = discover().with(60, *b"PXEClient:Arch:00007");
    for (test, expected) in [
        (Test::Present, true),
        (equal("PXEClient:Arch:00007"), true),
        (equal("PXEClient"), false),
        (equal(""), false),
        (prefix("PXEClient"), true),
        (prefix("PXEClient:Arch:00007"), true),
        (prefix("PXEClient:Arch:000070"), false),
        (prefix("Arch"), false),
        (prefix(""), true),
        (contains("Arch:00007"), true),
        (contains("P"), true),
        (contains("7"), true),
        (contains("arch"), false),
        (contains(""), true),
        (Test::At { offset: 10, data: b"Arch".as_slice().into() }, true),
        (Test::At { offset: 9, data: b"Arch".as_slice().into() }, false),
        (Test::At { offset: 20, data: [].into() }, true),
        (Test::At { offset: 21, data: [].into() }, false),
        (Test::Between(b"PXEClient:Arch:00006".as_slice().into(), b"PXEClient:Arch:00009".as_slice().into()), true),
        (Test::Between(b"PXE".as_slice().into(), b"PXF".as_slice().into()), false),
    ] {
        assert_eq!(holds(&message, Fact::Option(60), test.clone()), expected, "{test:?}");
        assert!(!holds(&discover(), Fact::Option(60), test.clone()), "absent: {test:?}");
    }
}

#[test]
fn header_fields_are_numbers_and_addresses_in_network_order() {
    let mut message = discover();
    message.secs = 300;
    message.giaddr = Ipv4Addr::new(10, 20, 0, 1);
    message.broadcast = true;
    for (fact, test, expected) in [
        (Fact::Hardware, prefix([0x52, 0x54, 0]), true),
        (Fact::Hardware, prefix([0x52, 0x54, 1]), false),
        (Fact::HardwareType, equal([1]), true),
        (Fact::MessageType, equal([1]), true),
        (Fact::MessageType, equal([3]), false),
        (Fact::Giaddr, Test::Between([10, 16, 0, 0].into(), [10, 31, 255, 255].into()), true),
        (Fact::Giaddr, prefix([10, 21]), false),
        (Fact::Ciaddr, Test::Present, false),
        (Fact::Secs, Test::Between([0, 10].into(), [255, 255].into()), true),
        (Fact::Secs, Test::Between([0, 0].into(), [0, 255].into()), false),
        (Fact::Broadcast, Test::Present, true),
        (Fact::Interface, equal("eth0.20"), true),
        (Fact::Interface, prefix("eth1"), false),
        (Fact::Reservation, Test::Present, false),
    ] {
        assert_eq!(holds(&message, fact, test.clone()), expected, "{fact}: {test:?}");
    }
}

#[test]
fn sub_options_of_relays_and_vendors_are_read_by_code() {
    let message = discover()
        .with(82, [1, 3, b'e', b't', b'h', 2, 2, 9, 8, 0, 1, 7, 6, 2, b'a', b'b', 1, 1, b'x'])
        .with(43, [0, 0, 71, 2, 1, 2, 255, 72, 1, 9])
        .with(124, [0, 0, 0, 9, 3, b'a', b'p', b'1', 0, 0, 1, 0, 2, b'z', b'z', 0, 0, 0, 9, 1, b'q'])
        .with(125, [0, 0, 0, 9, 5, 1, 3, b'o', b'n', b't', 0, 0, 1, 0, 9, 1]);
    for (fact, test, expected) in [
        (Fact::CIRCUIT_ID, equal("eth"), true),
        (Fact::CIRCUIT_ID, equal("x"), false),
        (Fact::REMOTE_ID, equal([9, 8]), true),
        (Fact::SUBSCRIBER_ID, prefix("a"), true),
        (Fact::SubOption(82, 0), equal([7]), true),
        (Fact::SubOption(43, 71), equal([1, 2]), true),
        (Fact::SubOption(43, 72), Test::Present, false),
        (Fact::VendorClass(9), equal("ap1"), true),
        (Fact::VendorClass(9), equal("q"), true),
        (Fact::VendorClass(256), equal("zz"), true),
        (Fact::VendorClass(256), equal("q"), false),
        (Fact::VendorOption(9, 1), contains("nt"), true),
        (Fact::VendorOption(9, 2), Test::Present, false),
    ] {
        assert_eq!(holds(&message, fact, test.clone()), expected, "{fact}: {test:?}");
    }
}

#[test]
fn what_switches_say_is_read_and_told() {
    // Cisco's encodings: VLAN 20, module 1, port 4 of the switch 00:1e:bd:a1:34:80.
    let marks = [1, 6, 0, 4, 0, 20, 1, 4, 2, 8, 0, 6, 0, 0x1E, 0xBD, 0xA1, 0x34, 0x80];
    let message = discover().with(82, marks);
    for (fact, test, expected) in [
        (Fact::Vlan, equal([0, 20]), true),
        (Fact::Vlan, equal([0, 21]), false),
        (Fact::Port, equal("1/4"), true),
        (Fact::Port, prefix("1/"), true),
        (Fact::Switch, equal([0, 0x1E, 0xBD, 0xA1, 0x34, 0x80]), true),
        (Fact::Switch, prefix([0, 6]), false),
    ] {
        assert_eq!(holds(&message, fact, test.clone()), expected, "{fact}: {test:?}");
        assert!(!holds(&discover(), fact, test), "absent: {fact}");
    }
    let classes =
        compile([Condition::Is(Fact::CIRCUIT_ID, equal("eth0")), Condition::Is(Fact::Vlan, equal([0, 20]))]).unwrap();
    let told: Vec<String> =
        with_facts(&message, false, |facts| classes.explain(facts).into_iter().map(|one| one.because).collect());
    let circuit = "the circuit identifier (option 82, sub-option 1) is 00:04:00:14:01:04 (VLAN 20, module 1, port 4)";
    assert_eq!(told[0], format!("{circuit}, which is not \"eth0\""));
    assert_eq!(told[1], "the VLAN of the circuit identifier is 20, which is 20");
}

#[test]
fn of_several_values_one_is_enough() {
    // RFC 3004's form, then what iPXE sends.
    let rfc = discover().with(77, *b"\x04iPXE\x03lab");
    let raw = discover().with(77, *b"iPXE");
    assert!(holds(&rfc, Fact::UserClass, equal("iPXE")));
    assert!(holds(&rfc, Fact::UserClass, equal("lab")));
    assert!(!holds(&rfc, Fact::UserClass, equal("PXE")));
    assert!(holds(&raw, Fact::UserClass, equal("iPXE")));
    assert!(!holds(&discover().with(77, *b"\x00"), Fact::UserClass, equal("iPXE")));

    let arch = discover().with(93, [0, 7, 0, 9]);
    assert!(holds(&arch, Fact::Architecture, equal([0, 9])));
    assert!(!holds(&arch, Fact::Architecture, equal([7, 0])), "pairs are not read across");
}

#[test]
fn classes_build_on_others_whatever_their_order() {
    let on = |class| Condition::Class(ClassId(class));
    let pxe = Condition::Is(Fact::Option(60), prefix("PXEClient"));
    let uefi = Condition::Is(Fact::Architecture, equal([0, 7]));
    let classes = compile([Condition::All(vec![on(2), on(1)]), uefi, pxe, on(0).negated()]).unwrap();
    let both = discover().with(60, *b"PXEClient").with(93, [0, 7]);
    assert_eq!(of(&classes, &both), [0, 1, 2]);
    assert_eq!(of(&classes, &discover().with(60, *b"PXEClient")), [2, 3]);
    assert_eq!(of(&classes, &discover()), [3]);
}

#[test]
fn a_known_client_is_one_with_a_reservation() {
    let known = Condition::has(Fact::Reservation);
    let classes = compile([known.clone(), known.negated()]).unwrap();
    assert!(classes.asks(Fact::Reservation) && !classes.asks(Fact::Hardware));
    for (is_known, expected) in [(true, 0), (false, 1)] {
        let set = with_facts(&discover(), is_known, |facts| classes.of(facts));
        assert_eq!(set.iter().collect::<Vec<_>>(), [ClassId(expected)]);
    }
}

#[test]
fn the_gravest_verdict_counts() {
    let everyone = || Condition::All(Vec::new());
    let class = |verdict| Class { verdict, ..Class::new("class", everyone()) };
    let verdict = |verdicts: &[Verdict]| {
        let classes = Classes::compile(verdicts.iter().copied().map(class).collect()).unwrap();
        classes.verdict(&with_facts(&discover(), false, |facts| classes.of(facts)))
    };
    assert_eq!(verdict(&[Verdict::Serve]), None);
    assert_eq!(verdict(&[Verdict::Serve, Verdict::Deny]), Some((Verdict::Deny, ClassId(1))));
    assert_eq!(verdict(&[Verdict::Deny, Verdict::Drop, Verdict::Serve]), Some((Verdict::Drop, ClassId(1))));
}

#[test]
fn classes_that_build_on_each_other_in_a_circle_are_refused() {
    let on = |class| Condition::Class(ClassId(class));
    let circle = |ids: &[u16]| Err(ClassFault::Circle(ids.iter().copied().map(ClassId).collect()));
    assert_eq!(compile([on(0)]), circle(&[0]));
    assert_eq!(compile([on(1), Condition::Any(vec![on(2).negated()]), on(1)]), circle(&[1, 2]));
    assert_eq!(compile([on(1)]), Err(ClassFault::NoSuchClass(ClassId(0))));
}

#[test]
fn what_is_beyond_the_limits_is_refused_in_words() {
    let leaf = || Condition::has(Fact::Option(60));
    let mut deep = leaf();
    for _ in 0..DEPTH_MAX {
        deep = deep.negated();
    }
    assert_eq!(compile([leaf(), deep]), Err(ClassFault::TooDeep(ClassId(1))));
    let fault = compile((0..=CLASSES_MAX).map(|_| leaf())).unwrap_err();
    assert_eq!(fault.to_string(), "4097 classes are more than the 4096 that there can be");
    assert!(compile((0..CLASSES_MAX).map(|_| leaf())).is_ok());
    assert_eq!(compile([Condition::Any(vec![leaf(); LEAVES_MAX + 1])]), Err(ClassFault::TooManyTests(ClassId(0))));
    assert_eq!(compile([Condition::Is(Fact::Hardware, equal([0; 256]))]), Err(ClassFault::TooLong(ClassId(0), 256)));
}

#[test]
fn as_many_classes_as_there_can_be_are_told_apart() {
    let value = |n: u16| format!("class-{n:05}");
    let count = u16::try_from(CLASSES_MAX).unwrap();
    let conditions = (0..count).map(|n| Condition::Is(Fact::Option(60), equal(value(n))));
    let classes = compile(conditions).unwrap();
    for n in [0, 1, 255, 256, 257, 4_000, count - 1] {
        assert_eq!(of(&classes, &discover().with(60, value(n).into_bytes())), [n]);
    }
    assert_eq!(of(&classes, &discover().with(60, *b"class-99999")), []);
}

#[test]
fn an_explanation_names_the_part_that_decided() {
    let pxe = || Condition::Is(Fact::Option(60), prefix("PXEClient"));
    let phone = Condition::Is(Fact::Hardware, prefix([0, 4, 0xF2]));
    let conditions = [
        Condition::All(vec![pxe(), phone.clone()]),
        Condition::Any(vec![phone.clone(), pxe()]),
        Condition::Class(ClassId(0)).negated(),
        Condition::Any(vec![phone, Condition::has(Fact::Reservation)]),
        Condition::Is(Fact::Architecture, equal([0, 9])),
        Condition::Is(Fact::Giaddr, Test::Between([10, 0, 0, 0].into(), [10, 0, 0, 255].into())),
        Condition::has(Fact::CIRCUIT_ID),
    ];
    let classes = compile(conditions).unwrap();
    let mut message = discover().with(60, *b"PXEClient\xff").with(93, [0, 7, 0, 6]);
    message.giaddr = Ipv4Addr::new(10, 0, 0, 7);
    let told: Vec<(bool, String)> = with_facts(&message, false, |facts| {
        classes.explain(facts).into_iter().map(|one| (one.holds, one.because)).collect()
    });
    let hardware = "the hardware address is 52:54:00:12:34:56, which does not begin with 00:04:f2";
    let expected = [
        (false, hardware),
        (true, "the vendor class (option 60) is 50:58:45:43:6c:69:65:6e:74:ff, which begins with \"PXEClient\""),
        (true, "it is not of the class `class`"),
        (false, &format!("{hardware}; and the client has no reservation")),
        (false, "the client architecture (option 93) is 7 (and 1 more), which is not 9"),
        (true, "giaddr is 10.0.0.7, which is between 10.0.0.0 and 10.0.0.255"),
        (false, "the circuit identifier (option 82, sub-option 1) is not there"),
    ];
    assert_eq!(told, expected.map(|(holds, because)| (holds, because.to_owned())));
}
