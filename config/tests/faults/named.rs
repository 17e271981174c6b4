//! Classes, shared networks and pools with keys of their own: what names them, and what they name.

use dhcp::class::ClassId;
use dhcp::settings::NetworkId;

use super::{config, refused, subnet};

#[test]
fn a_class_or_network_that_is_not_there() {
    refused(
        &subnet(
            "pools = [\"192.168.30.5\"]\nnetwork = \"offcie\"\nallow = [\"phnes\"]\ndeny = [\"x\"]\n[[class]]\nname = \"phones\"\nmatch = { option = 60 }\n[[network]]\nname = \"office\"",
        ),
        &[
            ("6:11", "\"offcie\"", "the network `offcie` is not defined", "did you mean \"office\"?"),
            ("7:10", "\"phnes\"", "the class `phnes` is not declared", "did you mean \"phones\"?"),
            ("8:9", "\"x\"", "the class `x` is not declared", "add a [[class]] with `name = \"x\"`"),
        ],
    );
}

#[test]
fn names_that_are_taken_or_none() {
    refused(
        &subnet(
            "pools = [\"192.168.30.5\"]\n[[class]]\nname = \"a\"\nmatch = { option = 60 }\n[[class]]\nname = \"a\"\n\
             match = { option = 61 }\n[[class]]\nname = \"a b\"\nmatch = { option = 62 }\n\
             [[network]]\nname = \"n\"\n[[network]]\nname = \"n\"\n[[network]]\nname = \"\"",
        ),
        &[
            ("10:8", "\"a\"", "the class `a` is declared twice", "another name"),
            ("13:8", "\"a b\"", "`a b` cannot be the name of a class", "letters, digits"),
            ("18:8", "\"n\"", "the network `n` is defined twice", "another name"),
            ("20:8", "\"\"", "`` cannot be the name of a network", "letters, digits"),
        ],
    );
}

#[test]
fn a_pool_has_a_range_or_several() {
    let pool = |keys: &str| subnet(&format!("[[subnet.pool]]\n{keys}"));
    refused(&pool(""), &[("5:1", "[[subnet.pool]]", "the pool has no addresses", "add `range")]);
    refused(
        &pool("range = \"192.168.30.5\"\nranges = [\"192.168.30.6\"]"),
        &[("7:10", "[\"192.168.30.6\"]", "a pool has `range` or `ranges`, not both", "take `range` out")],
    );
    refused(
        &subnet("pools = [\"192.168.30.5-192.168.30.9\"]\n[[subnet.pool]]\nrange = \"192.168.30.9\""),
        &[("7:9", "\"192.168.30.9\"", "two pools overlap: both have 192.168.30.9", "make one pool of both")],
    );
}

#[test]
fn pools_networks_and_classes_are_found_by_their_names() {
    let config = config(&subnet(
        "pools = [\"192.168.30.5-192.168.30.9\"]\nexclude = [\"192.168.30.12\"]\nnetwork = \"office\"\n\
         deny = [\"phones\"]\n[[subnet.pool]]\nrange = \"192.168.30.20\"\nallow = [\"b\", \"phones\"]\n[[subnet.pool]]\n\
         ranges = [\"192.168.30.30\", \"192.168.30.10-192.168.30.13\"]\n[[class]]\nname = \"phones\"\n\
         match = { option = 60 }\n[[class]]\nname = \"b\"\nmatch = { class = \"phones\" }\n[[network]]\nname = \"lab\"\n[[network]]\nname = \"office\"\ninterfaces = [\"eth7\"]",
    ));
    let office = &config.dhcp.subnets[0];
    assert_eq!(office.network, Some(NetworkId(1)));
    assert_eq!(config.dhcp.networks[1].interfaces, ["eth7"]);
    assert_eq!((&*office.access.allow, &*office.access.deny), (&[][..], &[ClassId(0)][..]));
    let pools: Vec<Vec<String>> = office
        .pools
        .iter()
        .map(|pool| pool.ranges.iter().map(|range| format!("{}-{}", range.first, range.last)).collect())
        .collect();
    assert_eq!(
        pools,
        [
            vec!["192.168.30.5-192.168.30.9"],
            vec!["192.168.30.20-192.168.30.20"],
            vec!["192.168.30.10-192.168.30.11", "192.168.30.13-192.168.30.13", "192.168.30.30-192.168.30.30"],
        ]
    );
    assert_eq!(office.pools[1].access.allow, [ClassId(1), ClassId(0)]);
}
