//! One file of TOML to a checked configuration, with every fault at once: line, column and the mend.
//!
//! Reading order: [`mod@file`] (text to tables and keys, `v1` being the format; unknown keys and wrong types are found
//! here), `resolve` (tables to values, each checked alone and against the others), [`settings`] (what comes out),
//! [`fault`] (what is said about what is wrong), [`hidden`] (a text to be edited without its secrets), `paths` (what files a text names), `derive` (a configuration from one
//! interface), [`difference`] (what leads from one configuration to another, in words) and [`effects`] (what that does to
//! leases).
//!
//! Architecture Invariant: this crate opens no file and asks no system. The text comes in; secrets in files of
//! their own are read through [`ReadSecret`].

pub mod beside;
mod derive;
pub mod difference;
pub mod effects;
pub mod fault;
pub mod file;
pub mod hidden;
mod paths;
mod resolve;
pub mod settings;

pub use derive::{Derived, Refused};
pub use fault::{Fault, Faults, Severity, render};
pub use paths::{NamedPath, named_paths};
pub use resolve::{ReadSecret, own_key, parse_duration};
pub use settings::Config;

/// A file that can be served with.
#[derive(Clone, Debug)]
pub struct Checked {
    /// What it comes to.
    pub config: Config,
    /// What is probably not meant.
    pub warnings: Faults,
}

/// The text of a file as it was read; TOML is UTF-8.
///
/// # Errors
/// Where it is not. To draw the fault, take [`String::from_utf8_lossy`] of the bytes as the source.
pub fn decode<'b>(bytes: &'b [u8], file_name: &str) -> Result<&'b str, Faults> {
    std::str::from_utf8(bytes).map_err(|error| {
        let at = error.valid_up_to();
        let fault = Fault {
            severity: Severity::Fault,
            span: fault::Span { start: at, end: at },
            message: "the file is not text in UTF-8".to_owned(),
            label: "from here on".to_owned(),
            mend: "save it as UTF-8 in your editor; is it the file you meant?".to_owned(),
            related: None,
        };
        Faults { file: file_name.to_owned(), list: vec![fault] }
    })
}

/// A configuration's text with every value of a `secret` in stars, and the addresses of hooks but for their hosts: for files
/// that leave the machine.
#[must_use]
pub fn without_secrets(text: &str) -> String {
    fault::without_addresses(&fault::without_secrets(text))
}

/// Checks `text`, the contents of the file `file_name`; `secrets` reads the files that hold keys.
///
/// # Errors
/// Everything that is wrong with the file, warnings among it.
pub fn check(text: &str, file_name: &str, secrets: &dyn ReadSecret) -> Result<Checked, Faults> {
    let mut findings = fault::Findings::default();
    let mut file = file::read(text, &mut findings);
    beside::gather(&mut file, &mut findings);
    let mut config = resolve::resolve(&file, secrets, &mut findings);
    show(&mut config, &file, beside::Text { name: file_name, text });
    let faults = findings.into_faults(file_name, text);
    if faults.refuse() { Err(faults) } else { Ok(Checked { config, warnings: faults }) }
}

/// What the page shows of the file.
fn show(config: &mut Config, file: &file::v1::File, main: beside::Text<'_>) {
    if let Some(web) = &mut config.web {
        let keys = file.key.iter().filter_map(|key| Some(key.value.secret.as_ref()?.span));
        let users = file.web.user.iter().filter_map(|user| Some(user.value.password_hash.as_ref()?.span));
        let tokens = file.web.token.iter().filter_map(|token| Some(token.value.token_hash.as_ref()?.span));
        let signing = file.hook.iter().filter_map(|hook| Some(hook.value.secret.as_ref()?.span));
        let remarks = fault::secrets_of_comments(main.text).map(|(_, span)| span);
        let places = keys.chain(users).chain(tokens).chain(signing).chain(remarks);
        let text = resolve::web::without_secrets(main.text, places.collect());
        web.text = fault::without_addresses(&text).into();
        web.file = main.name.into();
    }
}
