//! Conditions of classes: what they come to, and everything that can be wrong with one.

use dhcp::class::{ClassId, Condition, Fact, Test, Verdict};

use super::{config, found, refused, subnet, warned};

/// A subnet, with the condition of a class on line 8.
fn matching(condition: &str) -> String {
    subnet(&format!("pools = [\"192.168.30.5\"]\n[[class]]\nname = \"a\"\nmatch = {condition}"))
        .replace("[[zone]]\nname = \"nasir.xyz\"\n", "")
}

/// What the condition comes to.
fn condition(text: &str) -> Condition {
    let classes = config(&matching(text)).dhcp.classes;
    classes.get(ClassId(0)).unwrap().condition.clone()
}

fn is(fact: Fact, test: Test) -> Condition {
    Condition::Is(fact, test)
}

fn equal(data: &[u8]) -> Test {
    Test::Equal(data.into())
}

fn prefix(data: &[u8]) -> Test {
    Test::Prefix(data.into())
}

fn contains(data: &[u8]) -> Test {
    Test::Contains(data.into())
}

#[test]
fn an_option_is_asked_by_number_or_name() {
    let vendor = Fact::Option(60);
    for (text, expected) in [
        ("{ option = 60 }", Condition::has(vendor)),
        ("{ option = 60, present = false }", Condition::has(vendor).negated()),
        ("{ option = \"vendor_class_identifier\", prefix = \"PXE\" }", is(vendor, prefix(b"PXE"))),
        ("{ option = 60, equal = \"hex:50:58\" }", is(vendor, equal(b"PX"))),
        ("{ option = 60, equal = \"text:hex:50\" }", is(vendor, equal(b"hex:50"))),
        ("{ option = 60, equal = \"http:x\" }", is(vendor, equal(b"http:x"))),
        ("{ option = 60, offset = 9, prefix = \":\" }", is(vendor, Test::At { offset: 9, data: [b':'].into() })),
        (
            "{ option = 60, contains = [\"a\", \"b\"] }",
            Condition::Any(vec![is(vendor, contains(b"a")), is(vendor, contains(b"b"))]),
        ),
        (
            "{ option = 60, prefix = \"a\", contains = \"b\" }",
            Condition::All(vec![is(vendor, prefix(b"a")), is(vendor, contains(b"b"))]),
        ),
        ("{ option = 43, sub_option = 9 }", Condition::has(Fact::SubOption(43, 9))),
        ("{ option = 124, enterprise = 9, equal = \"ap\" }", is(Fact::VendorClass(9), equal(b"ap"))),
        ("{ option = 125, enterprise = 9, sub_option = 1 }", Condition::has(Fact::VendorOption(9, 1))),
    ] {
        assert_eq!(condition(text), expected, "{text}");
    }
}

#[test]
fn keys_with_a_meaning_of_their_own() {
    for (text, expected) in [
        ("{ vendor_class = { prefix = \"PXE\" } }", is(Fact::Option(60), prefix(b"PXE"))),
        ("{ user_class = \"iPXE\" }", is(Fact::UserClass, equal(b"iPXE"))),
        ("{ hostname = { present = true } }", Condition::has(Fact::Option(12))),
        ("{ circuit_id = { contains = \"1/0\" } }", is(Fact::CIRCUIT_ID, contains(b"1/0"))),
        ("{ remote_id = \"hex:00:06\" }", is(Fact::REMOTE_ID, equal(&[0, 6]))),
        ("{ subscriber_id = \"s\" }", is(Fact::SUBSCRIBER_ID, equal(b"s"))),
        ("{ vlan = 20 }", is(Fact::Vlan, equal(&[0, 20]))),
        ("{ port = { prefix = \"1/\" } }", is(Fact::Port, prefix(b"1/"))),
        ("{ switch = \"00:1e\" }", is(Fact::Switch, prefix(&[0, 0x1E]))),
        ("{ interface = \"eth0.20\" }", is(Fact::Interface, equal(b"eth0.20"))),
        ("{ hardware = \"00:04:F2\" }", is(Fact::Hardware, prefix(&[0, 4, 0xF2]))),
        ("{ hardware = \"5254.0012.3456\" }", is(Fact::Hardware, equal(&[0x52, 0x54, 0, 0x12, 0x34, 0x56]))),
        ("{ hardware_type = 6 }", is(Fact::HardwareType, equal(&[6]))),
        (
            "{ architecture = [7, 9] }",
            Condition::Any(vec![is(Fact::Architecture, equal(&[0, 7])), is(Fact::Architecture, equal(&[0, 9]))]),
        ),
        ("{ giaddr = \"10.20.0.0/16\" }", is(Fact::Giaddr, prefix(&[10, 20]))),
        ("{ giaddr = \"10.20.0.1\" }", is(Fact::Giaddr, equal(&[10, 20, 0, 1]))),
        (
            "{ ciaddr = \"10.16.0.0/12\" }",
            is(Fact::Ciaddr, Test::Between([10, 16, 0, 0].into(), [10, 31, 255, 255].into())),
        ),
        ("{ secs_min = 300 }", is(Fact::Secs, Test::Between([1, 44].into(), [255, 255].into()))),
        ("{ broadcast = false }", Condition::has(Fact::Broadcast).negated()),
        ("{ message_type = \"INFORM\" }", is(Fact::MessageType, equal(&[8]))),
    ] {
        assert_eq!(condition(text), expected, "{text}");
    }
}

