//! What the daemon gives up before it opens anything.

use config::settings::ServiceSettings;

use super::{and, config, refused};

#[test]
fn it_confines_itself_unless_the_file_says_no() {
    assert_eq!(config(&and("")).service, ServiceSettings { user: None, sandbox: true });
    let told = config(&and("[service]\nuser = \"leasehold\"\nsandbox = \"off\"\n")).service;
    assert_eq!(told, ServiceSettings { user: Some("leasehold".to_owned()), sandbox: false });
}

#[test]
fn a_user_that_cannot_be_one_or_gives_up_nothing() {
    refused(
        &and("[service]\nuser = \"a b\"\n"),
        &[("8:8", "\"a b\"", "`a b` is not the name of a user", "/etc/passwd")],
    );
    refused(
        &and("[service]\nuser = \"root\"\n"),
        &[("8:8", "\"root\"", "root gives up nothing by becoming root", "useradd --system leasehold")],
    );
    refused(
        &and("[service]\nsandbox = \"of\"\n"),
        &[("8:11", "\"of\"", "\"of\" is not a value of `sandbox`", "\"off\"")],
    );
}
