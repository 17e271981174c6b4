//! What goes wrong between Leasehold and a DNS server, each at BIND, Knot and PowerDNS: whatever it was, the zones hold
//! exactly what they must soon after it is over, and what was made by hand is as it was.
//!
//! Each case ends with both zones compared whole, record by record and with their TTLs, by zone transfers. Needs root,
//! network namespaces, `named`, `knotd`, `pdns_server`, `dig`, `nsupdate` and libfaketime.

mod cases;
mod failover;
mod leases;
mod proxy;
pub(crate) mod site;

use crate::servers::Kind;

/// A test of each case at each server.
macro_rules! at_each_server {
    ($($case:path: $bind:ident $knot:ident $powerdns:ident;)+) => {
        $(#[test]
        fn $bind() {
            $case(Kind::Bind);
        }

        #[test]
        fn $knot() {
            $case(Kind::Knot);
        }

        #[test]
        fn $powerdns() {
            $case(Kind::PowerDns);
        })+
    };
}

at_each_server! {
    cases::add: add_bind add_knot add_powerdns;
    cases::change: change_bind change_knot change_powerdns;
    cases::conflict: conflict_bind conflict_knot conflict_powerdns;
    cases::release: release_bind release_knot release_powerdns;
    leases::release_and_expiry: release_and_expiry_bind release_and_expiry_knot release_and_expiry_powerdns;
    cases::outage: outage_bind outage_knot outage_powerdns;
    cases::wrong_key: wrong_key_bind wrong_key_knot wrong_key_powerdns;
    cases::our_clock_off_by_an_hour:
        our_clock_off_by_an_hour_bind
        our_clock_off_by_an_hour_knot
        our_clock_off_by_an_hour_powerdns;
    cases::truncated_answer: truncated_answer_bind truncated_answer_knot truncated_answer_powerdns;
    cases::lost_answer: lost_answer_bind lost_answer_knot lost_answer_powerdns;
    cases::refused_for_a_while: refused_for_a_while_bind refused_for_a_while_knot refused_for_a_while_powerdns;
    cases::notzone_for_a_while: notzone_for_a_while_bind notzone_for_a_while_knot notzone_for_a_while_powerdns;
    cases::servfail_for_a_while: servfail_for_a_while_bind servfail_for_a_while_knot servfail_for_a_while_powerdns;
    cases::killed_between_request_and_answer:
        killed_between_request_and_answer_bind
        killed_between_request_and_answer_knot
        killed_between_request_and_answer_powerdns;
    cases::killed_in_the_middle_of_a_message:
        killed_in_the_middle_of_a_message_bind
        killed_in_the_middle_of_a_message_knot
        killed_in_the_middle_of_a_message_powerdns;
}

// BIND's allocator (jemalloc) and libfaketime call one another without end, so that BIND's clock cannot be put off; what
// it answers then is seen with ours off, by an hour either way.
#[test]
fn their_clock_off_by_an_hour_knot() {
    cases::their_clock_off_by_an_hour(Kind::Knot);
}

#[test]
fn their_clock_off_by_an_hour_powerdns() {
    cases::their_clock_off_by_an_hour(Kind::PowerDns);
}
