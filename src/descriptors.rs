//! How many files and sockets this process may have open.

use rustix::process::{Resource, getrlimit, setrlimit};

/// What is assumed where there is no limit at all.
const UNLIMITED: usize = 1 << 20;

/// Raises the limit as far as is allowed without privileges: the soft one, 1,024 mostly, is there for programs that use
/// select(), and sockets of clients and upstreams together can come to more. Whoever cannot has what there is.
pub fn raise_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(%error, "the limit of open files cannot be raised");
    }
}

/// The limit as it is now.
#[must_use]
pub fn limit() -> usize {
    let current = getrlimit(Resource::Nofile).current;
    current.map_or(UNLIMITED, |current| usize::try_from(current).unwrap_or(UNLIMITED))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn the_soft_limit_is_raised_to_the_hard_one() {
        let before = getrlimit(Resource::Nofile);
        let lower = before.maximum.map_or(UNLIMITED as u64, |maximum| maximum - 1);
        setrlimit(Resource::Nofile, rustix::process::Rlimit { current: Some(lower), maximum: before.maximum }).unwrap();
        assert_eq!(limit() as u64, lower);
        raise_limit();
        assert_eq!(getrlimit(Resource::Nofile).current, before.maximum);
    }
}
