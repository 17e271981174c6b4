//! One key's change as a state machine: what may be left of former content is removed, then what is wanted is written.
//!
//! Sans-IO: [`Transaction::start`] and [`Transaction::next`] say what to send; the answer's RCODE goes back in. A
//! transaction without an answer is dropped and started afresh later: each of its steps is safe to repeat, also where
//! the lost answer said "done". In brackets the RFC 4703 section; `else` is any RCODE that no other arrow names.
//!
//! ```text
//!  start ──► for each former owner, if any (but the wanted one itself: what it had goes with what is written, unless
//!            that needs a DHCID which it did not write):
//!
//!    forward  Withdraw [5.5, first] ──NOERROR──► WithdrawRest [5.5, second] ──NOERROR, NXRRSET, NXDOMAIN,──► next
//!                 │    (of one that wrote no DHCID: next) │                   YXRRSET
//!                 ├──NXRRSET, NXDOMAIN──► next            └──else──► Refused
//!                 └──else──► Refused
//!
//!    reverse  WithdrawPointer [5.5] ──NOERROR, NXRRSET, NXDOMAIN──► next
//!                 └──else──► Refused
//!
//!  then, when nothing is wanted: Done
//!
//!    forward, a guard that checks
//!             Claim [5.3.1] ──NOERROR──► Done          Replace [5.3.2] ──NOERROR──► Done
//!     (first,     ├──YXDOMAIN──► Replace      (first, if      ├──NXRRSET──► Conflict
//!     if not held)└──else──► Refused             held)        ├──NXDOMAIN──► Claim (fourth time: Refused)
//!                                                             └──else──► Refused
//!
//!    forward, a guard that does not
//!             Overwrite ──NOERROR──► Done
//!                 ├──YXRRSET──► Conflict (a CNAME)
//!                 └──else──► Refused
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
//!
//!  Conflict of those under a guard, the first time: the former owners are removed once more; unless there surely was none,
//!  what is wanted is written once more.
//!
//!  for records that the configuration states, whose only mark is what they are:
//!
//!    nothing wanted: for each former content StatedWithdraw ──NOERROR, NXRRSET, NXDOMAIN──► next
//!
//!    StatedRefresh ──NOERROR──► Done      for each former content: StatedReplace ──NOERROR──► Done
//!     (first, if      │                                            └──NXRRSET, NXDOMAIN──► next
//!      held)          └──NXRRSET, NXDOMAIN──► the former contents, then:
//!
//!             StatedClaim ──NOERROR──► Done
//!                 └──YXDOMAIN, YXRRSET──► StatedRefresh ──NOERROR──► Done: what is there is as it is stated
//!                                             └──NXRRSET, NXDOMAIN──► Conflict
//! ```

mod first;

use std::net::IpAddr;

use dns::{Fqdn, HostIdentity, Rcode, Update};
use faults::{Fault, planted};

use crate::builder;
use crate::settings::ReverseGuard;
use crate::wanted::{Held, RowKey, Want};

pub use first::{FirstRecords, FirstWrites};

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
    /// The name that the records stand under.
    owner: Fqdn,
    state: State,
    claims: u8,
    conflict: Doubt,
}

/// Whether somebody else's record is looked at once more: an update of a former owner's may have been made after the
/// removal found nothing, by a server that had handed it on, or had it twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doubt {
    /// There was no conflict yet.
    None,
    /// There was one; the former owners are removed once more, and none was found so far.
    Asks,
    /// One was found: what is wanted is written once more.
    Found,
}

/// The update that was sent last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Withdraw(usize),
    WithdrawRest(usize),
    WithdrawPointer(usize),
    Claim,
    Replace,
    Overwrite,
    PointerClaim,
    PointerRefresh,
    PointerSet,
    StatedWithdraw(usize),
    StatedReplace(usize),
    StatedClaim,
    StatedRefresh,
    Finished(Ending),
}

impl Transaction {
    /// Begins, with the records under the name itself or the address' ordinary reverse name; the step is the first one.
    #[must_use]
    pub fn start(plan: Plan) -> (Self, Step) {
        let owner = match &plan.key {
            RowKey::Reverse(address) => Fqdn::reverse(*address),
            RowKey::Forward(name) | RowKey::Stated(name, _) => name.clone(),
        };
        Self::start_at(plan, owner)
    }

    /// Begins, with the records under `owner`: see [`crate::settings::Settings::owner_of`].
    #[must_use]
    pub fn start_at(plan: Plan, owner: Fqdn) -> (Self, Step) {
        let mut transaction =
            Self { plan, owner, state: State::Finished(Ending::Done), claims: 0, conflict: Doubt::None };
        transaction.state = transaction.withdraw_from(0);
        let step = transaction.step();
        (transaction, step)
    }

