//! The page and the HTTP API.

use super::{and, config, refused};

#[test]
fn the_page_is_on_at_loopback_unless_the_file_turns_it_off() {
    let web = config(&and("")).web.unwrap();
    assert_eq!((web.listen.to_string().as_str(), web.is_written), ("127.0.0.1:8067", false));
    assert_eq!(config(&and("[web]\nenabled = false\n")).web, None);
    let web = config(&and("[web]\nlisten = \"[::1]:80\"\n")).web.unwrap();
    assert_eq!((web.listen.to_string().as_str(), web.is_written), ("[::1]:80", true));
    let web = config(&and("[web]\nlisten = \"127.0.0.2\"\n")).web.unwrap();
    assert_eq!(web.listen.to_string(), "127.0.0.2:8067");
}

#[test]
fn the_page_is_for_nobody_beyond_this_machine_while_it_has_no_login() {
    for (address, reached) in [("0.0.0.0", "0.0.0.0"), ("192.168.30.1:8067", "192.168.30.1"), ("[::]:8067", "::")] {
        let message =
            format!("the page would be open to whoever can reach {reached}: it has neither a login nor TLS yet");
        refused(
            &and(&format!("[web]\nlisten = \"{address}\"\n")),
            &[("8:10", &format!("\"{address}\""), &message, "come from elsewhere through SSH")],
        );
    }
}

#[test]
fn the_page_shows_the_file_without_its_secrets() {
    let key = "[[key]]\nname = \"k\"\nsecret = \"c2VjcmV0IG9mIDMyIGJ5dGVzLCBmb3IgYSB0ZXN0ISE=\"\n";
    let text = config(&and(key)).web.unwrap().text;
    assert!(text.contains("secret = \"(left out)\"") && !text.contains("c2Vjcm"), "{text}");
}
