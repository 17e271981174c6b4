//! RFC 2136: who may send an update at all, and the way of it to whoever writes the zones.
//!
//! A right is asked for before the update waits for anything: its zone must be one that the sender sees, the sender must be
//! where updates of it are taken from, and sign as somebody who may change something there. What exactly may be changed is
//! judged with the change itself, record by record.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use dns::wire::update_from_sections;
use dns::{Fqdn, Rcode, Update};
use hickory_server::net::xfer::Protocol;
use hickory_server::server::Request;
use tokio::sync::{mpsc, oneshot};
use zones::{AccessList, Requestor, UpdatePolicy, Zone, ZoneSet};

use crate::quiet::Quiet;

/// How long a client is kept waiting for the store; then it hears SERVFAIL, though the change may still be made.
const PATIENCE: Duration = Duration::from_secs(10);

/// Who may update one zone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UpdateRights {
    /// Who may change what.
    pub policy: UpdatePolicy,
    /// From where.
    pub from: AccessList,
    /// Whoever holds a lease may keep its own A record by itself.
    pub self_by_lease: bool,
}

/// By which right an update is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum By {
    /// By a signature.
    Signature(Requestor),
    /// By the address that it came from over a connection, whose lease is still to be looked for.
    Lease(IpAddr),
}

/// An update from the network, for whoever writes the zones.
#[derive(Debug)]
pub struct UpdateRequest {
    /// What is asked for.
    pub update: Update,
    /// By which right.
    pub by: By,
    /// The rights in its zone.
    pub rights: Arc<UpdateRights>,
    /// Takes the answer, once whatever it rests on is stored. Dropping it answers SERVFAIL.
    pub answer: oneshot::Sender<Rcode>,
}

/// Where updates from the network go: a bounded queue to the one writer of the zones.
#[derive(Clone, Debug)]
pub struct ZoneWriter(mpsc::Sender<UpdateRequest>);

/// A writer's two ends. Beyond `depth` waiting updates the answer is SERVFAIL at once, and the client tries again.
#[must_use]
pub fn zone_writer(depth: usize) -> (ZoneWriter, mpsc::Receiver<UpdateRequest>) {
    let (sender, receiver) = mpsc::channel(depth.max(1));
    (ZoneWriter(sender), receiver)
}

impl ZoneWriter {
    /// Hands an update over and waits for its answer.
    pub async fn update(&self, update: Update, by: By, rights: Arc<UpdateRights>) -> Rcode {
        let (answer, answered) = oneshot::channel();
        if self.0.try_send(UpdateRequest { update, by, rights, answer }).is_err() {
            return Rcode::SERV_FAIL;
        }
        match tokio::time::timeout(PATIENCE, answered).await {
            Ok(Ok(rcode)) => rcode,
            Ok(Err(_)) | Err(_) => Rcode::SERV_FAIL,
        }
    }
}

/// The code to answer an UPDATE request with. `zones` are those that the sender sees; `signed_by` is whose signature was
/// verified.
pub(super) async fn handle(
    request: &Request,
    zones: &ZoneSet,
    signed_by: Option<Requestor>,
    rights: &HashMap<Fqdn, Arc<UpdateRights>>,
    (writer, refused): (&ZoneWriter, &Quiet),
) -> Rcode {
    let sections = request.queries.queries().iter().map(|zone| {
        let original = zone.original();
        (original.name(), original.query_type(), original.query_class())
    });
    let mut update = match update_from_sections(sections, &request.answers, &request.authorities) {
        Ok(update) => update,
        Err(rcode) => return rcode,
    };
    // RFC 2136 section 3.1.2: a zone that the server does not have is NOTAUTH, whoever asks.
    let Some(id) = zones.get(&update.zone).map(Zone::id) else { return Rcode::NOT_AUTH };
    let Some(rights) = rights.get(id) else { return Rcode::NOT_AUTH };
    // Of several zones with this apex the one that the sender sees.
    update.zone.clone_from(id);
    let source = request.src().ip().to_canonical();
    let over_connection = request.protocol() != Protocol::Udp;
    let by = match right(rights, source, over_connection, signed_by) {
        Ok(by) => by,
        // Section 3.3: without permission, REFUSED. Every Windows client tries, and anybody can.
        Err(why) => {
            if let Some(kept_back) = refused.may_tell() {
                let zone = &update.zone;
                tracing::info!("a DNS update of zone {zone} by {source} was refused: {why}{kept_back}");
            }
            return Rcode::REFUSED;
        }
    };
    let shown = format!("{by:?}");
    let rcode = writer.update(update, by, Arc::clone(rights)).await;
    tracing::debug!(%source, by = shown, %rcode, "DNS update");
    rcode
}

