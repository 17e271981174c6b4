//! The secrets of DNS cookies: made at the start, rolled each day, or given by the configuration to several servers that
//! share an address (RFC 9018 section 5).

use std::fs::File;
use std::io::{self, Read as _};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwapOption;
use zones::cookie::{Cookies, OCTETS, OPTION, Presented, Secret, Secrets};

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

/// What is answered to the cookie of a plain question; by default that there was none.
#[derive(Clone, Copy, Default)]
pub(super) struct CookieAnswer {
    option: Option<[u8; 4 + OCTETS]>,
    /// The asker has shown that its address is its own.
    pub(super) good: bool,
}

impl CookieAnswer {
    /// The EDNS option, encoded; nothing where there is none.
    pub(super) fn option(&self) -> &[u8] {
        self.option.as_ref().map_or(&[], |option| option)
    }
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

    /// What is answered to the cookie that a plain question of `source` shows, if it shows any; `stream`: by a connection.
    /// None: it is malformed, or one of ours is required first; then the general way answers.
    pub(super) fn answer_to(&self, shown: Option<&[u8]>, source: IpAddr, stream: bool) -> Option<CookieAnswer> {
        let Some(shown) = shown else { return Some(CookieAnswer::default()) };
        self.with(|cookies| {
            let Some(cookies) = cookies else { return Some(CookieAnswer::default()) };
            let answered = Presented::read(shown).ok()?.answer(cookies, source);
            let mut option = [0; 4 + OCTETS];
            option[..2].copy_from_slice(&OPTION.to_be_bytes());
            option[2..4].copy_from_slice(&(OCTETS as u16).to_be_bytes());
            option[4..].copy_from_slice(&answered.octets);
            let may = answered.good || stream || !cookies.required;
            may.then_some(CookieAnswer { option: Some(option), good: answered.good })
        })
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
    fn a_plain_question_gets_a_cookie_for_a_cookie_and_one_that_is_required_goes_another_way() {
        let source = [198, 51, 100, 1].into();
        let offered = CookieKeeper::new(CookieMode::Offered);
        let Some(first) = offered.answer_to(Some(&[7; 8]), source, false) else { panic!("cookies are offered") };
        assert!(!first.good && first.option()[..4] == [0, 10, 0, 24] && first.option()[4..12] == [7; 8]);
        assert!(offered.answer_to(Some(&first.option()[4..]), source, false).is_some_and(|again| again.good));
        assert!(offered.answer_to(None, source, false).is_some_and(|none| none.option().is_empty()));
        assert!(offered.answer_to(Some(&[7; 9]), source, false).is_none(), "malformed");
        let off = CookieKeeper::new(CookieMode::Off);
        assert!(off.answer_to(Some(&[7; 9]), source, false).is_some_and(|none| none.option().is_empty()));
        let required = CookieKeeper::new(CookieMode::Required);
        assert!(required.answer_to(Some(&[7; 8]), source, false).is_none());
        assert!(required.answer_to(Some(&[7; 8]), source, true).is_some(), "a connection shows as much");
        assert!(required.answer_to(None, source, false).is_some(), "who knows no cookies is answered");
    }

    #[test]
    fn there_are_no_secrets_where_cookies_are_off() {
        assert!(CookieKeeper::new(CookieMode::Off).with(|cookies| cookies.is_none()));
        assert!(
            CookieKeeper::new(CookieMode::Required).with(|cookies| cookies.is_some_and(|cookies| cookies.required))
        );
    }
}
