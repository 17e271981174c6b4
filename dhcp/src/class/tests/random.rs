//! The index against the definition: the conditions as they are declared, walked one by one.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// What a class is by definition. Circles are refused before.
fn by_definition(classes: &[Class], condition: &Condition, facts: &Facts<'_, '_>) -> bool {
    match condition {
        Condition::All(list) => list.iter().all(|one| by_definition(classes, one, facts)),
        Condition::Any(list) => list.iter().any(|one| by_definition(classes, one, facts)),
        Condition::Not(inner) => !by_definition(classes, inner, facts),
        Condition::Class(class) => by_definition(classes, &classes[usize::from(class.0)].condition, facts),
        Condition::Is(fact, test) => {
            let mut passes = false;
            facts.values(*fact, &mut |value| passes |= test.passes(value));
            passes
        }
    }
}

/// Few letters and short, so that values meet, begin with and contain each other.
fn data() -> impl Strategy<Value = Box<[u8]>> {
    vec(prop_oneof![Just(b'a'), Just(b'b'), Just(1_u8), Just(0_u8)], 0..5).prop_map(Into::into)
}

fn fact() -> impl Strategy<Value = Fact> {
    prop_oneof![
        4 => Just(Fact::Option(60)),
        2 => Just(Fact::Option(12)),
        2 => Just(Fact::Hardware),
        2 => Just(Fact::UserClass),
        1 => Just(Fact::CIRCUIT_ID),
        1 => Just(Fact::SubOption(43, 1)),
        1 => Just(Fact::Architecture),
        1 => Just(Fact::Reservation),
        1 => Just(Fact::Broadcast),
        1 => Just(Fact::Secs),
        1 => Just(Fact::VendorOption(0, 1)),
    ]
}

fn test() -> impl Strategy<Value = Test> {
    prop_oneof![
        1 => Just(Test::Present),
        4 => data().prop_map(Test::Equal),
        4 => data().prop_map(Test::Prefix),
        4 => data().prop_map(Test::Contains),
        2 => (0_u16..4, data()).prop_map(|(offset, data)| Test::At { offset, data }),
        2 => (data(), data()).prop_map(|(one, other)| Test::Between(one, other)),
    ]
}

fn condition() -> impl Strategy<Value = Condition> {
    let leaf = prop_oneof![
        6 => (fact(), test()).prop_map(|(fact, test)| Condition::Is(fact, test)),
        1 => (0_u16..12).prop_map(|class| Condition::Class(ClassId(class))),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Condition::All),
            vec(inner.clone(), 0..4).prop_map(Condition::Any),
            inner.prop_map(Condition::negated),
        ]
    })
}

/// Takes out what would make a circle: a class may name those after it alone. What is named beyond the last is absent.
fn without_circles(condition: Condition, own: u16, count: u16) -> Condition {
    let go = |list: Vec<Condition>| list.into_iter().map(|one| without_circles(one, own, count)).collect();
    match condition {
        Condition::All(list) => Condition::All(go(list)),
        Condition::Any(list) => Condition::Any(go(list)),
        Condition::Not(inner) => without_circles(*inner, own, count).negated(),
        Condition::Class(class) if class.0 <= own || class.0 >= count => Condition::All(Vec::new()),
        leaf => leaf,
    }
}

fn message() -> impl Strategy<Value = ClientMessage> {
    let codes = prop_oneof![Just(60_u8), Just(12), Just(77), Just(82), Just(43), Just(93), Just(125), Just(124)];
    (data(), any::<bool>(), 0_u16..3, vec((codes, vec(data(), 0..4)), 0..6)).prop_map(
        |(chaddr, broadcast, secs, options)| {
            let mut message = ClientMessage::new(MessageType::Request, 1, hardware(&chaddr)).with(61, [0, 1, 2]);
            message.broadcast = broadcast;
            message.secs = secs;
            for (code, parts) in options {
                // Some have the form of sub-options: code 1, and a length.
                let parts = parts.iter().enumerate().map(|(place, part)| {
                    let head = [1, u8::try_from(part.len()).unwrap()];
                    if place % 2 == 0 { [&head[..], part].concat() } else { part.to_vec() }
                });
                message = message.with(code, parts.collect::<Vec<_>>().concat());
            }
            message
        },
    )
}

proptest! {
    #[test]
    fn the_index_says_what_the_conditions_say(
        conditions in vec(condition(), 1..12),
        messages in vec((message(), any::<bool>()), 1..4),
    ) {
        let count = u16::try_from(conditions.len()).unwrap();
        let declared: Vec<Class> = (0..count)
            .zip(conditions)
            .map(|(own, condition)| Class::new("class", without_circles(condition, own, count)))
            .collect();
        let classes = Classes::compile(declared.clone()).unwrap();
        for (message, is_known) in &messages {
            with_facts(message, *is_known, |facts| {
                let expected: Vec<bool> =
                    declared.iter().map(|class| by_definition(&declared, &class.condition, facts)).collect();
                let set = classes.of(facts);
                let found: Vec<bool> = (0..count).map(|id| set.contains(ClassId(id))).collect();
                prop_assert_eq!(&found, &expected);
                let told: Vec<bool> = classes.explain(facts).iter().map(|one| one.holds).collect();
                prop_assert_eq!(&told, &expected);
                prop_assert_eq!(set.iter().count(), expected.iter().filter(|holds| **holds).count());
                Ok(())
            })?;
        }
    }

    /// Sub-options, user classes and architectures are read from whatever a client sends.
    #[test]
    fn arbitrary_data_never_panics(data in vec(any::<u8>(), 0..200), option in 1_u8..255) {
        let facts = [
            Fact::Option(option), Fact::SubOption(option, 1), Fact::SubOption(82, 1), Fact::UserClass, Fact::Architecture,
            Fact::VendorClass(0), Fact::VendorOption(0, 0), Fact::Port, Fact::Vlan, Fact::Switch,
        ];
        let classes = compile(facts.map(|fact| Condition::Is(fact, contains([0])))).unwrap();
        let all = [option, 77, 82, 93, 124, 125];
        let message = all.iter().fold(discover(), |message, code| message.with(*code, data.clone()));
        if option != 53 && option != 52 {
            with_facts(&message, true, |facts| {
                assert_eq!(classes.explain(facts).iter().filter(|one| one.holds).count(), classes.of(facts).iter().count());
            });
        }
    }
}