    /// Takes the answer to the last update.
    pub fn next(&mut self, answer: Rcode) -> Step {
        self.state = self.after(answer);
        self.step()
    }

    /// The step that was returned last: its update can be sent once more, or in other company.
    #[must_use]
    pub fn pending(&self) -> Step {
        self.step()
    }

    /// The key that it is about.
    #[must_use]
    pub fn key(&self) -> &RowKey {
        &self.plan.key
    }

    fn after(&mut self, answer: Rcode) -> State {
        let withdraws = matches!(self.state, State::Withdraw(_) | State::WithdrawRest(_) | State::WithdrawPointer(_));
        if withdraws && answer == Rcode::NO_ERROR && self.conflict == Doubt::Asks {
            self.conflict = Doubt::Found;
        }
        match (self.state, answer) {
            (State::Withdraw(at), Rcode::NO_ERROR) if self.marked(at) => State::WithdrawRest(at),
            (State::Withdraw(at), Rcode::NO_ERROR) => self.withdraw_from(at + 1),
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
            (State::Replace, Rcode::NX_RRSET) => self.doubt(),
            // A CNAME, beside which no address can stand.
            (State::Overwrite, Rcode::YX_RRSET) => State::Finished(Ending::Conflict),
            (State::PointerClaim, Rcode::YX_RRSET) => State::PointerRefresh,
            (State::PointerRefresh, Rcode::NX_RRSET | Rcode::NX_DOMAIN) => self.claim_pointer_again(),
            (
                State::Claim
                | State::Replace
                | State::Overwrite
                | State::PointerClaim
                | State::PointerRefresh
                | State::PointerSet
                | State::StatedReplace(_)
                | State::StatedClaim
                | State::StatedRefresh,
                Rcode::NO_ERROR,
            ) => State::Finished(Ending::Done),
            (
                State::StatedWithdraw(at) | State::StatedReplace(at),
                Rcode::NO_ERROR | Rcode::NX_RRSET | Rcode::NX_DOMAIN,
            ) => self.stated_from(at + 1),
            (State::StatedClaim, Rcode::YX_DOMAIN | Rcode::YX_RRSET) => State::StatedRefresh,
            (State::StatedRefresh, Rcode::NX_RRSET | Rcode::NX_DOMAIN) if self.claims == 0 => self.stated_from(0),
            (State::StatedRefresh, Rcode::NX_RRSET | Rcode::NX_DOMAIN) => State::Finished(Ending::Conflict),
            (State::Finished(ending), _) => State::Finished(ending),
            (_, other) => State::Finished(Ending::Refused(other)),
        }
    }

    /// The removal of the former owner at `index`, or what comes after the last of them.
    fn withdraw_from(&mut self, index: usize) -> State {
        if let RowKey::Stated(..) = self.plan.key {
            return match self.plan.want {
                Some(_) if self.plan.held => State::StatedRefresh,
                _ => self.stated_from(0),
            };
        }
        let mut index = index;
        while let Some(held) = self.plan.former.get(index) {
            match self.plan.key {
                RowKey::Reverse(_) | RowKey::Stated(..) => return State::WithdrawPointer(index),
                // The same owner's former addresses go with 5.3.2, in one step with the new ones.
                RowKey::Forward(_) if self.goes_with_what_is_written(held) => {}
                RowKey::Forward(_) if !self.departing(held).is_empty() => return State::Withdraw(index),
                RowKey::Forward(_) if held.guard.writes_dhcid() => return State::WithdrawRest(index),
                RowKey::Forward(_) => {}
            }
            index += 1;
        }
        let Some(want) = &self.plan.want else { return State::Finished(Ending::Done) };
        if self.conflict == Doubt::Asks {
            return State::Finished(Ending::Conflict);
        }
        match opening(&self.plan.key, want, self.plan.guard) {
            State::Claim if self.plan.held || !self.stale().is_empty() => State::Replace,
            State::Claim => self.claim_again(),
            State::PointerClaim if self.plan.held => State::PointerRefresh,
            State::PointerClaim => self.claim_pointer_again(),
            unasked => unasked,
        }
    }

    /// Of records that are stated: what is done about the former content at `index`, or what comes after the last.
    fn stated_from(&mut self, index: usize) -> State {
        match (index < self.plan.former.len(), &self.plan.want) {
            (true, None) => State::StatedWithdraw(index),
            (false, None) => State::Finished(Ending::Done),
            (true, Some(_)) => State::StatedReplace(index),
            (false, Some(_)) => {
                self.claims += 1;
                State::StatedClaim
            }
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
            return self.doubt();
        }
        self.claims += 1;
        State::PointerClaim
    }

