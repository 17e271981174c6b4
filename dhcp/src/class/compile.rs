//! From conditions as they are declared to their evaluation: each leaf once, classes in the order in which they build on
//! each other, and for each what to watch.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use thiserror::Error;

use super::index::{FactIndex, Leaf};
use super::set::Bits;
use super::{
    CLASSES_MAX, Class, ClassId, ClassSet, Condition, DEPTH_MAX, Fact, Facts, LEAVES_MAX, Test, VALUE_BYTES_MAX,
};

/// What is wrong with classes.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ClassFault {
    /// More than [`CLASSES_MAX`].
    #[error("{0} classes are more than the {CLASSES_MAX} that there can be")]
    TooManyClasses(usize),
    /// More than [`LEAVES_MAX`] leaves, up to this class.
    #[error("the conditions of all classes have more than {LEAVES_MAX} tests")]
    TooManyTests(ClassId),
    /// Nested deeper than [`DEPTH_MAX`].
    #[error("the condition is nested deeper than {DEPTH_MAX} levels")]
    TooDeep(ClassId),
    /// A value of more than [`VALUE_BYTES_MAX`] bytes.
    #[error("a value of {1} bytes is longer than the {VALUE_BYTES_MAX} that can be compared with")]
    TooLong(ClassId, usize),
    /// A condition names a class that there is not.
    #[error("the condition names a class that there is not")]
    NoSuchClass(ClassId),
    /// Each of these builds on the next, and the last on the first.
    #[error("the classes build on each other in a circle")]
    Circle(Vec<ClassId>),
}

/// A condition whose leaves are numbers.
#[derive(Clone, Debug)]
enum Node {
    All(Box<[Node]>),
    Any(Box<[Node]>),
    Not(Box<Node>),
    Class(ClassId),
    Leaf(Leaf),
}

impl Node {
    fn holds(&self, leaves: &Bits, classes: &ClassSet) -> bool {
        match self {
            Self::All(list) => list.iter().all(|one| one.holds(leaves, classes)),
            Self::Any(list) => list.iter().any(|one| one.holds(leaves, classes)),
            Self::Not(inner) => !inner.holds(leaves, classes),
            Self::Class(class) => classes.contains(*class),
            Self::Leaf(leaf) => leaves.contains(*leaf as usize),
        }
    }
}

/// Classes made ready. A rank is a class's place in the order of evaluation.
#[derive(Clone, Debug, Default)]
pub(super) struct Compiled {
    indexes: Vec<FactIndex>,
    /// By rank.
    order: Vec<(ClassId, Node)>,
    /// The classes of a message of which no leaf holds.
    at_rest: ClassSet,
    /// By leaf: the ranks of those that may change when it holds.
    leaf_watchers: Vec<Vec<u16>>,
    /// By class: the ranks of those that may change when it is not as it is at rest.
    class_watchers: Vec<Vec<u16>>,
}

impl Compiled {
    pub(super) fn new(classes: &[Class]) -> Result<Self, ClassFault> {
        check_sizes(classes)?;
        let order = order(classes)?;
        let mut leaves: BTreeMap<(Fact, &Test), Leaf> = BTreeMap::new();
        for class in classes {
            class.condition.leaves(&mut |leaf| {
                if let Condition::Is(fact, test) = leaf {
                    leaves.insert((*fact, test), 0);
                }
            });
        }
        let mut by_fact: BTreeMap<Fact, Vec<(&Test, Leaf)>> = BTreeMap::new();
        let mut costs = Vec::with_capacity(leaves.len());
        for (number, ((fact, test), leaf)) in (0..).zip(&mut leaves) {
            *leaf = number;
            by_fact.entry(*fact).or_default().push((test, number));
            costs.push(cost(*fact, test));
        }
        let mut compiled = Self {
            indexes: by_fact.into_iter().map(|(fact, leaves)| FactIndex::new(fact, &leaves)).collect(),
            order: Vec::with_capacity(order.len()),
            at_rest: ClassSet::default(),
            leaf_watchers: vec![Vec::new(); costs.len()],
            class_watchers: vec![Vec::new(); classes.len()],
        };
        for id in order {
            let node = node(&classes[usize::from(id.0)].condition, &leaves);
            compiled.add(id, node, &costs);
        }
        Ok(compiled)
    }

