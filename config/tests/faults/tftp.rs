//! Files that are read by TFTP.

use config::settings::{Listen, TftpSettings};

use super::{and, config, refused};

#[test]
fn none_are_served_unless_the_file_says_so() {
    assert_eq!(config(&and("")).tftp, None);
    let expected = TftpSettings { root: "/srv/tftp".into(), listen: Listen::Interfaces { port: 69 } };
    assert_eq!(config(&and("[tftp]\nroot = \"/srv/tftp\"\n")).tftp, Some(expected));
    let listen = "[tftp]\nroot = \"/srv/tftp\"\nlisten = [\"192.168.30.1\", \"127.0.0.1:6900\"]\n";
    let addresses = ["192.168.30.1:69", "127.0.0.1:6900"].map(|text| text.parse().unwrap());
    assert_eq!(config(&and(listen)).tftp.unwrap().listen, Listen::Addresses(addresses.into()));
}

#[test]
fn a_root_that_is_missing_relative_or_the_whole_machine() {
    refused(&and("[tftp]\n"), &[("7:1", "[tftp]", "`root` is missing in [tftp]", "add `root = ")]);
    refused(
        &and("[tftp]\nroot = \"tftp\"\n"),
        &[("8:8", "\"tftp\"", "`tftp` is not a path from `/` on", "\"/srv/tftp\"")],
    );
    refused(
        &and("[tftp]\nroot = \"/\"\n"),
        &[(
            "8:8",
            "\"/\"",
            "the TFTP root is `/`: every file that the daemon may read could be had by anybody in the subnets",
            "a directory of their own",
        )],
    );
}

#[test]
fn addresses_to_listen_on_are_addresses() {
    refused(
        &and("[tftp]\nroot = \"/srv/tftp\"\nlisten = [\"eth0\"]\n"),
        &[("9:11", "\"eth0\"", "`eth0` is not an IP address with or without a port", "192.0.2.53")],
    );
}