    /// Somebody else has the name or the address, unless it is a former owner's by now.
    fn doubt(&mut self) -> State {
        if self.conflict != Doubt::None {
            return State::Finished(Ending::Conflict);
        }
        (self.conflict, self.claims) = (Doubt::Asks, 0);
        self.withdraw_from(0)
    }

    /// Whether the former owner left a DHCID.
    fn marked(&self, at: usize) -> bool {
        self.plan.former.get(at).is_some_and(|held| held.guard.writes_dhcid())
    }

    /// Whether former content is the wanted owner's own, and what is written takes its place: where a DHCID is asked for,
    /// only what had one can be replaced.
    fn goes_with_what_is_written(&self, held: &Held) -> bool {
        let Some(want) = &self.plan.want else { return false };
        want.identity == held.identity && (held.guard.writes_dhcid() || !want.guard.checks())
    }

    /// The addresses of a former owner that are to be taken away by themselves. Those that are overwritten without a
    /// question need not be, and after a lost answer they may be the new owner's already.
    fn departing(&self, held: &Held) -> Vec<IpAddr> {
        let overwritten = self.plan.want.as_ref().filter(|want| !want.guard.checks());
        let stays = |address: &IpAddr| overwritten.is_some_and(|want| want.addresses.contains(address));
        held.addresses.iter().copied().filter(|address| !stays(address)).collect()
    }

    /// Addresses that the wanted owner had before.
    fn stale(&self) -> Vec<IpAddr> {
        let Some(want) = &self.plan.want else { return Vec::new() };
        let own = self.plan.former.iter().filter(|held| self.goes_with_what_is_written(held));
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
        let Plan { zone, want, former, guard, .. } = &self.plan;
        let reverse = &self.owner;
        // The states that write are entered with something wanted, those that withdraw with a former owner.
        let wanted = want.as_ref().ok_or(Ending::Done);
        let held = |at: usize| former.get(at).ok_or(Ending::Done);
        Ok(match self.state {
            State::Withdraw(at) => {
                let held = held(at)?;
                builder::build_withdraw_addresses(zone, &Held { addresses: self.departing(held), ..held.clone() })
            }
            State::WithdrawRest(at) => builder::build_withdraw_rest(zone, held(at)?),
            State::WithdrawPointer(at) => builder::build_withdraw_pointer(zone, reverse, held(at)?, *guard),
            State::Claim => builder::build_claim(zone, wanted?),
            State::Replace => builder::build_replace(zone, wanted?, &self.stale()),
            State::Overwrite => {
                let want = wanted?;
                let own = former.iter().filter(|held| held.identity == want.identity);
                let unmark = own.clone().any(|held| held.guard.writes_dhcid());
                builder::build_overwrite(zone, want, &self.stale(), unmark)
            }
            State::PointerClaim => builder::build_pointer_claim(zone, reverse, wanted?),
            State::PointerRefresh => builder::build_pointer_refresh(zone, reverse, wanted?),
            State::PointerSet => builder::build_pointer_unguarded(zone, reverse, wanted?),
            State::Finished(ending) => return Err(ending),
            State::StatedWithdraw(_) | State::StatedReplace(_) | State::StatedClaim | State::StatedRefresh => {
                self.stated_update()?
            }
        })
    }

    fn stated_update(&self) -> Result<Update, Ending> {
        let (Plan { zone, want, former, .. }, RowKey::Stated(_, rtype)) = (&self.plan, &self.plan.key) else {
            return Err(Ending::Done);
        };
        let want = want.as_ref().ok_or(Ending::Done);
        let held = |at: usize| former.get(at).ok_or(Ending::Done);
        let data = |identity: &HostIdentity| identity.stated().unwrap_or_default().to_vec();
        Ok(match self.state {
            State::StatedWithdraw(at) => builder::build_stated_withdraw(zone, *rtype, held(at)?),
            State::StatedReplace(at) => builder::build_stated_replace(zone, *rtype, want?, &data(&held(at)?.identity)),
            State::StatedClaim => builder::build_stated_claim(zone, *rtype, want?),
            _ => {
                let want = want?;
                builder::build_stated_replace(zone, *rtype, want, &data(&want.identity))
            }
        })
    }
}

/// How the writing of a name or an address begins where DNS is not known to hold anything of the wanted owner.
fn opening(key: &RowKey, want: &Want, guard: ReverseGuard) -> State {
    match key {
        RowKey::Forward(_) if !want.guard.checks() => State::Overwrite,
        RowKey::Forward(_) => State::Claim,
        RowKey::Reverse(_) if guard == ReverseGuard::Rfc4703 || planted(Fault::PtrOverwritesForeign) => {
            State::PointerSet
        }
        RowKey::Reverse(_) | RowKey::Stated(..) => State::PointerClaim,
    }
}

#[cfg(test)]
mod tests;