/// By which right something may be asked for, or why nothing may.
fn right(
    rights: &UpdateRights,
    source: IpAddr,
    over_connection: bool,
    signed_by: Option<Requestor>,
) -> Result<By, String> {
    if !rights.from.allows(source, signed_by.as_ref().and_then(Requestor::key)) {
        return Err("updates are not taken from there (`allow_update` and `deny_update`)".to_owned());
    }
    match signed_by {
        Some(requestor) if rights.policy.knows(&requestor) => Ok(By::Signature(requestor)),
        Some(requestor) => {
            Err(format!("{requestor} may change nothing in it (`update_keys`, and `grant` in [[zone.update]])"))
        }
        // An address that anybody can write into a datagram proves nothing.
        None if rights.self_by_lease && over_connection => Ok(By::Lease(source)),
        None if rights.self_by_lease => {
            Err("it is not signed; the holder of a lease may keep its own A record over TCP".to_owned())
        }
        None => Err("it is not signed; updates are signed with a configured key".to_owned()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use zones::Askers;
    use zones::audience::Prefix;

    use super::*;

    fn rights(self_by_lease: bool) -> UpdateRights {
        let policy = UpdatePolicy { keys: vec!["admin".parse().unwrap()], ..UpdatePolicy::default() };
        let office = Prefix { address: "192.168.30.0".parse().unwrap(), length: 24 };
        let allow = Some(Askers { prefixes: vec![office], keys: vec![] });
        UpdateRights { policy, from: AccessList { allow, deny: Askers::default() }, self_by_lease }
    }

    fn by(rights: &UpdateRights, source: &str, tcp: bool, key: Option<&str>) -> Result<By, String> {
        let signed_by = key.map(|text| Requestor::Key(text.parse().unwrap()));
        right(rights, source.parse().unwrap(), tcp, signed_by)
    }

    #[test]
    fn an_update_needs_a_signature_that_has_a_right_and_a_place_that_has_one() {
        let rights = rights(false);
        let admin = || By::Signature(Requestor::Key("admin".parse().unwrap()));
        assert_eq!(by(&rights, "192.168.30.7", false, Some("admin")), Ok(admin()));
        assert!(by(&rights, "192.168.31.7", false, Some("admin")).unwrap_err().contains("not taken from there"));
        assert!(
            by(&rights, "192.168.30.7", false, Some("other"))
                .unwrap_err()
                .contains("the key other. may change nothing")
        );
        assert!(by(&rights, "192.168.30.7", true, None).unwrap_err().contains("it is not signed"));
    }

    #[test]
    fn a_principal_is_not_the_holder_of_a_key_that_a_list_names() {
        let allow = Some(Askers { prefixes: vec![], keys: vec!["admin".parse().unwrap()] });
        let names = zones::policy::Names::default();
        let who = vec![zones::policy::Who::Anybody];
        let rules = vec![zones::policy::Rule { grants: true, who, names, types: None }];
        let policy = UpdatePolicy { rules, ..UpdatePolicy::default() };
        let rights = UpdateRights { policy, from: AccessList { allow, ..AccessList::default() }, self_by_lease: false };
        let right = |requestor| right(&rights, "192.168.30.7".parse().unwrap(), true, Some(requestor));
        assert!(right(Requestor::Key("admin".parse().unwrap())).is_ok());
        for principal in ["admin", "admin.", "host/admin@REALM"] {
            let refused = right(Requestor::Principal(principal.to_owned())).unwrap_err();
            assert!(refused.contains("not taken from there"), "{principal}: {refused}");
        }
    }

    #[test]
    fn a_lease_is_a_right_over_a_connection_alone_and_where_that_is_configured() {
        let rights = rights(true);
        assert_eq!(by(&rights, "192.168.30.7", true, None), Ok(By::Lease("192.168.30.7".parse().unwrap())));
        assert!(by(&rights, "192.168.30.7", false, None).unwrap_err().contains("over TCP"));
        assert!(by(&rights, "192.168.31.7", true, None).unwrap_err().contains("not taken from there"));
        // A signature does not fall back to the lease.
        assert!(by(&rights, "192.168.30.7", true, Some("other")).unwrap_err().contains("may change nothing"));
    }
}
