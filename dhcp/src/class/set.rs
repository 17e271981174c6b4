//! Small sets of small numbers.

use super::ClassId;

/// Words that need no allocation: 256 members.
const INLINE: usize = 4;

/// A set of numbers, without allocation up to 255.
#[derive(Clone, Debug, Default)]
pub(super) struct Bits {
    inline: [u64; INLINE],
    rest: Vec<u64>,
}

impl Bits {
    /// Adds a number; whether it is new.
    pub(super) fn insert(&mut self, number: usize) -> bool {
        let (word, bit) = (number / 64, 1_u64 << (number % 64));
        if word >= INLINE + self.rest.len() {
            self.rest.resize(word - INLINE + 1, 0);
        }
        let Some(word) = self.word_mut(word) else { return false };
        let is_new = *word & bit == 0;
        *word |= bit;
        is_new
    }

    pub(super) fn remove(&mut self, number: usize) {
        if let Some(word) = self.word_mut(number / 64) {
            *word &= !(1_u64 << (number % 64));
        }
    }

    pub(super) fn contains(&self, number: usize) -> bool {
        self.word(number / 64) & (1_u64 << (number % 64)) != 0
    }

    /// The least member that is not less than `from`.
    pub(super) fn next(&self, from: usize) -> Option<usize> {
        let first = from / 64;
        (first..INLINE + self.rest.len()).find_map(|index| {
            let word = self.word(index);
            let word = if index == first { word & (u64::MAX << (from % 64)) } else { word };
            (word != 0).then(|| index * 64 + word.trailing_zeros() as usize)
        })
    }

    fn word(&self, index: usize) -> u64 {
        self.inline.get(index).or_else(|| self.rest.get(index - INLINE)).copied().unwrap_or(0)
    }

    fn word_mut(&mut self, index: usize) -> Option<&mut u64> {
        match index.checked_sub(INLINE) {
            None => self.inline.get_mut(index),
            Some(index) => self.rest.get_mut(index),
        }
    }
}

/// The classes of one client: without allocation for the first 256 declared.
#[derive(Clone, Debug, Default)]
pub struct ClassSet(pub(super) Bits);

impl ClassSet {
    /// Whether a class is among them.
    #[must_use]
    pub fn contains(&self, class: ClassId) -> bool {
        self.0.contains(class.0.into())
    }

    /// The classes, those declared earlier first.
    pub fn iter(&self) -> impl Iterator<Item = ClassId> {
        let mut from = 0;
        std::iter::from_fn(move || {
            let found = self.0.next(from)?;
            from = found + 1;
            u16::try_from(found).ok().map(ClassId)
        })
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.next(0).is_none()
    }

    /// Whether any of `classes` is among them.
    #[must_use]
    pub fn contains_any(&self, classes: &[ClassId]) -> bool {
        classes.iter().any(|class| self.contains(*class))
    }
}

impl PartialEq for ClassSet {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for ClassSet {}

impl FromIterator<ClassId> for ClassSet {
    fn from_iter<I: IntoIterator<Item = ClassId>>(classes: I) -> Self {
        let mut set = Self::default();
        for class in classes {
            set.0.insert(class.0.into());
        }
        set
    }
}