    /// Adds the next class in the order of evaluation.
    fn add(&mut self, id: ClassId, node: Node, costs: &[u64]) {
        let rank = u16::try_from(self.order.len()).unwrap_or(u16::MAX);
        for watched in watch(&node, &self.at_rest, costs).0 {
            let watchers = match watched {
                Watched::Leaf(leaf) => &mut self.leaf_watchers[leaf as usize],
                Watched::Class(class) => &mut self.class_watchers[usize::from(class.0)],
            };
            if watchers.last() != Some(&rank) {
                watchers.push(rank);
            }
        }
        if node.holds(&Bits::default(), &self.at_rest) {
            self.at_rest.0.insert(id.0.into());
        }
        self.order.push((id, node));
    }

    pub(super) fn asks(&self, fact: Fact) -> bool {
        self.indexes.iter().any(|index| index.fact == fact)
    }

    pub(super) fn of(&self, facts: &Facts<'_, '_>) -> ClassSet {
        let (mut held, mut open) = (Bits::default(), Bits::default());
        for index in &self.indexes {
            index.look_up(facts, &mut |leaf| {
                let is_new = held.insert(leaf as usize);
                if is_new {
                    for &rank in &self.leaf_watchers[leaf as usize] {
                        open.insert(rank.into());
                    }
                }
                is_new
            });
        }
        let mut classes = self.at_rest.clone();
        let mut from = 0;
        while let Some(rank) = open.next(from) {
            from = rank + 1;
            let (id, node) = &self.order[rank];
            let holds = node.holds(&held, &classes);
            if holds == self.at_rest.contains(*id) {
                continue;
            }
            if holds {
                classes.0.insert(id.0.into());
            } else {
                classes.0.remove(id.0.into());
            }
            // Those that watch it come after it.
            for &rank in &self.class_watchers[usize::from(id.0)] {
                open.insert(rank.into());
            }
        }
        classes
    }
}

/// A leaf, or another class, upon which a class may become what it is not at rest.
#[derive(Clone, Copy, Debug)]
enum Watched {
    Leaf(Leaf),
    Class(ClassId),
}

/// What a condition's outcome hangs on: while none of these leaves holds, and none of these classes is what it is not
/// at rest, the condition is as it is at rest. Of `all` that does not hold at rest, one part that does not is enough
/// to watch: the least costly one, which is the least likely to hold. So it is with `any` that holds.
fn watch(node: &Node, at_rest: &ClassSet, costs: &[u64]) -> (Vec<Watched>, u64) {
    let (list, decisive) = match node {
        Node::Leaf(leaf) => return (vec![Watched::Leaf(*leaf)], costs[*leaf as usize]),
        Node::Class(class) => return (vec![Watched::Class(*class)], COST_OF_CLASS),
        Node::Not(inner) => return watch(inner, at_rest, costs),
        Node::All(list) => (list, false),
        Node::Any(list) => (list, true),
    };
    let nothing = Bits::default();
    let decides = |one: &&Node| one.holds(&nothing, at_rest) == decisive;
    let best = list.iter().filter(decides).map(|one| watch(one, at_rest, costs)).min_by_key(|(_, cost)| *cost);
    best.unwrap_or_else(|| {
        let mut all = (Vec::new(), 0);
        for (watched, cost) in list.iter().map(|one| watch(one, at_rest, costs)) {
            all.0.extend(watched);
            all.1 += cost;
        }
        all
    })
}

const COST_OF_CLASS: u64 = 6;

/// How likely a leaf is to hold for any message; only the order counts.
fn cost(fact: Fact, test: &Test) -> u64 {
    let of_test = match test {
        Test::Equal(_) => 1,
        Test::Prefix(_) => 3,
        Test::At { .. } => 5,
        Test::Contains(_) => 8,
        Test::Between(..) => 20,
        Test::Present => 40,
    };
    let of_fact = match fact {
        Fact::MessageType | Fact::HardwareType | Fact::Reservation | Fact::Broadcast => 40,
        Fact::Interface | Fact::Architecture | Fact::Secs => 10,
        _ => 1,
    };
    of_test * of_fact
}

