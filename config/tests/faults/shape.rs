//! What is not TOML, unknown keys, wrong types, unknown words, missing keys.

use super::{and, pooled, refused};

#[test]
fn text_that_is_not_toml_has_a_line_and_a_column() {
    refused(
        "[[subnet]]\nprefix = \"192.168.30.0/24\npools = [\"192.168.30.5\"]\n",
        &[("2:26", "", "this is not TOML: invalid basic string, expected `\"`", "end the text with a quote")],
    );
    refused(
        "[[subnet]]\nprefix = 192.168.30.0/24\n",
        &[("2:17", ".30.0/24", "this is not TOML: `192.168.30.0/24` is a text without quotes", "\"192.168.30.0/24\"")],
    );
    refused(
        "[dhcp]\nlease_time = 12h\n",
        &[("2:14", "12h", "this is not TOML: `12h` is a text without quotes", "write \"12h\"")],
    );
    refused("[dhcp]\nt1 0.5\n", &[("2:4", "", "this is not TOML: key with no value, expected `=`", "an equals sign")]);
    refused(
        "[[subnet]\nprefix = \"192.168.30.0/24\"\n[dns]\nport = 53\n",
        &[("1:10", "", "this is not TOML: unclosed array table, expected `]`", "[[subnet]]")],
    );
}

#[test]
fn a_key_that_is_given_twice() {
    refused(
        "[dns]\nport = 53\nport = 54\n",
        &[("3:1", "port", "the key `port` is given twice in one table", "take one of the two out")],
    );
}

#[test]
fn a_line_that_is_not_toml_does_not_hide_what_else_is_wrong() {
    refused(
        "[dhcp]\nlease_time = 12h\n[[subnet]]\nprefix = \"192.168.30.0/24\"\npools = [\"127.0.0.1\"]\nroutrs = []\n",
        &[
            ("2:14", "12h", "this is not TOML: `12h` is a text without quotes", "write \"12h\""),
            (
                "5:10",
                "\"127.0.0.1\"",
                "the pool 127.0.0.1 is in 127.0.0.0/8: loopback, which never leaves a host (RFC 1122 section 3.2.1.3)",
                "",
            ),
            ("6:1", "routrs", "unknown key `routrs` in [[subnet]]", "did you mean `routers`?"),
        ],
    );
}

#[test]
fn an_unknown_key_gets_did_you_mean() {
    for (written, meant) in [
        ("routrs = [\"192.168.30.1\"]", "routers"),
        ("lease-time = \"12h\"", "lease_time"),
        ("leasetime = \"12h\"", "lease_time"),
        ("Interfaces = [\"eth0\"]", "interfaces"),
        ("domain_serach = [\"nasir.xyz\"]", "domain_search"),
        ("gateway = [\"192.168.30.1\"]", "routers"),
        ("nameservers = [\"192.168.30.1\"]", "dns_servers"),
    ] {
        let key = written.split(' ').next().unwrap();
        refused(
            &pooled(written),
            &[("6:1", key, &format!("unknown key `{key}` in [[subnet]]"), &format!("did you mean `{meant}`?"))],
        );
    }
}

#[test]
fn a_misspelt_key_is_checked_as_what_was_meant() {
    refused(
        "[[subnet]]\nprefx = \"192.168.30.0/24\"\npoools = [\"192.168.31.5\"]\n",
        &[
            ("2:1", "prefx", "unknown key `prefx` in [[subnet]]", "did you mean `prefix`?"),
            ("3:1", "poools", "unknown key `poools` in [[subnet]]", "did you mean `pools`?"),
            ("3:11", "\"192.168.31.5\"", "the pool 192.168.31.5 is not within its subnet 192.168.30.0/24", ""),
        ],
    );
}

#[test]
fn ranges_under_the_name_of_the_table_of_pools() {
    refused(
        &pooled("pool = [\"192.168.30.5\"]"),
        &[("6:9", "\"192.168.30.5\"", "an item of `pool` must be a table, not a text", "`pools = [\"first-last\"]`")],
    );
}

#[test]
fn a_key_of_another_table_is_sent_there() {
    refused(
        "lease_time = \"12h\"\n",
        &[(
            "1:1",
            "lease_time",
            "unknown key `lease_time` at the top of the file",
            "[dhcp], [[network]], [[reservation]]",
        )],
    );
    refused(
        &and("[[subnet.reservation]]\naddress = \"192.168.30.5\"\nhardware = \"52:54:00:12:34:56\"\nactive = false\n"),
        &[(
            "10:1",
            "active",
            "unknown key `active` in [[subnet.reservation]]",
            "`active` is a key of [[subnet]]: write it above [[subnet.reservation]]",
        )],
    );
}

#[test]
fn a_key_like_nothing_gets_the_list() {
    refused(
        "[dns]\nfoo = 1\n",
        &[(
            "2:1",
            "foo",
            "unknown key `foo` in [dns]",
            "https_listen, https_path, limits, listen, port, tls_listen, upstreams",
        )],
    );
    refused(
        "[foo]\na = 1\n",
        &[(
            "1:2",
            "foo",
            "unknown key `foo` at the top of the file",
            "ddns, dhcp, dns, forward, history, hook, host, key",
        )],
    );
}

