//! Options by name, of one's own, and of vendors.

use dhcp::options::vendor::{VendorClass, VendorOptions};

use super::{and, config, pooled, refused};

/// The data of an option of the only subnet of `text`.
fn data(text: &str, code: u8) -> Vec<u8> {
    let subnet = &config(text).dhcp.subnets[0];
    subnet.scope.options.0.get(&code).unwrap_or_else(|| panic!("no option {code}")).to_vec()
}

#[test]
fn an_option_by_name_takes_the_values_of_its_type() {
    for (written, code, expected) in [
        ("log_server = [\"192.0.2.1\", \"192.0.2.2\"]", 7, &[192, 0, 2, 1, 192, 0, 2, 2][..]),
        ("log_server = \"192.0.2.1\"", 7, &[192, 0, 2, 1]),
        ("7 = [\"192.0.2.1\"]", 7, &[192, 0, 2, 1]),
        ("swap_server = \"192.0.2.1\"", 16, &[192, 0, 2, 1]),
        ("root_path = \"192.0.2.1:/srv\"", 17, b"192.0.2.1:/srv"),
        ("time_offset = -3600", 2, &[255, 255, 241, 240]),
        ("ip_forwarding = true", 19, &[1]),
        ("path_mtu_plateau_table = [68, 1500]", 25, &[0, 68, 5, 220]),
        ("netbios_node_type = \"h-node\"", 46, &[8]),
        ("netbios_node_type = 8", 46, &[8]),
        ("netbios_name_server = [\"192.0.2.1\"]", 44, &[192, 0, 2, 1]),
        ("static_route = [[\"10.0.0.1\", \"192.0.2.1\"]]", 33, &[10, 0, 0, 1, 192, 0, 2, 1]),
        ("vendor_class_identifier = \"PXEClient\"", 60, b"PXEClient"),
        ("user_class = [\"a\", \"bc\"]", 77, b"\x01a\x02bc"),
        ("directory_agent = { mandatory = true, addresses = [\"192.0.2.1\"] }", 78, &[1, 192, 0, 2, 1]),
        ("tzdb_timezone = \"Europe/Zurich\"", 101, b"Europe/Zurich"),
        ("captive_portal = \"https://example.com/portal\"", 114, b"https://example.com/portal"),
        ("auto_configure = \"do-not-auto-configure\"", 116, &[0]),
        ("sip_servers = [\"sip.example\"]", 120, b"\x00\x03sip\x07example\x00"),
        ("sip_servers = [\"192.0.2.1\"]", 120, &[1, 192, 0, 2, 1]),
        ("client_machine_identifier = \"00112233-4455-6677-8899-aabbccddeeff\"", 97, &UUID),
        ("cablelabs_client_configuration = { primary_dhcp_server = \"192.0.2.1\" }", 122, &[1, 4, 192, 0, 2, 1]),
        ("cablelabs_client_configuration = { 9 = 3, 200 = \"hex:01\" }", 122, &[9, 2, 0, 3, 200, 1, 1]),
        ("vendor_identifying_vendor_class = { 4491 = \"hex:01:02\" }", 124, &[0, 0, 17, 139, 2, 1, 2]),
        ("v4_dnr = [{ name = \"dns.example\" }]", 162, b"\x00\x10\x00\x01\x0d\x03dns\x07example\x00"),
        ("ms_classless_static_route = [{ to = \"10.0.0.0/8\", via = \"192.0.2.1\" }]", 249, &[8, 10, 192, 0, 2, 1]),
        ("wpad = \"http://wpad.example/wpad.dat\"", 252, b"http://wpad.example/wpad.dat"),
        ("pxelinux_reboottime = 30", 211, &[0, 0, 0, 30]),
        (
            "six_rd = { ipv4_mask_length = 8, prefix_length = 32, prefix = \"2001:db8::\", border_relays = \"192.0.2.1\" }",
            212,
            &SIX_RD,
        ),
        // The way out, whatever the type.
        ("log_server = \"hex:01\"", 7, &[1]),
        ("log_server = { hex = \"01:02\" }", 7, &[1, 2]),
        ("230 = { hex = \"0102\" }", 230, &[1, 2]),
        ("vendor_specific_information = \"hex:01:04:c0:00:02:01\"", 43, &[1, 4, 192, 0, 2, 1]),
    ] {
        assert_eq!(data(&pooled(&format!("options = {{ {written} }}")), code), expected, "{written}");
    }
}

const UUID: [u8; 17] = [0, 0, 17, 34, 51, 68, 85, 102, 119, 136, 153, 170, 187, 204, 221, 238, 255];
const SIX_RD: [u8; 22] = [8, 32, 32, 1, 13, 184, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 192, 0, 2, 1];