fn node(condition: &Condition, leaves: &BTreeMap<(Fact, &Test), Leaf>) -> Node {
    match condition {
        Condition::All(list) => Node::All(list.iter().map(|one| node(one, leaves)).collect()),
        Condition::Any(list) => Node::Any(list.iter().map(|one| node(one, leaves)).collect()),
        Condition::Not(inner) => Node::Not(Box::new(node(inner, leaves))),
        Condition::Class(class) => Node::Class(*class),
        Condition::Is(fact, test) => Node::Leaf(leaves[&(*fact, test)]),
    }
}

fn check_sizes(classes: &[Class]) -> Result<(), ClassFault> {
    if classes.len() > CLASSES_MAX {
        return Err(ClassFault::TooManyClasses(classes.len()));
    }
    let mut count = 0;
    for (id, class) in (0..).map(ClassId).zip(classes) {
        if class.condition.depth() > DEPTH_MAX {
            return Err(ClassFault::TooDeep(id));
        }
        let mut outcome = Ok(());
        class.condition.leaves(&mut |leaf| {
            count += 1;
            match leaf {
                Condition::Class(named) if usize::from(named.0) >= classes.len() => {
                    outcome = Err(ClassFault::NoSuchClass(id));
                }
                Condition::Is(_, test) if test.value_len() > VALUE_BYTES_MAX => {
                    outcome = Err(ClassFault::TooLong(id, test.value_len()));
                }
                _ => {}
            }
        });
        outcome?;
        if count > LEAVES_MAX {
            return Err(ClassFault::TooManyTests(id));
        }
    }
    Ok(())
}

/// The classes in an order in which each comes after those that it builds on; else as they are declared.
fn order(classes: &[Class]) -> Result<Vec<ClassId>, ClassFault> {
    let mut builds_on: Vec<Vec<u16>> = vec![Vec::new(); classes.len()];
    let mut carries: Vec<Vec<u16>> = vec![Vec::new(); classes.len()];
    for (id, class) in (0_u16..).zip(classes) {
        class.condition.leaves(&mut |leaf| {
            if let Condition::Class(named) = leaf {
                builds_on[usize::from(id)].push(named.0);
                carries[usize::from(named.0)].push(id);
            }
        });
    }
    let mut missing: Vec<usize> = builds_on.iter().map(Vec::len).collect();
    let mut ready: BinaryHeap<Reverse<u16>> =
        (0_u16..).zip(&missing).filter(|(_, missing)| **missing == 0).map(|(id, _)| Reverse(id)).collect();
    let mut order = Vec::with_capacity(classes.len());
    while let Some(Reverse(id)) = ready.pop() {
        order.push(ClassId(id));
        for &above in &carries[usize::from(id)] {
            missing[usize::from(above)] -= 1;
            if missing[usize::from(above)] == 0 {
                ready.push(Reverse(above));
            }
        }
    }
    match (0_u16..).zip(&missing).find(|(_, missing)| **missing > 0) {
        None => Ok(order),
        Some((stuck, _)) => Err(ClassFault::Circle(circle(stuck, &builds_on, &missing))),
    }
}

/// A circle that is reached from a class that could not be ordered: each of these builds on another of them.
fn circle(stuck: u16, builds_on: &[Vec<u16>], missing: &[usize]) -> Vec<ClassId> {
    let mut way = vec![stuck];
    loop {
        let last = way.last().copied().unwrap_or(stuck);
        let next = builds_on[usize::from(last)].iter().copied().find(|below| missing[usize::from(*below)] > 0);
        let Some(next) = next else { return way.into_iter().map(ClassId).collect() };
        if let Some(first) = way.iter().position(|id| *id == next) {
            return way.drain(first..).map(ClassId).collect();
        }
        way.push(next);
    }
}
