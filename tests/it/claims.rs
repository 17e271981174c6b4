//! Eight clients claim each of 300 names at once by signed updates with "name is not in use" as the prerequisite:
//! each name has one winner. Prerequisites and update are one atomic step, or this fails.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::thread;

use crate::dig::{Dig, KEY_NAME, KEY_SECRET};
use crate::field::SERVER;
use crate::leasehold::Leasehold;
use crate::netns::Lab;
use crate::servers::{DnsServer, Kind};

const CLAIMANTS: u8 = 8;
const NAMES: usize = 300;

fn label(name: usize) -> String {
    format!("claim{name:03}.nasir.xyz.")
}

/// All claims of one claimant: an address that names it, and the name must not exist.
fn claims(claimant: u8) -> Vec<String> {
    let claim = |name| {
        let name = label(name);
        format!("prereq nxdomain {name}\nupdate add {name} 60 A 10.1.0.{claimant}\nsend\n")
    };
    (0..NAMES).map(claim).collect()
}

fn one_winner_each(dig: &Dig<'_>) {
    let refused: Vec<usize> = thread::scope(|scope| {
        let claimants: Vec<_> = (1..=CLAIMANTS)
            .map(|claimant| {
                scope.spawn(move || {
                    let told = dig.nsupdate_each(&claims(claimant));
                    assert!(told.lines().all(|line| line.contains("YXDOMAIN")), "{told}");
                    told.lines().count()
                })
            })
            .collect();
        claimants.into_iter().map(|claimant| claimant.join().unwrap()).collect()
    });
    let won: usize = refused.iter().map(|refused| NAMES - refused).sum();
    assert_eq!(won, NAMES, "as many were told that they won as there are names");

    let mut winners: HashMap<String, HashSet<String>> = HashMap::new();
    for record in dig.transfer("nasir.xyz").into_iter().filter(|record| record.owner.starts_with("claim")) {
        winners.entry(record.owner).or_default().insert(record.data);
    }
    assert_eq!(winners.len(), NAMES);
    let shared: Vec<_> = winners.iter().filter(|(_, addresses)| addresses.len() != 1).collect();
    assert!(shared.is_empty(), "names with several winners: {shared:?}");
    for claimant in 1..=CLAIMANTS {
        let held = winners.values().filter(|addresses| addresses.contains(&format!("10.1.0.{claimant}"))).count();
        assert_eq!(held, NAMES - refused[usize::from(claimant) - 1], "claimant {claimant} holds what it won");
    }
}

#[test]
fn eight_clients_claiming_each_of_300_names_at_once_have_one_winner_each() {
    let lab = Lab::new();
    let server = lab.host("server");
    server.ip("link add name lan type bridge");
    server.ip(&format!("address add {SERVER}/16 dev lan"));
    server.ip("link set dev lan up");
    let config = format!(
        "[[key]]\nname = \"{KEY_NAME}\"\nsecret = \"{KEY_SECRET}\"\n\n\
         [[zone]]\nname = \"nasir.xyz\"\nupdate_keys = [\"{KEY_NAME}\"]\n\n\
         [[subnet]]\nprefix = \"10.77.0.0/16\"\npools = [\"10.77.1.0-10.77.1.255\"]\ndomain = \"nasir.xyz\"\n"
    );
    let _leasehold = Leasehold::start(&server, &config);
    one_winner_each(&Dig::new(&server, SocketAddr::from((SERVER, 53))));
}

/// What the test finds in a server that is known to be right.
#[test]
fn bind_lets_one_claimant_win_each_name() {
    let lab = Lab::new();
    let server = lab.host("server");
    let bind = DnsServer::start(Kind::Bind, &server, "127.0.0.1:5300".parse().unwrap(), &["nasir.xyz"]);
    one_winner_each(&bind.dig());
}
