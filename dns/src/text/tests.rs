#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;

/// The data of a record written without quotes and comments, in hexadecimal.
fn read(rtype: &str, text: &str) -> Result<String, TextError> {
    let words: Vec<Word<'_>> = text.split_whitespace().map(|text| Word { text, quoted: false }).collect();
    let rdata = rdata_from_words(rtype.parse().unwrap(), &words, &"example".parse().unwrap())?;
    Ok(rdata.0.iter().map(|octet| format!("{octet:02x}")).collect())
}

#[test]
fn rfc1876_4_the_rfcs_examples_of_places() {
    assert_eq!(
        read("LOC", "42 21 54 N 71 06 18 W -24m 30m").unwrap(),
        "00331613".to_owned() + "89172dd0" + "70be15f0" + "00988d20"
    );
    assert_eq!(read("LOC", "42 21 43.952 N 71 5 6.344 W -24m 1m 200m 10m").unwrap().len(), 32);
    assert_eq!(read("LOC", "91 N 0 E 0").unwrap_err().word, 0);
    assert_eq!(read("LOC", "1 N 0 E").unwrap_err().word, 4);
}

#[test]
fn rfc3597_5_unknown_types_are_octets_and_known_types_may_be() {
    assert_eq!(read("TYPE65280", r"\# 4 0A00 0001").unwrap(), "0a000001");
    assert_eq!(read("A", r"\# 4 0A000001").unwrap(), "0a000001");
    assert_eq!(read("TYPE65280", r"\# 0").unwrap(), "");
    assert_eq!(read("A", r"\# 3 0A0000").unwrap_err().word, 0, "not an address");
    assert_eq!(read("TYPE65280", r"\# 4 0A00").unwrap_err().word, 1);
    assert_eq!(read("TYPE65280", r"\# 1 0").unwrap_err().word, 2);
    assert!(read("TYPE65280", "0A").unwrap_err().message.contains("RFC 3597"));
}

#[test]
fn names_are_relative_to_the_origin_unless_they_end_with_a_dot() {
    let h_example = "01680765".to_owned() + "78616d706c6500";
    assert_eq!(read("NS", "h").unwrap(), h_example);
    assert_eq!(read("NS", "h.example.").unwrap(), h_example);
    assert_eq!(read("NS", "@").unwrap(), h_example[4..]);
    // A dot after a backslash is a part of the label.
    assert_eq!(read("NS", r"h\.").unwrap(), "02682e0765".to_owned() + "78616d706c6500");
}

#[test]
fn the_word_that_is_wrong_is_told() {
    for (rtype, text, word) in [
        ("A", "10.0.0", 0),
        ("A", "", 0),
        ("A", "10.0.0.1 x", 1),
        ("MX", "10", 1),
        ("MX", "65536 h", 0),
        ("SOA", "a b 1 2 3 4", 6),
        ("DS", "1 RSASHA256 2 0g", 3),
        ("CAA", "0 iss-ue x", 1),
        ("RRSIG", "A 8 1 1 20261301000000 0 1 a AA==", 4),
        ("NSEC", "a NOPE", 1),
        ("TXT", r"\300", 0),
        ("EUI48", "00-00-5e-00-53", 0),
    ] {
        assert_eq!(read(rtype, text).unwrap_err().word, word, "{rtype} {text}");
    }
}

#[test]
fn rfc9460_2_2_parameters_go_out_in_the_order_of_their_keys_each_once() {
    let written = read("HTTPS", r#"1 . port=8443 alpn="h2,h3""#).unwrap();
    assert_eq!(written, "0001".to_owned() + "00" + "0001" + "0006" + "026832" + "026833" + "0003" + "0002" + "20fb");
    assert!(read("SVCB", "1 . port=1 port=2").unwrap_err().message.contains("twice"));
    assert_eq!(read("SVCB", "0 h").unwrap(), "0000".to_owned() + "0168" + "07" + "6578616d706c65" + "00");
}

#[test]
fn times_have_units() {
    assert_eq!(duration_from_text("1w2d3h4m5s"), Ok(604_800 + 2 * 86_400 + 3 * 3_600 + 4 * 60 + 5));
    assert_eq!(duration_from_text("3600"), Ok(3_600));
    assert_eq!(duration_from_text("1H30"), Ok(3_630));
    for bad in ["", "h", "1x", "-1", "99999999999", "1hh"] {
        assert!(duration_from_text(bad).is_err(), "{bad}");
    }
}
