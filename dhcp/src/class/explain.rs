//! Whether classes hold, part by part and in words. Conditions are walked as they were declared, without the index.

use std::fmt::Write as _;

use super::{ClassId, ClassSet, Classes, Condition, Fact, Facts, Test};
use crate::message::MessageType;
use crate::relay_info::CircuitId;

/// The most bytes of a value that are shown.
const SHOWN_MAX: usize = 64;

/// Whether a class holds, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation<'c> {
    /// The class.
    pub class: ClassId,
    /// Its name.
    pub name: &'c str,
    /// Whether it holds.
    pub holds: bool,
    /// The part of its condition that decided, in words without a full stop: `the vendor class (option 60) is
    /// "PXEClient:Arch:00007", which begins with "PXEClient"`.
    pub because: String,
}

impl Classes {
    /// Says of every class whether it holds for these facts, and which part of its condition decided.
    #[must_use]
    pub fn explain<'c>(&'c self, facts: &Facts<'_, '_>) -> Vec<Explanation<'c>> {
        let classes = self.of(facts);
        let explainer = Explainer { classes: self, held: &classes, facts };
        self.iter()
            .map(|(id, class)| {
                let (holds, because) = explainer.decide(&class.condition);
                Explanation { class: id, name: &class.name, holds, because }
            })
            .collect()
    }
}

struct Explainer<'e, 'a, 'd> {
    classes: &'e Classes,
    held: &'e ClassSet,
    facts: &'e Facts<'a, 'd>,
}

impl Explainer<'_, '_, '_> {
    fn decide(&self, condition: &Condition) -> (bool, String) {
        match condition {
            Condition::All(list) => self.decide_list(list, true, "nothing is asked"),
            Condition::Any(list) => self.decide_list(list, false, "nothing would do"),
            Condition::Not(inner) => {
                let (holds, because) = self.decide(inner);
                (!holds, because)
            }
            Condition::Class(class) => {
                let name = self.classes.get(*class).map_or("?", |class| class.name.as_str());
                let holds = self.held.contains(*class);
                (holds, format!("it is {}of the class `{name}`", if holds { "" } else { "not " }))
            }
            Condition::Is(fact, test) => self.decide_leaf(*fact, test),
        }
    }

    /// A list that is `usual` until one part is not. The first such decides, else all of them together.
    fn decide_list(&self, list: &[Condition], usual: bool, empty: &str) -> (bool, String) {
        let mut reasons = Vec::new();
        for one in list {
            let (holds, because) = self.decide(one);
            if holds != usual {
                return (holds, because);
            }
            reasons.push(because);
        }
        let reason = if reasons.is_empty() { empty.to_owned() } else { reasons.join("; and ") };
        (usual, reason)
    }

    fn decide_leaf(&self, fact: Fact, test: &Test) -> (bool, String) {
        let mut values: Vec<Vec<u8>> = Vec::new();
        self.facts.values(fact, &mut |value| values.push(value.to_vec()));
        let passing = values.iter().find(|value| test.passes(value));
        let holds = passing.is_some();
        let because = match (fact, test, passing.or(values.first())) {
            (Fact::Reservation, ..) => format!("the client has {} reservation", if holds { "a" } else { "no" }),
            (Fact::Broadcast, ..) => format!("the broadcast flag is {}set", if holds { "" } else { "not " }),
            (_, Test::Present, Some(_)) => format!("{fact} is there"),
            (_, _, None) => format!("{fact} is not there"),
            (_, _, Some(value)) => {
                let value = shown(fact, value);
                let others = match (holds, values.len()) {
                    (true, _) | (_, 1) => String::new(),
                    (false, count) => format!(" (and {} more)", count - 1),
                };
                format!("{fact} is {value}{others}, which {}", words(fact, test, holds))
            }
        };
        (holds, because)
    }
}

/// What a test found, to follow "which".
fn words(fact: Fact, test: &Test, holds: bool) -> String {
    let (does, not) = if holds { ("s", "") } else { ("", "does not ") };
    match test {
        Test::Present => "is there".to_owned(),
        Test::Equal(data) if holds => format!("is {}", shown(fact, data)),
        Test::Equal(data) => format!("is not {}", shown(fact, data)),
        Test::Prefix(data) => format!("{not}begin{does} with {}", shown_part(fact, data)),
        Test::Contains(data) => format!("{not}contain{does} {}", shown_part(fact, data)),
        Test::At { offset, data } => {
            format!("{} {} at byte {offset}", if holds { "has" } else { "has not" }, shown_part(fact, data))
        }
        Test::Between(first, last) => {
            let verb = if holds { "is" } else { "is not" };
            format!("{verb} between {} and {}", shown(fact, first), shown(fact, last))
        }
    }
}

/// A whole value, as people write it.
fn shown(fact: Fact, value: &[u8]) -> String {
    match (fact, value) {
        (Fact::Giaddr | Fact::Ciaddr, &[a, b, c, d]) => format!("{a}.{b}.{c}.{d}"),
        (Fact::HardwareType, &[number]) => number.to_string(),
        (Fact::Secs | Fact::Architecture | Fact::Vlan, &[high, low]) => u16::from_be_bytes([high, low]).to_string(),
        (Fact::MessageType, &[number]) => {
            MessageType::try_from(number).map_or_else(|_| number.to_string(), |name| name.to_string())
        }
        (Fact::CIRCUIT_ID, _) => match CircuitId::read(value) {
            read @ (CircuitId::Port { .. } | CircuitId::Text { vlan: Some(_), .. }) => {
                format!("{} ({read})", shown_part(fact, value))
            }
            _ => shown_part(fact, value),
        },
        _ => shown_part(fact, value),
    }
}

/// Text in quotes where it is text, else bytes in hexadecimal.
fn shown_part(fact: Fact, value: &[u8]) -> String {
    let cut = &value[..value.len().min(SHOWN_MAX)];
    let more = if cut.len() < value.len() { "..." } else { "" };
    let is_text = !matches!(fact, Fact::Hardware | Fact::Switch) && cut.iter().all(|byte| matches!(byte, b' '..=b'~'));
    if is_text {
        return format!("\"{}{more}\"", cut.escape_ascii());
    }
    let mut out = String::new();
    for (place, byte) in cut.iter().enumerate() {
        let separator = if place == 0 { "" } else { ":" };
        let _ = write!(out, "{separator}{byte:02x}");
    }
    out + more
}