#[test]
fn conditions_are_nested_and_build_on_other_classes() {
    let config = config(&subnet(
        "pools = [\"192.168.30.5\"]\nallow = [\"unknown\"]\n[[class]]\nname = \"a\"\ndeny = true\n\
         match.any = [{ class = [\"b\", \"known\"] }, { not.option = 60 }]\n\
         [[class]]\nname = \"b\"\ndrop = true\n[class.match]\nall = [{ option = 1 }, { option = 2 }]\nhardware_type = 1",
    ));
    let classes = &config.dhcp.classes;
    let told: Vec<(&str, Verdict)> = classes.iter().map(|(_, class)| (&*class.name, class.verdict)).collect();
    let serve = Verdict::Serve;
    assert_eq!(told, [("a", Verdict::Deny), ("b", Verdict::Drop), ("known", serve), ("unknown", serve)]);
    assert_eq!(config.dhcp.subnets[0].access.allow, [ClassId(3)]);
    let either = Condition::Any(vec![Condition::Class(ClassId(1)), Condition::Class(ClassId(2))]);
    let expected = Condition::Any(vec![either, Condition::has(Fact::Option(60)).negated()]);
    assert_eq!(classes.get(ClassId(0)).unwrap().condition, expected);
    let both = Condition::All(vec![Condition::has(Fact::Option(1)), Condition::has(Fact::Option(2))]);
    let expected = Condition::All(vec![both, is(Fact::HardwareType, equal(&[1]))]);
    assert_eq!(classes.get(ClassId(1)).unwrap().condition, expected);
}

#[test]
fn the_built_in_classes_are_there_only_where_something_names_them() {
    assert_eq!(config(&matching("{ option = 60 }")).dhcp.classes.len(), 1);
    assert_eq!(config(&matching("{ class = \"known\" }")).dhcp.classes.len(), 2);
    assert!(config(&subnet("pools = [\"192.168.30.5\"]")).dhcp.classes.is_empty());
}

#[test]
fn a_subnet_takes_from_dhcp_who_is_let_in_and_may_say_otherwise() {
    let text = |own: &str| {
        format!(
            "[dhcp]\ndeny = [\"unknown\"]\n[[subnet]]\nprefix = \"192.168.30.0/24\"\npools = [\"192.168.30.5\"]\n{own}"
        )
    };
    assert_eq!(config(&text("")).dhcp.subnets[0].access.deny, [ClassId(1)]);
    assert_eq!(config(&text("deny = []")).dhcp.subnets[0].access.deny, []);
}