#[test]
fn rfc9463_a_resolver_with_parameters() {
    let text = pooled(
        "[[subnet.options.v4_dnr]]\npriority = 2\nname = \"dns.example\"\naddresses = [\"192.0.2.53\"]\n\
         parameters = { alpn = [\"dot\", \"h2\"], port = 853, dohpath = \"/q{?dns}\", key9 = \"hex:01\" }",
    );
    let expected = b"\x00\x37\x00\x02\x0d\x03dns\x07example\x00\x04\xc0\x00\x02\x35\
                     \x00\x01\x00\x07\x03dot\x02h2\x00\x03\x00\x02\x03\x55\x00\x07\x00\x08/q{?dns}\x00\x09\x00\x01\x01";
    assert_eq!(data(&text, 162), expected);
}

#[test]
fn an_option_with_a_value_of_another_type_says_what_it_takes() {
    for (written, underlined, message, mend) in [
        ("log_server = true", "true", "option `log_server` takes addresses", "log_server = [\"192.0.2.1\""),
        ("log_server = [\"192.0.2.1\", \"x\"]", "\"x\"", "option `log_server` takes addresses", "[\"192.0.2.1\""),
        ("log_server = []", "[]", "option `log_server` takes addresses", "[\"192.0.2.1\""),
        ("7 = 5", "5", "option `7` takes addresses", "7 = [\"192.0.2.1\""),
        ("root_path = 5", "5", "option `root_path` takes a text", "root_path = \"text\""),
        ("root_path = \"\"", "\"\"", "option `root_path` takes a text", "root_path = \"text\""),
        ("ip_forwarding = 1", "1", "option `ip_forwarding` takes true or false", "ip_forwarding = true"),
        ("tcp_default_ttl = 0", "0", "option `tcp_default_ttl` takes a whole number between 1 and 255", "= 1"),
        (
            "netbios_node_type = \"hybrid\"",
            "\"hybrid\"",
            "option `netbios_node_type` takes one of \"b-node\", \"p-node\", \"m-node\", \"h-node\"",
            "= \"h-node\"",
        ),
        (
            "directory_agent = { mandatory = 5, addresses = \"192.0.2.1\" }",
            "5",
            "`mandatory` of option `directory_agent` takes true or false",
            "mandatory = true",
        ),
        (
            "directory_agent = { mandatory = true }",
            "{ mandatory = true }",
            "`addresses` is missing in option `directory_agent`",
            "directory_agent = { mandatory = true, addresses = ",
        ),
        (
            "cablelabs_client_configuration = { primary_dhcp_servr = \"192.0.2.1\" }",
            "primary_dhcp_servr",
            "unknown key `primary_dhcp_servr` in option `cablelabs_client_configuration`",
            "did you mean `primary_dhcp_server`?",
        ),
        ("geoconf = \"text\"", "\"text\"", "`text` is not an option's data", "hex:01:02"),
        ("geoconf = \"hex:01\"", "\"hex:01\"", "option `geoconf` takes 16 bytes in hexadecimal", "hex:01:02:03"),
        ("230 = 5", "5", "the type of option 230 is not known, so it takes raw data", "[[option]]"),
        (
            "vendor_identifying_vendor_class = { 4491 = 5 }",
            "5",
            "option `vendor_identifying_vendor_class` takes a table of enterprise number and data",
            "{ 4491 = \"hex:",
        ),
    ] {
        let text = pooled(&format!("options = {{ {written} }}"));
        let column = text.lines().nth(5).unwrap().rfind(underlined).unwrap() + 1;
        let underlined = underlined.trim_end_matches(" =");
        refused(&text, &[(&format!("6:{column}"), underlined, message, mend)]);
    }
}

#[test]
fn an_option_that_is_not_known_or_not_to_be_set_here() {
    for (written, message, mend) in [
        ("log_servers = \"192.0.2.1\"", "unknown option `log_servers`", "did you mean `log_server`?"),
        ("root-path = \"/\"", "unknown option `root-path`", "did you mean `root_path`?"),
        ("nonsense = \"/\"", "unknown option `nonsense`", "[[option]]"),
        ("router = \"192.0.2.1\"", "option `router` cannot be set among `options`", "write `routers`"),
        ("interface_mtu = 1400", "option `interface_mtu` cannot be set among `options`", "write `mtu`"),
        ("client_fqdn = \"hex:01\"", "option `client_fqdn` cannot be set among `options`", "answers with it"),
        ("300 = \"hex:01\"", "`300` is not the number of an option", "from 1 to 254"),
    ] {
        let key = written.split(' ').next().unwrap();
        refused(&pooled(&format!("options = {{ {written} }}")), &[("6:13", key, message, mend)]);
    }
    refused(
        &pooled("options = { 7 = \"192.0.2.1\", log_server = \"192.0.2.2\" }"),
        &[("6:30", "log_server", "option 7 is given twice: by its number, and by its name", "take one")],
    );
}

