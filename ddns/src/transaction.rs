//! One key's change as a state machine: what may be left of former content is removed, then what is wanted is written.
//!
//! Sans-IO: [`Transaction::start`] and [`Transaction::next`] say what to send; the answer's RCODE goes back in. A
//! transaction without an answer is dropped and started afresh later: each of its steps is safe to repeat, also where
//! the lost answer said "done". In brackets the RFC 4703 section; `else` is any RCODE that no other arrow names.
//!
//! ```text
//!  start ──► for each former owner, if any:
//!
//!    forward  Withdraw [5.5, first] ──NOERROR──► WithdrawRest [5.5, second] ──NOERROR, NXRRSET, NXDOMAIN,──► next
//!                 │                                   │                       YXRRSET
//!                 ├──NXRRSET, NXDOMAIN──► next        └──else──► Refused
//!                 └──else──► Refused
//!
//!    reverse  WithdrawPointer [5.5] ──NOERROR, NXRRSET, NXDOMAIN──► next
//!                 └──else──► Refused
//!
//!  then, when nothing is wanted: Done
//!
//!    forward  Claim [5.3.1] ──NOERROR──► Done          Replace [5.3.2] ──NOERROR──► Done
//!     (first,     ├──YXDOMAIN──► Replace      (first, if      ├──NXRRSET──► Conflict
//!     if not held)└──else──► Refused             held)        ├──NXDOMAIN──► Claim (fourth time: Refused)
//!                                                             └──else──► Refused
//!
//!    reverse, guarded
//!             PointerClaim [5.4] ──NOERROR──► Done     PointerRefresh [5.4] ──NOERROR──► Done
//!     (first,     ├──YXRRSET──► PointerRefresh (first, if     ├──NXRRSET, NXDOMAIN──► PointerClaim
//!     if not held)└──else──► Refused              held)       │                       (third time: Conflict)
//!                                                             └──else──► Refused
//!
//!    reverse, rfc4703
//!             PointerSet [5.4] ──NOERROR──► Done
//!                 └──else──► Refused
//! ```

use std::net::IpAddr;

use dns::{Fqdn, Rcode, Update};
use faults::{Fault, planted};

use crate::builder;
use crate::settings::ReverseGuard;
use crate::wanted::{Held, RowKey, Want};

/// How often a name may vanish under our hands before its row waits for its next turn.
const CLAIMS_MAX: u8 = 3;
/// How often a pointer is claimed: its NXRRSET cannot tell "vanished" from "somebody else's".
const POINTER_CLAIMS_MAX: u8 = 2;

/// What a transaction is to bring about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The zone that the key's name lies in.
    pub zone: Fqdn,
    /// The key.
    pub key: RowKey,
    /// What DNS should hold in the end; `None`: nothing of ours.
    pub want: Option<Want>,
    /// What may be left of before and is not wanted.
    pub former: Vec<Held>,
    /// DNS was last seen to hold the wanted owner's record: the transaction begins with 5.3.2 (or 5.4's refresh).
    pub held: bool,
    /// How PTR records are guarded.
    pub guard: ReverseGuard,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Send this and come back with the answer's RCODE.
    Send(Update),
    /// The transaction is over.
    Finished(Ending),
}

/// How a transaction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// DNS holds what was wanted, and nothing of before.
    Done,
    /// Nothing of before is left, but the wanted name or address is somebody else's.
    Conflict,
    /// The server would not, or the name kept vanishing; what DNS holds is as before or partly as wanted.
    Refused(Rcode),
}

/// One key's change under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transaction {
    plan: Plan,
    state: State,
    claims: u8,
}

/// The update that was sent last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Withdraw(usize),
    WithdrawRest(usize),
    WithdrawPointer(usize),
    Claim,
    Replace,
    PointerClaim,
    PointerRefresh,
    PointerSet,
    Finished(Ending),
}

impl Transaction {
    /// Begins; the step is the first one.
    #[must_use]
    pub fn start(plan: Plan) -> (Self, Step) {
        let mut transaction = Self { plan, state: State::Finished(Ending::Done), claims: 0 };
        transaction.state = transaction.withdraw_from(0);
        let step = transaction.step();
        (transaction, step)
    }

    /// Takes the answer to the last update.
    pub fn next(&mut self, answer: Rcode) -> Step {
        self.state = self.after(answer);
        self.step()
    }

