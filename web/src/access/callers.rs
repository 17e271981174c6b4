//! Who makes a request: by a token, by the cookie of a session, or from this machine.

use axum::http::{HeaderMap, Method, header};

use super::sessions::{Key, key_of};
use super::{Access, Actor, Incident, Peer, Role, locked, token_hash};
use crate::ask::Refusal;
use crate::guard::is_own_name;

/// The header that says that a change is meant by the page that has the session, and not by another one.
pub(crate) const CSRF_HEADER: &str = "x-csrf-token";
/// What proxies add: who comes by one is not on this machine, whatever the connection says.
const MARKS_OF_PROXIES: [&str; 4] = ["forwarded", "x-forwarded-for", "x-real-ip", "via"];

/// How somebody is known.
#[derive(Clone, Debug)]
pub(crate) enum Way {
    /// Not at all.
    Nobody,
    /// By being on this machine.
    Local,
    /// By a cookie.
    Session { key: Key, csrf: String },
    /// By a header that no browser sends by itself.
    Token { hash: [u8; 32] },
}

/// Who makes a request.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) way: Way,
    /// `None`: nobody that is known.
    pub(crate) actor: Option<Actor>,
    pub(crate) role: Option<Role>,
    pub(crate) peer: Peer,
}

/// The cookie of a session. Cookies know no ports, so that two daemons on one machine would take each other's: without TLS
/// the port is in the name. With TLS the name's prefix has browsers see to it that no other host has set it.
pub(crate) fn cookie_name(peer: &Peer) -> String {
    match peer.tls {
        true => "__Host-leasehold".to_owned(),
        false => format!("leasehold-{}", peer.local.port()),
    }
}

impl Access {
    /// Finds out who asks.
    ///
    /// # Errors
    /// A token that is wrong: it is not taken for nobody, since whoever sent it believes to be somebody.
    pub(crate) fn identify(&self, method: &Method, headers: &HeaderMap, peer: Peer) -> Result<Caller, Refusal> {
        let nobody = Caller { way: Way::Nobody, actor: None, role: None, peer };
        if let Some(authorization) = headers.get(header::AUTHORIZATION) {
            return self.by_token(authorization.to_str().unwrap_or_default(), nobody);
        }
        if let Some(caller) = self.by_cookie(headers, &nobody) {
            return Ok(caller);
        }
        Ok(self.by_place(method, headers, &nobody).unwrap_or(nobody))
    }

    fn by_token(&self, authorization: &str, nobody: Caller) -> Result<Caller, Refusal> {
        let address = nobody.peer.remote.ip().to_canonical();
        let elapsed = self.surroundings().elapsed();
        // Only wrong ones wait: others at the same address must not be able to keep a right one out. Nobody guesses 256
        // bits meanwhile.
        let wrong = |why: &str, told: &str| {
            let mut guesses = locked(&self.inner.token_guesses);
            if let Err(held) = guesses.check(address, elapsed) {
                if held.is_new {
                    self.surroundings().tell(&Incident::HeldOff { address, wait: held.wait });
                }
                return Err(Refusal::Wait(held.wait));
            }
            guesses.wrong(address, elapsed);
            drop(guesses);
            self.surroundings().tell(&Incident::WrongToken { why: why.to_owned(), address });
            Err(Refusal::Unknown(told.to_owned()))
        };
        let (scheme, text) = authorization.split_once(' ').unwrap_or((authorization, ""));
        if !scheme.eq_ignore_ascii_case("bearer") {
            return wrong(
                "no bearer token",
                "scripts come with `Authorization: Bearer TOKEN`; people sign in on the page",
            );
        }
        let hash = token_hash(text.trim());
        let accounts = self.accounts();
        let Some(token) = accounts.token(&hash) else {
            return wrong("none of ours", "this token is none of this server's");
        };
        let name = token.name.clone();
        if !token.is_valid_at(self.surroundings().wall_secs()) {
            return wrong(&format!("token {name} is over"), "this token is over; `leasehold web token` makes another");
        }
        if !token.is_allowed_from(address) {
            return wrong(
                &format!("token {name} may not be used from there"),
                "this token may not be used from your address (`addresses` in its [[web.token]])",
            );
        }
        Ok(Caller {
            way: Way::Token { hash },
            actor: Some(Actor::Token { name, address }),
            role: Some(token.role),
            ..nobody
        })
    }

    fn by_cookie(&self, headers: &HeaderMap, nobody: &Caller) -> Option<Caller> {
        let wanted = cookie_name(&nobody.peer);
        let cookies = headers.get_all(header::COOKIE).iter().filter_map(|cookies| cookies.to_str().ok());
        let pairs = cookies.flat_map(|cookies| cookies.split(';')).filter_map(|pair| pair.trim().split_once('='));
        let accounts = self.accounts();
        for (_, text) in pairs.filter(|(name, _)| *name == wanted) {
            let key = key_of(text);
            let found = locked(&self.inner.sessions).use_one(&key, self.surroundings().elapsed(), &accounts);
            let Some((name, csrf)) = found else { continue };
            let Some(user) = accounts.user(&name) else { continue };
            let address = nobody.peer.remote.ip().to_canonical();
            let actor = Some(Actor::User { name, address });
            return Some(Caller { way: Way::Session { key, csrf }, actor, role: Some(user.role), ..nobody.clone() });
        }
        None
    }

