//! Whom lease events are told.

use config::settings::{HookEvent, HookTarget};

use super::{and, config, refused};

#[test]
fn a_hook_has_an_address_or_a_program_and_usual_events() {
    let text = "[[hook]]\nurl = \"https://user:pass@inventory.example:8443/leases?token=x\"\n\
                [[hook]]\nname = \"script\"\ncommand = [\"/usr/local/bin/on-lease\", \"a\"]\nevents = [\"renewed\"]\n\
                timeout = \"3s\"\nretries = 0\nqueue = 7\n";
    let hooks = config(&and(text)).hooks;
    assert_eq!(hooks[0].name, "inventory.example:8443", "neither a password nor a token is shown");
    assert_eq!(hooks[0].events, HookEvent::USUAL.into_iter().collect());
    assert_eq!((hooks[0].timeout_secs, hooks[0].retries, hooks[0].queue), (10, 5, 1_000));
    assert_eq!(hooks[1].target, HookTarget::Command("/usr/local/bin/on-lease".into(), vec!["a".to_owned()]));
    assert_eq!((hooks[1].timeout_secs, hooks[1].retries, hooks[1].queue), (3, 0, 7));
    assert_eq!(hooks[1].events, [HookEvent::Renewed].into());
}

#[test]
fn a_secret_is_never_in_what_is_printed_of_a_hook() {
    let text = "[[hook]]\nurl = \"http://h.example/\"\nsecret = \"a-secret-of-some-length\"\n\
                # secret = 'a-secret-of-last-year'\n";
    let config = config(&and(text));
    assert_eq!(config.hooks[0].secret.as_ref().map(|secret| secret.0.len()), Some(23));
    assert!(!format!("{config:?}").contains("a-secret-of"));
    assert!(!config.web.unwrap().text.contains("a-secret-of"));
    let text = and("[[hook]]\nurl = \"http://user:pass@h.example/?token=x\"\n");
    let shown = super::config(&text).web.unwrap().text;
    assert!(!shown.contains("pass@") && !shown.contains("token"), "{shown}");
}

#[test]
fn hooks_that_are_wrong() {
    refused(&and("[[hook]]\n"), &[("7:1", "[[hook]]", "the hook tells nobody", "add `url = ")]);
    refused(
        &and("[[hook]]\nurl = \"inventory.example\"\n"),
        &[(
            "8:7",
            "\"inventory.example\"",
            "`inventory.example` is not an address that events could be sent to",
            "https://",
        )],
    );
    refused(
        &and("[[hook]]\ncommand = [\"on-lease\"]\n"),
        &[("8:11", "[\"on-lease\"]", "a command begins with a program's whole path", "no shell reads it")],
    );
    refused(
        &and("[[hook]]\nurl = \"http://h/\"\ncommand = [\"/bin/true\"]\n"),
        &[("9:11", "[\"/bin/true\"]", "a hook has `url` or `command`, not both", "make two hooks of it")],
    );
    refused(
        &and("[[hook]]\nurl = \"http://h/\"\nevents = []\nqueue = 0\nsecret = \"short\"\n"),
        &[
            ("9:10", "[]", "the hook is told of nothing", "take `events` out"),
            ("10:9", "0", "0 events cannot wait", "from 1 to 100000"),
            ("11:10", "\"short\"", "the secret has 5 characters: it could be guessed", "openssl rand"),
        ],
    );
    refused(
        &and("[[hook]]\nurl = \"http://h/\"\n[[hook]]\nurl = \"http://h/other\"\n"),
        &[("9:1", "[[hook]]", "there are two hooks called `h`", "give each a `name`")],
    );
}
