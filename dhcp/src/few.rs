//! A list that is short as a rule, on the stack while it is.

/// A list without an allocation up to `N`.
#[derive(Clone, Debug)]
pub(crate) struct Few<T, const N: usize> {
    /// The first ones, as long as there are no more.
    here: [T; N],
    len: usize,
    /// All of them, when they are more.
    apart: Vec<T>,
}

impl<T: Copy + Default, const N: usize> Default for Few<T, N> {
    fn default() -> Self {
        Self { here: [T::default(); N], len: 0, apart: Vec::new() }
    }
}

impl<T: Copy + Default, const N: usize> Few<T, N> {
    pub(crate) fn push(&mut self, one: T) {
        match self.here.get_mut(self.len) {
            Some(place) => *place = one,
            None => {
                if self.apart.is_empty() {
                    self.apart.extend_from_slice(&self.here);
                }
                self.apart.push(one);
            }
        }
        self.len += 1;
    }
}

impl<T, const N: usize> std::ops::Deref for Few<T, N> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        self.here.get(..self.len).unwrap_or(&self.apart)
    }
}

impl<T, const N: usize> std::ops::DerefMut for Few<T, N> {
    fn deref_mut(&mut self) -> &mut [T] {
        self.here.get_mut(..self.len).unwrap_or(&mut self.apart)
    }
}

impl<T: Copy + Default, const N: usize> FromIterator<T> for Few<T, N> {
    fn from_iter<I: IntoIterator<Item = T>>(all: I) -> Self {
        let mut few = Self::default();
        all.into_iter().for_each(|one| few.push(one));
        few
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_and_many_are_kept_in_their_order() {
        for count in [0, 1, 3, 4, 5, 40] {
            let few: Few<u32, 4> = (0..count).collect();
            assert!(few.iter().copied().eq(0..count), "{few:?}");
        }
    }
}