#[test]
fn a_condition_that_asks_nothing_or_what_cannot_be() {
    for (text, place, underlined, message, mend) in [
        ("{}", "6:9", "{}", "the condition asks nothing", "[dhcp]"),
        ("{ any = [] }", "6:17", "[]", "`any` is an empty list", "what it is to hold"),
        ("{ architecture = [] }", "6:26", "[]", "`architecture` is an empty list", "what it is to hold"),
        (
            "{ prefix = \"x\" }",
            "6:20",
            "\"x\"",
            "`prefix` asks about an option, and there is no `option` beside it",
            "option = 60",
        ),
        (
            "{ option = 60, prefix = \"\" }",
            "6:33",
            "\"\"",
            "everything begins with nothing and holds nothing",
            "present = true",
        ),
        ("{ option = 60, equal = \"hex:5\" }", "6:32", "\"hex:5\"", "`hex:5` is not a value", "text:"),
        (
            "{ option = 60, offset = 3 }",
            "6:33",
            "3",
            "`offset` says where `prefix` is compared, and there is no `prefix`",
            "add `prefix",
        ),
        (
            "{ vendor_class = { present = false, prefix = \"x\" } }",
            "6:54",
            "\"x\"",
            "what is not there is nothing and begins with nothing, so the condition never holds",
            "present = false",
        ),
        ("{ option = 60, enterprise = 9 }", "6:37", "9", "option 60 has no enterprise numbers", "124 and 125"),
        (
            "{ option = 124, enterprise = 9, sub_option = 1 }",
            "6:38",
            "9",
            "option 124 has a vendor class for each enterprise, option 125 sub-options",
            "without `sub_option`",
        ),
        (
            "{ option = 125, sub_option = 1 }",
            "6:38",
            "1",
            "the sub-options of option 125 are an enterprise's",
            "add `enterprise`",
        ),
        (
            "{ hardware = \"00:04:g2\" }",
            "6:22",
            "\"00:04:g2\"",
            "`00:04:g2` is neither a hardware address nor the beginning of one",
            "00:04:f2",
        ),
        (
            "{ giaddr = \"10.0.0\" }",
            "6:20",
            "\"10.0.0\"",
            "`10.0.0` is neither an address nor a prefix",
            "10.20.0.0/16",
        ),
        ("{ secs_min = 9, secs_max = 8 }", "6:22", "9", "no number is at least 9 and at most 8", "the lesser one"),
        ("{ class = \"b\" }", "6:19", "\"b\"", "the class `b` is not declared", "add a [[class]]"),
        ("{ class = \"konwn\" }", "6:19", "\"konwn\"", "the class `konwn` is not declared", "\"known\""),
        ("{ option = 300 }", "6:20", "300", "`option` is out of range", "between 1 and 254"),
        ("{ vendor = \"x\" }", "6:11", "vendor", "unknown key `vendor` in `match`", ""),
        ("{ message_type = \"OFFER\" }", "6:26", "\"OFFER\"", "\"OFFER\" is not a value of `message_type`", "INFORM"),
    ] {
        refused(&matching(text), &[(place, underlined, message, mend)]);
    }
    let long = "x".repeat(256);
    let message = "a value of 256 bytes is longer than the 255 that can be compared with";
    refused(
        &matching(&format!("{{ option = 60, equal = \"{long}\" }}")),
        &[("6:32", &format!("\"{long}\""), message, "a part of it")],
    );
}

#[test]
fn classes_in_a_circle_and_names_that_are_built_in() {
    let two = |first: &str, second: &str| {
        subnet(&format!(
            "pools = [\"192.168.30.5\"]\n[[class]]\nname = \"a\"\nmatch = {first}\n[[class]]\nname = \"b\"\nmatch = {second}"
        ))
    };
    refused(
        &two("{ class = \"b\" }", "{ not = { class = \"a\" } }"),
        &[("7:8", "\"a\"", "the classes build on each other in a circle: a, on b, on a", "take `class` out")],
    );
    refused(
        &two("{ option = 1 }", "{ option = 1 }").replace("name = \"b\"", "name = \"known\""),
        &[("10:8", "\"known\"", "the class `known` is built in", "match = { class = \"known\" }")],
    );
    refused(
        &subnet("pools = [\"192.168.30.5\"]\n[[class]]\nname = \"a\""),
        &[("6:1", "[[class]]", "`match` is missing in [[class]]", "add `match`")],
    );
}

#[test]
fn what_is_both_allowed_and_denied_or_denied_and_dropped_is_told() {
    warned(
        &subnet("pools = [\"192.168.30.5\"]\nallow = [\"known\"]\ndeny = [\"known\"]"),
        &[("7:9", "\"known\"", "the class `known` is both allowed and denied, and so it is denied", "one of the two")],
    );
    warned(
        &matching("{ option = 60 }\ndeny = true\ndrop = true"),
        &[("7:8", "true", "`drop` is more than `deny`", "take one of the two out")],
    );
}

#[test]
fn hostile_files_are_refused_in_words() {
    let deep = |depth: usize| format!("{}{{ option = 60 }}{}", "{ not = ".repeat(depth), " }".repeat(depth));
    let faults = found(&matching(&deep(16)));
    assert_eq!(faults.list[0].message, "the condition is nested deeper than 16 levels");
    assert!(found(&matching(&deep(14))).is_empty());
    for text in [
        matching(&deep(5_000)),
        matching(&format!("{{ {} = 60 }}", vec!["not"; 5_000].join("."))),
        format!("{}\nmatch.{} = 60", matching("{}").replace("\nmatch = {}", ""), vec!["not"; 5_000].join(".")),
        format!("[class.match.{}]\noption = 60", vec!["not"; 5_000].join(".")),
    ] {
        assert!(found(&text).refuse());
    }
    let class = |n: usize| format!("[[class]]\nname = \"c{n}\"\nmatch = {{ option = 60, equal = \"{n}\" }}\n");
    let many =
        |count: usize| subnet(&format!("pools = [\"192.168.30.5\"]\n{}", (0..count).map(class).collect::<String>()));
    assert!(found(&many(4_094)).is_empty());
    assert_eq!(found(&many(4_095)).list[0].message, "there are more than 4094 classes");
}
