//! The secrets of DNS cookies: made at the start, rolled each day, or given by the configuration to several servers that
//! share an address (RFC 9018 section 5).

use std::fs::File;
use std::io::{self, Read as _};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwapOption;
use zones::cookie::{Cookies, Secret, Secrets};

/// How long a secret is given out. Cookies live for an hour, and the one before is taken for as long as this one.
const ROLLED_AFTER: Duration = Duration::from_secs(24 * 3600);

/// Whether and how cookies are answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum CookieMode {
    /// Who sends one gets one.
    #[default]
    Offered,
    /// And who then does not show ours, by a datagram, gets nothing else.
    Required,
    /// They are ignored.
    Off,
}

/// The secrets in force.
pub(super) struct CookieKeeper {
    secrets: ArcSwapOption<Secrets>,
    required: bool,
}

impl CookieKeeper {
    pub(super) fn new(mode: CookieMode) -> Arc<Self> {
        let keeper = Self { secrets: ArcSwapOption::empty(), required: mode == CookieMode::Required };
        if mode != CookieMode::Off {
            keeper.roll();
        }
        Arc::new(keeper)
    }

    /// Makes a new secret; that in force is still taken.
    fn roll(&self) {
        match random_secret() {
            Ok(current) => {
                let other = self.secrets.load().as_ref().map(|secrets| secrets.current);
                self.secrets.store(Some(Arc::new(Secrets { current, other })));
            }
            // Without a secret that nobody knows, no cookies.
            Err(error) => tracing::error!(%error, "no new secret for DNS cookies can be had"),
        }
    }

    /// Rolls the secret as long as it runs.
    pub(super) async fn keep(self: Arc<Self>) {
        if self.secrets.load().is_none() {
            return;
        }
        loop {
            tokio::time::sleep(ROLLED_AFTER).await;
            self.roll();
        }
    }

    /// Calls `with` with what cookies are answered by now.
    pub(super) fn with<T>(&self, with: impl FnOnce(Option<Cookies<'_>>) -> T) -> T {
        let secrets = self.secrets.load();
        let cookies = secrets.as_ref().map(|secrets| {
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            // RFC 9018 section 4.3: the low 32 bits.
            Cookies { secrets, now: now.as_secs() as u32, required: self.required }
        });
        with(cookies)
    }
}

fn random_secret() -> io::Result<Secret> {
    let mut octets = [0; 16];
    File::open("/dev/urandom")?.read_exact(&mut octets)?;
    Ok(Secret(octets))
}

#[cfg(test)]
mod tests {
    use zones::cookie::Presented;

    use super::*;

    #[test]
    fn a_rolled_secret_leaves_the_cookies_of_the_one_before_good() {
        let keeper = CookieKeeper::new(CookieMode::Offered);
        let source = [198, 51, 100, 1].into();
        let ask = |presented: &[u8]| {
            keeper.with(|cookies| Presented::read(presented).ok().zip(cookies).map(|(it, by)| it.answer(by, source)))
        };
        let Some(given) = ask(&[7; 8]) else { panic!("cookies are offered") };
        keeper.roll();
        let renewed = ask(&given.octets);
        assert!(renewed.is_some_and(|renewed| renewed.good && renewed.octets != given.octets));
        keeper.roll();
        assert!(ask(&given.octets).is_some_and(|answered| !answered.good));
    }

    #[test]
    fn there_are_no_secrets_where_cookies_are_off() {
        assert!(CookieKeeper::new(CookieMode::Off).with(|cookies| cookies.is_none()));
        assert!(
            CookieKeeper::new(CookieMode::Required).with(|cookies| cookies.is_some_and(|cookies| cookies.required))
        );
    }
}