#[test]
fn an_option_of_ones_own_has_a_name_and_a_type() {
    let definitions = "[[option]]\nname = \"site_code\"\ncode = 230\ntype = \"u16\"\n\
                       [[option]]\nname = \"phones\"\ncode = 176\ntype = \"address\"\narray = true\n\
                       [[option]]\nname = \"menu\"\ncode = 231\ntype = \"suboptions\"\n";
    let with = |options: &str| pooled(&format!("options = {{ {options} }}\n{definitions}"));
    assert_eq!(data(&with("site_code = 700"), 230), [2, 188]);
    assert_eq!(data(&with("230 = 700"), 230), [2, 188], "by its number too");
    assert_eq!(data(&with("phones = [\"192.0.2.1\"]"), 176), [192, 0, 2, 1], "more than the registry knows of it");
    assert_eq!(data(&with("menu = { 1 = \"text:a\", 2 = \"u8:7\" }"), 231), b"\x01\x01a\x02\x01\x07");
    refused(
        &with("site_code = \"x\""),
        &[("6:25", "\"x\"", "option `site_code` takes a whole number between 0 and 65535", "site_code = 1")],
    );
}

#[test]
fn definitions_that_cannot_be() {
    for (definition, place, underlined, message, mend) in [
        ("name = \"x\"\ncode = 230\ntype = \"u64\"", "10:8", "\"u64\"", "\"u64\" is not a value of `type`", "u32"),
        (
            "name = \"Site-Code\"\ncode = 230\ntype = \"u8\"",
            "8:8",
            "\"Site-Code\"",
            "`Site-Code` is not a name for an option",
            "site_code",
        ),
        (
            "name = \"x\"\ncode = 230\ntype = \"empty\"",
            "10:8",
            "\"empty\"",
            "the option `x` has no data, and an option without data is not sent",
            "such as bool",
        ),
        ("name = \"x\"\ncode = 255\ntype = \"u8\"", "9:8", "255", "255 is not the number of an option", "224 to 254"),
        (
            "name = \"x\"\ncode = 3\ntype = \"u8\"",
            "9:8",
            "3",
            "option 3 cannot be defined: the server knows what to do with it",
            "224 to 254",
        ),
        (
            "name = \"x\"\ncode = 82\ntype = \"u8\"",
            "9:8",
            "82",
            "option 82 cannot be defined: the server knows what to do with it",
            "224 to 254",
        ),
        (
            "name = \"root_path\"\ncode = 230\ntype = \"u8\"",
            "8:8",
            "\"root_path\"",
            "`root_path` is the name of option 17",
            "another name",
        ),
        (
            "name = \"x\"\ncode = 230\ntype = \"text\"\narray = true",
            "11:9",
            "true",
            "an option of this type has one value",
            "take it out",
        ),
        (
            "name = \"x\"\ncode = 1\ntype = \"text\"\nvendor = \"a\"\nenterprise = 5",
            "12:14",
            "5",
            "an [[option]] has `vendor` or `enterprise`, not both",
            "option 125",
        ),
        ("name = \"x\"\ntype = \"text\"", "7:1", "[[option]]", "`code` is missing in [[option]]", "add `code`"),
    ] {
        refused(&and(&format!("[[option]]\n{definition}\n")), &[(place, underlined, message, mend)]);
    }
    let one = |name: &str, code: u8| format!("[[option]]\nname = \"{name}\"\ncode = {code}\ntype = \"u8\"\n");
    refused(
        &and(&format!("{}{}", one("x", 230), one("x", 231))),
        &[("12:8", "\"x\"", "the option `x` is defined twice", "take one")],
    );
    refused(
        &and(&format!("{}{}", one("x", 230), one("y", 230))),
        &[("13:8", "230", "option 230 is defined twice", "take one")],
    );
}

/// What the only subnet gives to clients of certain vendors.
fn vendors(items: &str) -> VendorOptions {
    config(&pooled(&format!("vendor = [{items}]\n{DEFINITIONS}"))).dhcp.subnets[0].scope.vendor.clone()
}

