//! Other settings while it serves: sockets that both have stay, with what waits in them.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use dns::{Fqdn, TsigKey};
use ipnet::IpNet;
use resolve::Upstream;
use zones::Askers;

use super::forward::{Forwarder, Forwarding};
use super::handler::{Handler, Parts};
use super::sockets::{self, Bound};
use super::{
    BindError, CopyRights, DnsServerHandle, Protection, TransferSettings, UpdateRights, ZoneWriter, acceptor, cookies,
    rate, transfer,
};

/// What of a server's settings can change while it serves; see [`super::DnsServerSettings`].
pub struct Changed {
    /// Whose signatures are known.
    pub keys: Vec<Arc<TsigKey>>,
    /// Who may transfer which zone.
    pub transfers: TransferSettings,
    /// Who may update a zone, by its apex.
    pub rights: HashMap<Fqdn, Arc<UpdateRights>>,
    /// Who may say what of the zones that are copies of other servers', by apex.
    pub copies: HashMap<Fqdn, Vec<CopyRights>>,
    /// The keys of our services in a Kerberos realm.
    pub gss_keytab: Option<PathBuf>,
    /// For whom names outside our zones are forwarded.
    pub forward_for: Vec<IpNet>,
    /// Who of those may not ask for them.
    pub forward_not_for: Askers,
    /// Where to.
    pub upstreams: Vec<Upstream>,
    /// How; `None`: as before, with all that is remembered.
    pub forwarding: Option<Forwarding>,
    /// Limits, but for those of connections.
    pub protection: Protection,
}

/// Sockets that are open and not served yet.
pub struct PreparedSockets(Vec<Bound>);

impl DnsServerHandle {
    /// Opens sockets for the addresses that are not listened on yet.
    ///
    /// # Errors
    /// [`BindError`] for the first that cannot be had; the server is as it was.
    pub fn prepare(&self, listen: &[SocketAddr]) -> Result<PreparedSockets, BindError> {
        let _within = self.runtime.enter();
        let fresh = listen.iter().filter(|address| !self.local_addrs.contains(address));
        fresh.map(|address| sockets::bind(*address)).collect::<Result<_, _>>().map(PreparedSockets)
    }

    /// Where updates from the network go.
    #[must_use]
    pub fn writer(&self) -> ZoneWriter {
        self.handler.load().parts().writer.clone()
    }

    /// Answers by other settings from now on: on what was prepared too, and on nothing but `listen`. Who has been heard on
    /// another address is answered yet.
    pub fn reconfigure(&mut self, changed: Changed, prepared: PreparedSockets, listen: &[SocketAddr]) {
        let runtime = self.runtime.clone();
        let _within = runtime.enter();
        if let Some(forwarding) = changed.forwarding {
            self.forwarding = forwarding;
            let forwarder = Forwarder::new(&changed.upstreams, &self.forwarding, &self.forward_counts);
            self.forwarder.store(forwarder.map(Arc::new));
        }
        let before = self.handler.load_full();
        let Protection { cookies: mode, mut answers, askers, .. } = changed.protection;
        answers.exempt.extend(&changed.forward_for);
        if mode != self.cookies.0 {
            self.cookies = (mode, cookies::CookieKeeper::new(mode));
            self.serving.spawn(Arc::clone(&self.cookies.1).keep());
        }
        // Contexts that clients have negotiated stay good while the keytab is the same.
        let acceptor = if changed.gss_keytab == self.keytab {
            before.parts().acceptor.clone()
        } else {
            changed.gss_keytab.as_deref().and_then(acceptor)
        };
        self.keytab = changed.gss_keytab;
        let handler: Handler = before.with(Parts {
            snapshot: Arc::clone(&before.parts().snapshot),
            writer: before.parts().writer.clone(),
            keys: changed.keys,
            transfers: transfer::Transfers::new(changed.transfers),
            rights: changed.rights,
            copies: changed.copies,
            notices: Arc::clone(&before.parts().notices),
            acceptor,
            forward_for: changed.forward_for,
            forward_not_for: changed.forward_not_for,
            forwarder: Arc::clone(&self.forwarder),
            cookies: Arc::clone(&self.cookies.1),
            limiter: rate::RateLimiter::new(answers),
            askers: rate::RateLimiter::new(askers),
            counts: Arc::clone(&before.parts().counts),
            started: before.parts().started,
        });
        self.handler.store(Arc::new(handler));
        for pair in prepared.0 {
            self.serve(pair);
        }
        self.keep_to(listen);
    }

    /// Ends what listens elsewhere.
    fn keep_to(&mut self, listen: &[SocketAddr]) {
        self.local_addrs.retain(|address| listen.contains(address));
        self.closers.retain(|address, closer| {
            let keep = listen.contains(address);
            if !keep {
                let _ = closer.send(true);
                tracing::info!("DNS is served on {address} no more");
            }
            keep
        });
    }
}