    /// Who is on this machine. A browser here could be led by another site's DNS to ask under that site's name (DNS
    /// rebinding): only names of loopback's own will do. What comes by a proxy comes from elsewhere.
    fn by_place(&self, method: &Method, headers: &HeaderMap, nobody: &Caller) -> Option<Caller> {
        let role = self.accounts().loopback_role?;
        let is_here = nobody.peer.remote.ip().to_canonical().is_loopback();
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
        let is_change = !method.is_safe();
        let is_direct = MARKS_OF_PROXIES.iter().all(|mark| !headers.contains_key(*mark));
        if !is_here || !is_direct || !host.is_some_and(is_own_name) {
            return None;
        }
        // Looking for the user costs a walk through all connections, and reading is not written down.
        let uid = if is_change { self.surroundings().uid_of(&nobody.peer) } else { None };
        Some(Caller { way: Way::Local, actor: Some(Actor::Local { uid }), role: Some(role), ..nobody.clone() })
    }
}

impl Caller {
    /// Who asks, for the audit log.
    ///
    /// # Errors
    /// That is not known.
    pub(crate) fn known(self) -> Result<Actor, Refusal> {
        self.actor.ok_or_else(|| Refusal::Unknown("it is not known who asks".to_owned()))
    }

    /// Whether a request that changes something is meant by whoever is known by it.
    ///
    /// # Errors
    /// A browser makes it for another site's page, or does not say for whom, or it lacks the session's word.
    pub(crate) fn check_change(&self, method: &Method, headers: &HeaderMap) -> Result<(), Refusal> {
        // No browser sends a token by itself.
        if method.is_safe() || matches!(self.way, Way::Token { .. }) {
            return Ok(());
        }
        let says = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
        let site = says("sec-fetch-site");
        let origin = says("origin").map(|origin| self.is_same_origin(origin, says("host").unwrap_or_default()));
        if site.is_some_and(|site| site != "same-origin") || origin == Some(false) {
            return Err(Refusal::Forbidden("a page of another site asks; only this server's own page may".to_owned()));
        }
        let Way::Session { csrf, .. } = &self.way else { return Ok(()) };
        if site.is_none() && origin.is_none() {
            return Err(Refusal::Forbidden(
                "whoever signs in by cookie has to say which page asks (`Origin`); scripts come with a token"
                    .to_owned(),
            ));
        }
        match says(CSRF_HEADER) {
            Some(sent) if sent == csrf => Ok(()),
            _ => Err(Refusal::Forbidden(format!(
                "the header {CSRF_HEADER} is not this session's; `GET /api/v1/me` tells it"
            ))),
        }
    }

    /// Without TLS of ours there may be a proxy's before us, so that the scheme says nothing then.
    fn is_same_origin(&self, origin: &str, host: &str) -> bool {
        match origin.split_once("://") {
            Some(("https", authority)) => authority.eq_ignore_ascii_case(host),
            Some(("http", authority)) => !self.peer.tls && authority.eq_ignore_ascii_case(host),
            _ => false,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
mod tests {
    use super::*;

    fn caller(way: Way, tls: bool) -> Caller {
        let peer = Peer { remote: "127.0.0.1:9".parse().unwrap(), local: "127.0.0.1:8067".parse().unwrap(), tls };
        Caller { way, actor: None, role: None, peer }
    }

    fn judged(caller: &Caller, headers: &[(&'static str, &'static str)]) -> bool {
        let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        caller.check_change(&Method::PUT, &headers).is_ok()
    }

    #[test]
    fn a_change_by_cookie_needs_origin_and_word_one_by_token_neither() {
        let session = caller(Way::Session { key: [0; 32], csrf: "word".into() }, true);
        let (host, word) = (("host", "dhcp.lan:8067"), (CSRF_HEADER, "word"));
        let own = ("origin", "https://dhcp.lan:8067");
        assert!(judged(&session, &[host, own, word]));
        assert!(judged(&session, &[host, ("sec-fetch-site", "same-origin"), word]));
        for headers in [
            vec![host, word],
            vec![host, own],
            vec![host, own, (CSRF_HEADER, "other")],
            vec![host, own, (CSRF_HEADER, "")],
            vec![host, ("origin", "https://dhcp.lan"), word],
            vec![host, ("origin", "http://dhcp.lan:8067"), word],
            vec![host, ("origin", "null"), word],
            vec![host, own, ("sec-fetch-site", "same-site"), word],
            vec![host, own, ("sec-fetch-site", "none"), word],
        ] {
            assert!(!judged(&session, &headers), "{headers:?}");
        }
        assert!(judged(&caller(Way::Token { hash: [0; 32] }, true), &[host, ("origin", "https://elsewhere")]));
    }

    #[test]
    fn a_change_from_this_machine_is_refused_to_pages_of_others() {
        let local = caller(Way::Local, false);
        let host = ("host", "localhost:8067");
        assert!(judged(&local, &[host]), "curl");
        assert!(judged(&local, &[host, ("origin", "http://localhost:8067"), ("sec-fetch-site", "same-origin")]));
        for headers in [
            [host, ("origin", "http://localhost:3000")],
            [host, ("origin", "http://evil.example")],
            [host, ("sec-fetch-site", "cross-site")],
        ] {
            assert!(!judged(&local, &headers), "{headers:?}");
        }
    }
}