const DEFINITIONS: &str = "[[option]]\nname = \"controller\"\ncode = 241\ntype = \"address\"\narray = true\nvendor = \"ACME\"\n\
                           [[option]]\nname = \"mode\"\ncode = 1\ntype = \"u8\"\nenterprise = 4491\n";

#[test]
fn options_by_vendor_have_the_names_of_that_vendor() {
    let microsoft = "{ identifier = \"MSFT 5.0\", options = { disable_netbios = \"disabled\", \
                     release_on_shutdown = \"yes\", default_router_metric_base = 20 } }";
    let data = [1, 4, 0, 0, 0, 2, 2, 4, 0, 0, 0, 1, 3, 4, 0, 0, 0, 20];
    let class = VendorClass::Is(b"MSFT 5.0"[..].into());
    assert_eq!(vendors(microsoft).classes, [(class, data[..].into())]);
    let pxe = "{ prefix = \"PXEClient\", options = { discovery_control = 8, menu_prompt = { timeout = 3, prompt = \"F8\" } } }";
    let class = VendorClass::StartsWith(b"PXEClient"[..].into());
    assert_eq!(vendors(pxe).classes, [(class, b"\x06\x01\x08\x0a\x03\x03F8"[..].into())]);
    let own = "{ identifier = \"ACME.AP\", options = { controller = \"192.0.2.1\", 2 = \"hex:07\" } }";
    assert_eq!(&*vendors(own).classes[0].1, [2, 1, 7, 241, 4, 192, 0, 2, 1]);
    let enterprises = "{ enterprise = 4491, options = { mode = 3 } }, { enterprise = 9, options = { 5 = \"text:a\" } }";
    assert_eq!(vendors(enterprises).enterprises, [(4491, [1, 1, 3][..].into()), (9, [5, 1, b'a'][..].into())]);
}

#[test]
fn options_by_vendor_in_dhcp_hold_for_every_subnet() {
    let text = pooled("[dhcp]\nvendor = [{ enterprise = 9, options = { 5 = \"text:a\" } }]");
    assert_eq!(config(&text).dhcp.scope.vendor.enterprises.len(), 1);
}

#[test]
fn vendors_that_cannot_be() {
    let long = format!("{{ enterprise = 9, options = {{ 1 = \"text:{0}\", 2 = \"text:{0}\" }} }}", "x".repeat(200));
    let too_long = format!("{{ enterprise = 9, options = {{ 1 = \"text:{}\" }} }}", "x".repeat(256));
    let underlined = format!("\"text:{}\"", "x".repeat(256));
    for (item, underlined, message, mend) in [
        (
            "{ options = { 1 = \"hex:01\" } }",
            "{ options = { 1 = \"hex:01\" } }",
            "an item of `vendor` does not say for whom its options are",
            "identifier = ",
        ),
        ("{ identifier = \"a\" }", "{ identifier = \"a\" }", "`options` is missing in `vendor`", "options"),
        (
            "{ identifier = \"a\", enterprise = 7, options = { 1 = \"hex:01\" } }",
            "7",
            "an item of `vendor` has one of `identifier`, `prefix` and `enterprise`",
            "two items",
        ),
        (
            "{ identifier = \"MSFT 5.0\", options = { disable_netbois = 1 } }",
            "disable_netbois",
            "unknown option `disable_netbois`",
            "did you mean `disable_netbios`?",
        ),
        (
            "{ identifier = \"MSFT 5.0\", options = { disable_netbios = true } }",
            "true",
            "option `disable_netbios` takes one of \"enabled\", \"disabled\"",
            "disable_netbios = ",
        ),
        (
            "{ prefix = \"a\", options = { 1 = \"hex:01\" } }, { prefix = \"a\", options = { 2 = \"hex:01\" } }",
            "\"a\"",
            "two items of `vendor` are for the same clients",
            "one item",
        ),
        (
            "{ identifier = \"a\", options = { 255 = \"hex:01\" } }",
            "255",
            "sub-option 255 cannot be set",
            "from 1 to 254",
        ),
        ("{ enterprise = 9, options = { 0 = \"hex:01\" } }", "0 =", "sub-option 0 cannot be set", "from 1 to 254"),
        (&long, "9", "the options of enterprise 9 have 404 bytes together", "255"),
        (&too_long, &underlined, "the sub-option `1` has 256 bytes", "255"),
    ] {
        let text = pooled(&format!("vendor = [{item}]"));
        let column = text.lines().nth(5).unwrap().rfind(underlined).unwrap() + 1;
        let underlined = underlined.trim_end_matches(" =");
        refused(&text, &[(&format!("6:{column}"), underlined, message, mend)]);
    }
}
