//! TSIG keys.

use ddns::settings::{Auth, ZoneServer};

use super::{GOOD, and, config, dns::KEY, refused, warned};

#[test]
fn a_key_that_is_not_defined() {
    let zone = "[[zone]]\nname = \"a.example\"\nserver = \"192.0.2.53\"\nkey = \"kk\"\n";
    refused(&and(zone), &[("10:7", "\"kk\"", "the key `kk` is not defined", "add a [[key]] with `name = \"kk\"`")]);
    refused(&and(&format!("{zone}{KEY}")), &[("10:7", "\"kk\"", "the key `kk` is not defined", "did you mean \"k\"?")]);
    refused(
        &and("[[zone]]\nname = \"a.example\"\nupdate_keys = [\"admin\"]\n"),
        &[("9:16", "\"admin\"", "the key `admin` is not defined", "add a [[key]]")],
    );
}

#[test]
fn a_key_whose_secret_is_none() {
    refused(
        &and("[[key]]\nname = \"k\"\nsecret = \"no base64!\"\n"),
        &[("9:10", "\"no base64!\"", "the secret is not base64", "tsig-keygen")],
    );
    refused(&and("[[key]]\nname = \"k\"\n"), &[("7:1", "[[key]]", "the key `k` has no secret", "add `secret_file")]);
    refused(
        &and("[[key]]\nname = \"k\"\nsecret_file = \"gone.key\"\n[[key]]\nname = \"l\"\nsecret_file = \"bad.key\"\n"),
        &[
            (
                "9:15",
                "\"gone.key\"",
                "the secret of the key cannot be read from gone.key: No such file or directory",
                "let the daemon's user read it",
            ),
            ("12:15", "\"bad.key\"", "the secret is not base64", "tsig-keygen"),
        ],
    );
    refused(
        &and("[[key]]\nname = \"k\"\nsecret = \"MDEyMzQ1Njc4OWFiY2RlZg==\"\nsecret_file = \"good.key\"\n"),
        &[("10:15", "\"good.key\"", "a key has `secret` or `secret_file`, not both", "take one of them out")],
    );
    warned(
        &and("[[key]]\nname = \"k\"\nsecret = \"c2VjcmV0\"\n"),
        &[("9:10", "\"c2VjcmV0\"", "the secret has only 6 bytes, so it can be guessed", "32 bytes")],
    );
}

#[test]
fn a_key_that_is_defined_twice() {
    refused(&and(&format!("{KEY}{KEY}")), &[("11:8", "\"k\"", "the key `k` is defined twice", "take one of them out")]);
}

#[test]
fn an_algorithm_that_is_not_known() {
    refused(
        &and(&format!("{KEY}algorithm = \"hmac-sha3\"\n")),
        &[("10:13", "\"hmac-sha3\"", "\"hmac-sha3\" is not a value of `algorithm`", "did you mean")],
    );
}

#[test]
fn a_key_file_as_tsig_keygen_writes_it() {
    let zone = "[[zone]]\nname = \"a.example\"\nserver = \"192.0.2.53\"\nkey = \"k\"\n";
    for (file, algorithm) in [("good.key", "hmac-sha256"), ("bind.key", "hmac-sha512")] {
        let config = config(&and(&format!("{zone}[[key]]\nname = \"k\"\nsecret_file = \"{file}\"\n")));
        let ZoneServer::Remote { auth: Auth::Tsig(key), .. } = &config.ddns.zones[1].server else {
            panic!("a remote zone")
        };
        assert_eq!(&*key.secret, b"0123456789abcdef0123456789abcdef");
        assert_eq!(key.algorithm.to_string(), algorithm);
    }
}

#[test]
fn keys_that_belong_to_the_other_kind_of_zone() {
    refused(
        &and(&format!("[[zone]]\nname = \"a.example\"\nkey = \"k\"\n{KEY}")),
        &[("9:7", "\"k\"", "`key` signs updates to a `server`, and this zone is embedded", "`update_keys = [...]`")],
    );
    refused(
        &and(&format!(
            "[[zone]]\nname = \"a.example\"\nserver = \"192.0.2.53\"\nkey = \"k\"\nttl = \"1h\"\nupdate_keys = [\"k\"]\n{KEY}"
        )),
        &[
            ("11:7", "\"1h\"", "`ttl` is for embedded zones, and this one has a `server`", "take it out"),
            ("12:16", "\"k\"", "`update_keys` is for embedded zones, and this one has a `server`", "take it out"),
        ],
    );
}

#[test]
fn a_key_without_a_server_in_ddns() {
    refused(
        &format!("[ddns]\nkey = \"k\"\n{KEY}{GOOD}"),
        &[("2:7", "\"k\"", "`key` signs updates to a `server`, and [ddns] names none", "add `server`")],
    );
}
