//! Classes of clients: which of them a message's sender is of.
//!
//! A class is a [`Condition`] on [`Facts`] about one message. Reading order: `facts` (what can be asked about),
//! `condition` (how), `compile` (the order among classes that build on others), `index` (what makes many classes cost
//! little more than one), `explain` (the answer in words) and `set`.
//!
//! How evaluation stays cheap: every leaf of every condition, a [`Test`] on a [`Fact`], is made once, however often it is
//! written, and all leaves on one fact are looked up together, by bisection of its value or in one pass over it. A
//! class watches only those leaves without which it stands as it does for a message of which none holds; it is worked
//! out only when one of these does.

mod compile;
mod condition;
mod explain;
mod facts;
mod index;
mod set;

pub use compile::ClassFault;
pub use condition::{Condition, Test};
pub use explain::Explanation;
pub use facts::{Fact, Facts};
pub use set::ClassSet;

use compile::Compiled;

use crate::settings::Scope;

/// The most classes that there can be.
pub const CLASSES_MAX: usize = 4_096;
/// The most leaves of all conditions together.
pub const LEAVES_MAX: usize = 65_536;
/// How deep a condition can be nested.
pub const DEPTH_MAX: usize = 16;
/// The most bytes of a value that is compared with.
pub const VALUE_BYTES_MAX: usize = 255;

/// A class, by its place among those declared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClassId(pub u16);

/// A class as it is declared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Class {
    /// Its name.
    pub name: String,
    /// Who is of it.
    pub condition: Condition,
    /// Whether its clients are served.
    pub verdict: Verdict,
    /// What its clients are given.
    pub scope: Scope,
}

impl Class {
    /// A class whose clients are served.
    #[must_use]
    pub fn new(name: &str, condition: Condition) -> Self {
        Self { name: name.to_owned(), condition, verdict: Verdict::default(), scope: Scope::default() }
    }
}

/// What becomes of a message whose sender is of a class. The gravest of a client's classes counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Verdict {
    /// It is served.
    #[default]
    Serve,
    /// It gets no address: DISCOVER, REQUEST and BOOTP get silence. What it has it may give back, and INFORM is answered.
    Deny,
    /// All of its messages get silence, and nothing comes of them.
    Drop,
}

/// The classes that clients can be of, made ready for evaluation. Two are equal when what was declared is.
#[derive(Clone, Debug, Default)]
pub struct Classes {
    declared: Vec<Class>,
    compiled: Compiled,
    /// Classes whose clients are not served, the gravest verdict first.
    verdicts: Vec<(Verdict, ClassId)>,
}

impl PartialEq for Classes {
    fn eq(&self, other: &Self) -> bool {
        self.declared == other.declared
    }
}

impl Eq for Classes {}

impl Classes {
    /// Makes classes ready, in the order in which they were declared.
    ///
    /// # Errors
    /// The first thing that is wrong with them.
    pub fn compile(declared: Vec<Class>) -> Result<Self, ClassFault> {
        let compiled = Compiled::new(&declared)?;
        let mut classes = Self { declared, compiled, verdicts: Vec::new() };
        classes.verdicts = classes.iter().map(|(id, class)| (class.verdict, id)).collect();
        classes.verdicts.retain(|(verdict, _)| *verdict != Verdict::Serve);
        classes.verdicts.sort_by(|one, other| other.cmp(one));
        Ok(classes)
    }

    /// The classes that these facts make their sender a member of.
    #[must_use]
    pub fn of(&self, facts: &Facts<'_, '_>) -> ClassSet {
        self.compiled.of(facts)
    }

    /// Whether any class asks for a fact of this kind.
    #[must_use]
    pub fn asks(&self, fact: Fact) -> bool {
        self.compiled.asks(fact)
    }

    /// What becomes of a sender of these classes, and the class that says so.
    #[must_use]
    pub fn verdict(&self, classes: &ClassSet) -> Option<(Verdict, ClassId)> {
        self.verdicts.iter().find(|(_, id)| classes.contains(*id)).copied()
    }

    /// A class by its identifier.
    #[must_use]
    pub fn get(&self, id: ClassId) -> Option<&Class> {
        self.declared.get(usize::from(id.0))
    }

    /// Every class, in the order in which they were declared.
    pub fn iter(&self) -> impl Iterator<Item = (ClassId, &Class)> {
        (0..).map(ClassId).zip(&self.declared)
    }

    /// How many classes there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.declared.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.declared.is_empty()
    }
}

#[cfg(test)]
mod tests;