#[test]
fn an_unknown_key_deep_within() {
    refused(
        &pooled("routes = [{ to = \"10.0.0.0/8\", via = \"192.168.30.1\", metric = 5 }]"),
        &[("6:54", "metric", "unknown key `metric` in `routes`", "the keys here are: to, via")],
    );
}

#[test]
fn a_value_of_a_wrong_type() {
    for (written, place, underlined, message, mend) in [
        ("routers = \"192.168.30.1\"", "6:11", "\"192.168.30.1\"", "a list, not a text", "[\"192.168.30.1\"]"),
        ("active = \"yes\"", "6:10", "\"yes\"", "true or false, not a text", "active = true"),
        ("t1 = \"half\"", "6:6", "\"half\"", "a number, not a text", "write a number"),
        ("mtu = 1500.5", "6:7", "1500.5", "a whole number, not a number", "write a whole number"),
        ("domain = 5", "6:10", "5", "a text in quotes, not a whole number", "\"nasir.xyz\""),
        ("lease_time = 1979-05-27", "6:14", "1979-05-27", "a text in quotes or a whole number, not a date", "\"12h\""),
        ("options = 5", "6:11", "5", "a table, not a whole number", "write a table"),
    ] {
        let key = written.split(' ').next().unwrap();
        refused(&pooled(written), &[(place, underlined, &format!("`{key}` must be {message}"), mend)]);
    }
}

#[test]
fn a_value_of_a_wrong_type_is_not_missed_as_well() {
    refused(
        "[[zone]]\nname = 5\n[[key]]\nname = \"k\"\nsecret = 5\n[[subnet]]\nprefix = \"10.0.0.0/24\"\npools = 5\n\
         domain = \"nasir.xyz\"\n[[subnet]]\nprefix = 5\n",
        &[
            ("2:8", "5", "`name` must be a text in quotes, not a whole number", ""),
            ("5:10", "5", "`secret` must be a text in quotes, not a whole number", ""),
            ("8:9", "5", "`pools` must be a list, not a whole number", ""),
            ("11:10", "5", "`prefix` must be a text in quotes, not a whole number", ""),
        ],
    );
}

#[test]
fn one_bracket_for_two_and_two_for_one() {
    refused(
        "[subnet]\nprefix = \"192.168.30.0/24\"\n",
        &[("1:2", "subnet", "`subnet` must be a list, not a table", "write `[[subnet]]`")],
    );
    refused("[[dhcp]]\nt1 = 0.5\n", &[("1:3", "dhcp", "`dhcp` must be a table, not a list", "write `[dhcp]`")]);
}

#[test]
fn a_number_out_of_range() {
    refused(
        "[server]\nserver_port = 65536\nclient_port = -1\nrelay_port = 0\n",
        &[
            ("2:15", "65536", "`server_port` is out of range", "between 0 and 65535"),
            ("3:15", "-1", "`client_port` is out of range", "between 0 and 65535"),
            ("4:14", "0", "0 is not a port", "from 1 to 65535"),
        ],
    );
    refused(
        "[dhcp]\nlease_time = 99999999999999999999\n",
        &[("2:14", "99999999999999999999", "`lease_time` is out of range", "0 or more")],
    );
}

#[test]
fn a_word_that_is_not_one_of_the_values() {
    refused(
        "[ddns]\noutside = \"frist-label\"\nreverse = \"none\"\n[dns]\nupstreams = \"resolv\"\n",
        &[
            ("2:11", "\"frist-label\"", "\"frist-label\" is not a value of `outside`", "did you mean \"first-label\"?"),
            ("3:11", "\"none\"", "\"none\" is not a value of `reverse`", "the values are: \"dhcid\", \"rfc4703\""),
            ("5:13", "\"resolv\"", "\"resolv\" is not a value of `upstreams`", "write a list, or \"resolv.conf\""),
        ],
    );
}

#[test]
fn a_key_that_is_missing() {
    refused(
        "[[subnet]]\npools = [\"192.168.30.5\"]\n",
        &[("1:1", "[[subnet]]", "`prefix` is missing in [[subnet]]", "add `prefix = \"192.168.30.0/24\"`")],
    );
    refused(
        "[[key]]\nsecret = \"MDEyMzQ1Njc4OWFiY2RlZg==\"\n",
        &[("1:1", "[[key]]", "`name` is missing in [[key]]", "add `name")],
    );
    refused(
        &pooled("routes = [{ to = \"10.0.0.0/8\" }]"),
        &[("6:11", "{ to = \"10.0.0.0/8\" }", "`via` is missing in `routes`", "add `via")],
    );
}

#[test]
fn a_version_that_is_not_known() {
    refused(
        "version = 2\n[[subnet]]\nprefix = \"10.0.0.0/24\"\npools = [\"10.0.0.9\"]",
        &[("1:11", "2", "version 2 of this file is not known", "write `version = 1`")],
    );
}
