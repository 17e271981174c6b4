//! Which upstreams a name is asked of: those of the longest domain that holds it, else the general ones.

use std::collections::HashMap;

use dns::Fqdn;

/// Domains and the numbers of what they lead to.
#[derive(Clone, Debug, Default)]
pub struct Routes {
    domains: HashMap<Box<[u8]>, usize>,
}

impl Routes {
    /// Each domain with the number of its upstreams. Of a domain that comes twice, the first counts.
    #[must_use]
    pub fn new<'d>(domains: impl IntoIterator<Item = (&'d Fqdn, usize)>) -> Self {
        let mut routes = Self::default();
        for (domain, route) in domains {
            routes.domains.entry(domain.as_wire().into()).or_insert(route);
        }
        routes
    }

    /// The number for a name (wire form, lower case), and how many octets the domain has that decides it; none: the
    /// general upstreams.
    #[must_use]
    pub fn of(&self, name: &[u8]) -> Option<(usize, usize)> {
        if self.domains.is_empty() {
            return None;
        }
        suffixes(name).find_map(|suffix| Some((*self.domains.get(suffix)?, suffix.len())))
    }
}

/// A name and all names above it, the root last; each in wire form.
pub fn suffixes(name: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::successors(Some(name), |rest| match rest.first() {
        None | Some(0) => None,
        Some(length) => rest.get(usize::from(*length) + 1..),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn the_longest_domain_decides() {
        let domains: Vec<Fqdn> =
            ["corp.example", "lab.corp.example", "10.in-addr.arpa"].iter().map(|text| text.parse().unwrap()).collect();
        let routes = Routes::new(domains.iter().zip(1..));
        let of = |text: &str| routes.of(text.parse::<Fqdn>().unwrap().as_wire()).map(|(route, _)| route);
        assert_eq!(of("host.corp.example"), Some(1));
        assert_eq!(of("corp.example"), Some(1));
        assert_eq!(of("a.lab.corp.example"), Some(2));
        assert_eq!(of("4.3.2.10.in-addr.arpa"), Some(3));
        // A label's end is not a label.
        assert_eq!(of("xcorp.example"), None);
        assert_eq!(of("example"), None);
    }
}
