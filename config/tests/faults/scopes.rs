//! What each table gives to its clients.

use dhcp::settings::{Boot, LeaseTimes, Scope};

use super::{config, pooled, refused, subnet};

/// A file with the same `keys` in each table that can have them.
fn everywhere(keys: &str) -> String {
    format!(
        "[dhcp]\n{keys}\n[[network]]\nname = \"n\"\n{keys}\n[[class]]\nname = \"c\"\nmatch = {{ user_class = \"iPXE\" }}\n\
         {keys}\n[[subnet]]\nprefix = \"192.168.30.0/24\"\nnetwork = \"n\"\n{keys}\n[[subnet.pool]]\n\
         range = \"192.168.30.5\"\n{keys}\n[[subnet.reservation]]\naddress = \"192.168.30.6\"\n\
         hardware = \"52:54:00:12:34:56\"\n{keys}\n[[zone]]\nname = \"nasir.xyz\"\n"
    )
}

/// The scopes of such a file, the server's first.
fn scopes(text: &str) -> Vec<Scope> {
    let dhcp = config(text).dhcp;
    let class = dhcp.classes.iter().next().unwrap().1.scope.clone();
    let subnet = &dhcp.subnets[0];
    let (pool, reservation) = (subnet.pools[0].scope.clone(), subnet.reservations[0].scope.clone());
    vec![dhcp.scope.clone(), dhcp.networks[0].scope.clone(), class, subnet.scope.clone(), pool, reservation]
}

#[test]
fn every_table_takes_every_key_of_a_scope() {
    let text = everywhere(
        "routers = [\"192.168.30.1\"]\nnext_server = \"192.0.2.7\"\nserver_name = \"boot\"\nboot_file = \"x.efi\"\n\
         always_send = [\"domain_search\", \"43\", \"43\"]\nnever_send = [\"broadcast_address\"]\nlease_time = \"1h\"\n\
         lease_time_min = \"10m\"\nlease_time_max = \"2h\"\ndns_servers = \"self\"\nntp_servers = []",
    );
    for scope in scopes(&text) {
        assert_eq!((&*scope.options.0[&3], scope.options.0.len()), (&[192, 168, 30, 1][..], 2));
        assert!(scope.options.0[&42].is_empty() && scope.own_dns);
        let file = Some("x.efi".into());
        let next_server = Some("192.0.2.7".parse().unwrap());
        assert_eq!(scope.boot, Boot { next_server, server_name: Some("boot".into()), file });
        assert_eq!((&*scope.always, &*scope.never), (&[119, 43][..], &[28][..]));
        assert_eq!(scope.lease_secs, LeaseTimes { default: Some(3_600), min: Some(600), max: Some(7_200) });
    }
}

#[test]
fn a_table_that_says_nothing_gives_nothing() {
    let silent = scopes(&everywhere(""));
    assert_eq!(silent[0], Scope { own_dns: true, ..Scope::default() }, "the DNS server that runs is told to everyone");
    assert!(silent[1..].iter().all(|scope| *scope == Scope::default()));
}

#[test]
fn dns_servers_of_one_table_take_this_servers_own_address_back() {
    let text = pooled("dns_servers = [\"192.0.2.53\"]\n[dhcp]\ndns_servers = \"self\"");
    let config = config(&text);
    assert!(config.dhcp.scope.own_dns && !config.tells_own_dns(&config.dhcp.subnets[0]));
}

#[test]
fn what_a_header_field_cannot_hold() {
    let long = "x".repeat(128);
    refused(
        &pooled(&format!("boot_file = \"{long}\"")),
        &[(
            "6:13",
            &format!("\"{long}\""),
            "`boot_file` has 128 bytes; its field in the message holds 127, none of them null",
            "`boot_file_name`",
        )],
    );
    let long = "x".repeat(64);
    let message = "`server_name` has 64 bytes; its field in the message holds 63, none of them null";
    refused(
        &pooled(&format!("server_name = \"{long}\"")),
        &[("6:15", &format!("\"{long}\""), message, "a shorter one")],
    );
    refused(&pooled("next_server = \"boot\""), &[("6:15", "\"boot\"", "`boot` is not an IPv4 address", "such as")]);
}

#[test]
fn options_that_are_not_the_administrators_to_send_or_keep() {
    refused(
        &pooled("always_send = [\"108\", \"dhcp_message_type\"]\nnever_send = [\"54\", \"nonsense\"]"),
        &[
            ("6:16", "\"108\"", "option 108 cannot stand in this list", "only clients that ask"),
            ("6:23", "\"dhcp_message_type\"", "option dhcp_message_type cannot stand in this list", "by the protocol"),
            ("7:15", "\"54\"", "option 54 cannot stand in this list", "by the protocol"),
            ("7:21", "\"nonsense\"", "unknown option `nonsense`", "[[option]]"),
        ],
    );
    refused(
        &pooled("always_send = [\"43\"]\nnever_send = [\"43\"]"),
        &[("7:14", "[\"43\"]", "option 43 is always sent and never sent", "one of the two lists")],
    );
}

#[test]
fn lease_times_that_do_not_go_together_with_those_around() {
    let pool = "[[subnet.pool]]\nrange = \"192.168.30.5\"\nlease_time = \"2h\"";
    refused(
        &subnet(&format!("lease_time_max = \"1h\"\n{pool}")),
        &[("8:14", "\"2h\"", "`lease_time` (2h) is more than `lease_time_max` (1h)", "`lease_time_max` allows")],
    );
    let class = "[[class]]\nname = \"c\"\nmatch = { user_class = \"iPXE\" }\nlease_time = \"2h\"";
    let config = config(&pooled(&format!("lease_time_max = \"1h\"\n{class}")));
    assert_eq!(config.dhcp.classes.iter().next().unwrap().1.scope.lease_secs.default, Some(7_200), "a class is above");
}

#[test]
fn a_network_gives_its_switches_to_its_subnets() {
    let text = pooled(
        "network = \"n\"\nalways_broadcast = false\n[[network]]\nname = \"n\"\nalways_broadcast = true\nt1 = 0.4\n\
         ignore_client_id = true\n[dhcp]\nt1 = 0.3\nt2 = 0.6",
    );
    let subnet = &config(&text).dhcp.subnets[0];
    assert!(!subnet.always_broadcast && subnet.ignore_client_id);
    assert_eq!((subnet.renewal_permille, subnet.rebinding_permille), (400, 600));
}
