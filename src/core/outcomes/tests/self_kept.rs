//! Names whose address record their host writes by itself.

use dhcp::settings::AfterExpiry;

use super::*;

impl Bench {
    /// A new lease of a client that writes its address record itself: the address.
    fn lease_itself(&mut self, n: u8, name: &str) -> Ipv4Addr {
        // RFC 4702 section 2.1: E alone, so that S is 0.
        let told = [&[0b100, 0, 0][..], fqdn(name).as_wire()].concat();
        let discover = message(MessageType::Discover, n).with(code::CLIENT_FQDN, told.clone());
        let offered = self.hear(&discover).reply.unwrap().0.yiaddr;
        let request = message(MessageType::Request, n)
            .with(code::REQUESTED_IP_ADDRESS, offered.octets())
            .with(code::SERVER_IDENTIFIER, SERVER.octets())
            .with(code::CLIENT_FQDN, told);
        assert_eq!(self.hear(&request).reply.unwrap().0.message_type, MessageType::Ack);
        offered
    }

    /// Names stay after their leases.
    fn keeping_names(conflict: ConflictOutcome) -> Self {
        let mut bench = Self::new(conflict);
        let (dhcp, ddns) = both(conflict, &[]);
        let mut dhcp = Arc::unwrap_or_clone(dhcp);
        if let Some(naming) = &mut dhcp.subnets[0].naming {
            naming.after_expiry = AfterExpiry::Keep;
        }
        bench.core.reconfigure(Arc::new(dhcp), ddns, vec![], bench.now);
        bench.run();
        bench
    }

    fn is_wanted(&self, name: &str) -> bool {
        self.core.wanted().owner_of(&fqdn(name)).is_some()
    }
}

const PC: &str = "pc.nasir.xyz.";

#[test]
fn a_name_that_a_client_writes_itself_is_nobody_elses_until_its_lease_ends() {
    for conflict in [ConflictOutcome::Refuse, ConflictOutcome::TakeOver] {
        let mut bench = Bench::new(conflict);
        let first = bench.lease_itself(1, PC);
        assert_eq!((&*bench.name_at(first), bench.is_wanted(PC)), (PC, false), "the client's part is the client's");
        let (other, third) = (bench.lease(2, "pc"), bench.lease_itself(3, PC));
        assert_eq!([bench.name_at(other), bench.name_at(third)], ["", ""], "{conflict:?}");
        // Not by saying it again, and not after a restart either.
        bench.renew(2, other, PC);
        bench.restart(conflict);
        bench.renew(2, other, PC);
        assert_eq!((bench.name_at(other), bench.is_wanted(PC)), (String::new(), false), "{conflict:?}");
        bench.release(1, first);
        assert_eq!(bench.renew(2, other, PC), (0b101, PC.to_owned()));
        assert_eq!((&*bench.name_at(other), bench.is_wanted(PC)), (PC, true), "{conflict:?}");
    }
}

#[test]
fn a_name_that_a_client_writes_itself_gives_others_a_number() {
    let mut bench = Bench::new(SUFFIX);
    let first = bench.lease_itself(1, PC);
    let others = [bench.lease(2, "pc"), bench.lease_itself(3, PC)];
    assert_eq!(bench.name_at(first), PC);
    assert_eq!(others.map(|at| bench.name_at(at)), ["pc-2.nasir.xyz.", "pc-3.nasir.xyz."]);
}

#[test]
fn a_host_that_leaves_its_record_to_the_server_later_keeps_its_name() {
    let mut bench = Bench::new(ConflictOutcome::Refuse);
    let first = bench.lease_itself(1, PC);
    // The same host, which leaves the record to the server from now on.
    let (flags, told) = bench.renew(1, first, PC);
    assert_eq!((flags, &*told, bench.is_wanted(PC)), (0b101, PC, true));
    assert_eq!(bench.name_at(first), PC);
}

#[test]
fn a_self_written_name_that_outlives_its_lease_yields_as_any_other_does() {
    let mut bench = Bench::keeping_names(ConflictOutcome::Refuse);
    let first = bench.lease_itself(1, PC);
    bench.later(DAY);
    assert_eq!(bench.core.engine().lease(first).unwrap().state, LeaseState::Expired);
    let pointer = RowKey::Reverse(first.into());
    assert!(bench.core.wanted().get(&pointer).unwrap().want.is_some(), "its name stays for now");
    let other = bench.lease(2, "pc");
    assert_eq!(bench.name_at(other), PC);
    let left = bench.core.wanted().get(&pointer).unwrap();
    assert!(
        left.want.is_none() && left.former.iter().any(|held| held.name == fqdn(PC)),
        "what it wrote goes: {left:?}"
    );
}
