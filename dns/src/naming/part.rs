//! What single places of a configuration say of names, and what several of them come to.

use std::borrow::Cow;

use super::{
    AfterExpiry, CleanUp, ClientUpdates, ConflictGuard, ConflictOutcome, GeneratedName, Naming, OutsideName,
    ReplaceName, ReservedRecords, Ttl,
};
use crate::Fqdn;

/// What one place of a configuration says of names: the server, a shared network, a subnet, a pool, a class or a
/// reservation. `None` where a wider one decides. The fields are those of [`Naming`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is documented at Naming")]
pub struct NamingPart {
    pub domain: Option<Fqdn>,
    pub clean: Option<CleanUp>,
    pub outside: Option<OutsideName>,
    pub client_updates: Option<ClientUpdates>,
    pub override_no_update: Option<bool>,
    /// `Some(None)`: no name is made here, whatever a wider place says.
    pub generate: Option<Option<GeneratedName>>,
    pub replace: Option<ReplaceName>,
    pub ttl: Option<Ttl>,
    pub guard: Option<ConflictGuard>,
    pub conflict: Option<ConflictOutcome>,
    pub after_expiry: Option<AfterExpiry>,
    pub reserved: Option<ReservedRecords>,
}

impl NamingPart {
    /// Whether it says nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The rules of a place with these over what holds around it.
    #[must_use]
    pub fn over(&self, around: &Naming) -> Naming {
        Naming {
            domain: self.domain.as_ref().unwrap_or(&around.domain).clone(),
            clean: self.clean.unwrap_or(around.clean),
            outside: self.outside.unwrap_or(around.outside),
            client_updates: self.client_updates.unwrap_or(around.client_updates),
            override_no_update: self.override_no_update.unwrap_or(around.override_no_update),
            generate: self.generate.as_ref().unwrap_or(&around.generate).clone(),
            replace: self.replace.unwrap_or(around.replace),
            ttl: self.ttl.unwrap_or(around.ttl),
            guard: self.guard.unwrap_or(around.guard),
            conflict: self.conflict.unwrap_or(around.conflict),
            after_expiry: self.after_expiry.unwrap_or(around.after_expiry),
            reserved: self.reserved.unwrap_or(around.reserved),
        }
    }

    /// The rules of a place that is narrower than `around`: those of `narrower`, the narrowest first, over it. Where
    /// there are no rules around, since no domain is there, `wider` are the parts that it lacks one of.
    pub fn narrow<'n, 'p>(
        narrower: impl DoubleEndedIterator<Item = &'p Self> + Clone,
        around: Option<&'n Naming>,
        wider: impl DoubleEndedIterator<Item = &'p Self> + Clone,
    ) -> Option<Cow<'n, Naming>> {
        match around {
            Some(around) => {
                Some(narrower.rev().fold(Cow::Borrowed(around), |around, part| Cow::Owned(part.over(&around))))
            }
            None => Self::complete(narrower.chain(wider)).map(Cow::Owned),
        }
    }

    /// What several places come to, the narrowest first, with the defaults where none says anything. `None` when none
    /// of them has a domain: then nothing is published.
    pub fn complete<'a>(parts: impl DoubleEndedIterator<Item = &'a Self> + Clone) -> Option<Naming> {
        let domain = parts.clone().find_map(|part| part.domain.clone())?;
        Some(parts.rev().fold(Naming::of_domain(domain), |around, part| part.over(&around)))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn the_narrowest_place_that_says_something_decides_each_rule_by_itself() {
        let part = |domain: &str, ttl| NamingPart { domain: domain.parse().ok(), ttl, ..NamingPart::default() };
        let server = NamingPart { generate: Some(Some(GeneratedName::Address)), ..part("lan", Some(Ttl::Fixed(60))) };
        let pool = NamingPart { generate: Some(None), ..part("", Some(Ttl::Fixed(30))) };
        let naming = NamingPart::complete([&pool, &NamingPart::default(), &server].into_iter()).unwrap();
        let expected = Naming { ttl: Ttl::Fixed(30), ..Naming::of_domain("lan".parse().unwrap()) };
        assert_eq!(naming, expected);
        assert_eq!(pool.over(&NamingPart::complete([&server].into_iter()).unwrap()), expected);
        assert_eq!(NamingPart::complete([&pool].into_iter()), None);
        let around = NamingPart::complete([&server].into_iter());
        let none = || [].into_iter();
        let narrow = |around| NamingPart::narrow([&pool].into_iter(), around, none()).map(Cow::into_owned);
        assert_eq!((narrow(around.as_ref()), narrow(None)), (Some(expected), None));
        let same = NamingPart::narrow(none(), around.as_ref(), none());
        assert!(matches!(same, Some(Cow::Borrowed(_))), "nothing is copied where nothing narrower speaks");
        assert!(NamingPart::default().is_empty() && !pool.is_empty());
    }
}