    fn after(&mut self, answer: Rcode) -> State {
        match (self.state, answer) {
            (State::Withdraw(at), Rcode::NO_ERROR) => State::WithdrawRest(at),
            // "If the query fails, the updater MUST NOT delete the DNS name": it is another's, or gone already.
            (State::Withdraw(at), Rcode::NX_RRSET | Rcode::NX_DOMAIN) => self.withdraw_from(at + 1),
            // YXRRSET: an address of the other family, or of another server, is left, and with it the DHCID.
            (State::WithdrawRest(at), Rcode::NO_ERROR | Rcode::NX_RRSET | Rcode::NX_DOMAIN | Rcode::YX_RRSET)
            | (State::WithdrawPointer(at), Rcode::NO_ERROR | Rcode::NX_RRSET | Rcode::NX_DOMAIN) => {
                self.withdraw_from(at + 1)
            }
            (State::Claim, Rcode::YX_DOMAIN) if planted(Fault::YxdomainTakenAsSuccess) => State::Finished(Ending::Done),
            // 5.3.1: after YXDOMAIN, 5.3.2 finds out whose the name is. It may well be our own: the answer to an earlier
            // claim got lost.
            (State::Claim, Rcode::YX_DOMAIN) => State::Replace,
            // 5.3.2: NXDOMAIN: the name was removed in between; begin again with 5.3.1.
            (State::Replace, Rcode::NX_DOMAIN) => self.claim_again(),
            // 5.3.2: NXRRSET: the DHCID is another's, or there is none because somebody made the name by hand.
            (State::Replace, Rcode::NX_RRSET) => State::Finished(Ending::Conflict),
            (State::PointerClaim, Rcode::YX_RRSET) => State::PointerRefresh,
            (State::PointerRefresh, Rcode::NX_RRSET | Rcode::NX_DOMAIN) => self.claim_pointer_again(),
            (
                State::Claim | State::Replace | State::PointerClaim | State::PointerRefresh | State::PointerSet,
                Rcode::NO_ERROR,
            ) => State::Finished(Ending::Done),
            (State::Finished(ending), _) => State::Finished(ending),
            (_, other) => State::Finished(Ending::Refused(other)),
        }
    }

    /// The removal of the former owner at `index`, or what comes after the last of them.
    fn withdraw_from(&mut self, index: usize) -> State {
        let mut index = index;
        while let Some(held) = self.plan.former.get(index) {
            match self.plan.key {
                RowKey::Reverse(_) => return State::WithdrawPointer(index),
                // The same owner's former addresses go with 5.3.2, in one step with the new ones.
                RowKey::Forward(_) if self.plan.want.as_ref().is_some_and(|want| want.identity == held.identity) => {}
                RowKey::Forward(_) if held.addresses.is_empty() => return State::WithdrawRest(index),
                RowKey::Forward(_) => return State::Withdraw(index),
            }
            index += 1;
        }
        match (&self.plan.want, &self.plan.key) {
            (None, _) => State::Finished(Ending::Done),
            (Some(_), RowKey::Forward(_)) if self.plan.held || !self.stale().is_empty() => State::Replace,
            (Some(_), RowKey::Forward(_)) => self.claim_again(),
            (Some(_), RowKey::Reverse(_))
                if self.plan.guard == ReverseGuard::Rfc4703 || planted(Fault::PtrOverwritesForeign) =>
            {
                State::PointerSet
            }
            (Some(_), RowKey::Reverse(_)) if self.plan.held => State::PointerRefresh,
            (Some(_), RowKey::Reverse(_)) => self.claim_pointer_again(),
        }
    }

    fn claim_again(&mut self) -> State {
        if self.claims == CLAIMS_MAX {
            return State::Finished(Ending::Refused(Rcode::NX_DOMAIN));
        }
        self.claims += 1;
        State::Claim
    }

    fn claim_pointer_again(&mut self) -> State {
        if self.claims == POINTER_CLAIMS_MAX {
            return State::Finished(Ending::Conflict);
        }
        self.claims += 1;
        State::PointerClaim
    }

    /// Addresses that the wanted owner had before.
    fn stale(&self) -> Vec<IpAddr> {
        let Some(want) = &self.plan.want else { return Vec::new() };
        let own = self.plan.former.iter().filter(|held| held.identity == want.identity);
        own.flat_map(|held| held.addresses.iter().copied())
            .filter(|address| !want.addresses.contains(address))
            .collect()
    }

    fn step(&self) -> Step {
        match self.update() {
            Ok(update) => Step::Send(update),
            Err(ending) => Step::Finished(ending),
        }
    }

    fn update(&self) -> Result<Update, Ending> {
        let Plan { zone, key, want, former, guard, .. } = &self.plan;
        let reverse = match key {
            RowKey::Reverse(address) => Fqdn::reverse(*address),
            RowKey::Forward(name) => name.clone(),
        };
        // The states that write are entered with something wanted, those that withdraw with a former owner.
        let wanted = want.as_ref().ok_or(Ending::Done);
        let held = |at: usize| former.get(at).ok_or(Ending::Done);
        Ok(match self.state {
            State::Withdraw(at) => builder::build_withdraw_addresses(zone, held(at)?),
            State::WithdrawRest(at) => builder::build_withdraw_rest(zone, held(at)?),
            State::WithdrawPointer(at) => builder::build_withdraw_pointer(zone, &reverse, held(at)?, *guard),
            State::Claim => builder::build_claim(zone, wanted?),
            State::Replace => builder::build_replace(zone, wanted?, &self.stale()),
            State::PointerClaim => builder::build_pointer_claim(zone, &reverse, wanted?),
            State::PointerRefresh => builder::build_pointer_refresh(zone, &reverse, wanted?),
            State::PointerSet => builder::build_pointer_unguarded(zone, &reverse, wanted?),
            State::Finished(ending) => return Err(ending),
        })
    }
}

#[cfg(test)]
mod tests;
