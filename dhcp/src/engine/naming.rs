//! Which rules of names hold for one client, and which name is reserved for it: the one place that decides it, in the
//! order in which every other scope wins ([`super::layers::Level`]).

use std::borrow::Cow;
use std::net::Ipv4Addr;

use dns::{HostIdentity, Naming, NamingPart};

use super::client::Client;
use super::plan::Plan;
use crate::class::ClassId;
use crate::settings::{AfterExpiry, ReservedRecords};

/// What a client's name is made by.
#[derive(Debug, Default)]
pub(super) struct Rules<'a> {
    /// `None`: nobody says which domain its name would be in.
    pub(super) naming: Option<Cow<'a, Naming>>,
    /// The host name of its reservation.
    pub(super) reserved: Option<&'a str>,
    /// Who the host of its reservation is, whichever of its clients this is.
    pub(super) host: Option<HostIdentity>,
}

impl<'a> Rules<'a> {
    /// Those of a client that has `address` in the subnet `place`, or is to have it.
    pub(super) fn of(
        plan: &'a Plan,
        place: usize,
        client: Client<'_>,
        classes: impl Iterator<Item = ClassId>,
        address: Ipv4Addr,
    ) -> Self {
        let found = plan.reservation_with_place(place, client);
        let host = found.and_then(|(_, reservation)| reservation.identity());
        if let Some((home, reservation)) = found
            && let Some(hostname) = &reservation.hostname
        {
            let naming = plan.settings.reserved_naming(plan.subnet(home), reservation);
            return Self { naming, reserved: Some(hostname), host };
        }
        let own = found.and_then(|(_, reservation)| reservation.scope.naming.as_deref());
        let pool = plan.ground(place).pool(address);
        if own.is_none() && !plan.has_naming_classes() {
            return Self {
                naming: plan.ground(place).naming(plan.subnet(place), pool).map(Cow::Borrowed),
                reserved: None,
                host,
            };
        }
        let of_classes =
            classes.filter_map(|id| plan.settings.classes.get(id).and_then(|class| class.scope.naming.as_deref()));
        let narrower: Vec<&NamingPart> = own.into_iter().chain(of_classes).collect();
        let around = plan.ground(place).naming(plan.subnet(place), pool);
        let naming = match around {
            Some(around) => NamingPart::narrow(narrower.into_iter(), Some(around), [].into_iter()),
            None => {
                let pool = pool.and_then(|pool| plan.subnet(place).pools.get(pool));
                let narrower = narrower.into_iter().chain(pool.and_then(|pool| pool.scope.naming.as_deref()));
                plan.settings.naming(plan.subnet(place), narrower.collect::<Vec<_>>().into_iter())
            }
        };
        Self { naming, reserved: None, host }
    }
}

/// What becomes of a name when its lease has expired, whoever had it: classes do not count, for who is of which is not
/// known any more. An address in no subnet of the settings keeps no name, and one whose reservation has a name by itself
/// keeps no other.
pub(super) fn after_expiry(plan: &Plan, address: Ipv4Addr) -> AfterExpiry {
    let Some(place) = plan.holding(address) else { return AfterExpiry::AtOnce };
    let subnet = plan.subnet(place);
    let reservation = plan.reservation_of(place, address);
    let naming = match reservation {
        Some(reservation) => plan.settings.reserved_naming(subnet, reservation),
        None => {
            let ground = plan.ground(place);
            ground.naming(subnet, ground.pool(address)).map(Cow::Borrowed)
        }
    };
    let named = reservation.is_some_and(|reservation| reservation.hostname.is_some());
    match naming {
        None => AfterExpiry::AtOnce,
        Some(naming) if named && naming.reserved == ReservedRecords::WhileConfigured => AfterExpiry::AtOnce,
        Some(naming) => naming.after_expiry,
    }
}

/// Classes that say something of names.
pub(super) fn naming_classes(plan: &Plan) -> impl Iterator<Item = ClassId> {
    plan.settings.classes.iter().filter(|(_, class)| class.scope.naming.is_some()).map(|(id, _)| id)
}
