//! Whom lease events are told outside of this server.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::keys::ReadSecret;
use super::scalars::finite_seconds;
use crate::fault::Findings;
use crate::file::At;
use crate::file::v1;
use crate::settings::{HookEvent, HookSecret, HookSettings, HookTarget};

/// How long one delivery may take, in seconds.
const TIMEOUT_SECS: u32 = 10;
/// How often a delivery that failed is tried again.
const RETRIES: u32 = 5;
/// Events that wait at most.
const QUEUE: usize = 1_000;
const QUEUE_MAX: u32 = 100_000;
/// The shortest secret, in octets: HMAC-SHA256 is as good as what it is keyed with.
const SECRET_OCTETS_MIN: usize = 16;

pub(super) fn read(written: &[At<v1::Hook>], secrets: &dyn ReadSecret, findings: &mut Findings) -> Vec<HookSettings> {
    let mut hooks: Vec<HookSettings> = Vec::new();
    for at in written {
        let hook = &at.value;
        let Some(target) = target(at, findings) else { continue };
        let name = hook.name.as_ref().map(|at| at.value.0.trim().to_owned()).unwrap_or_else(|| target.shown());
        if hooks.iter().any(|other| other.name == name) {
            let span = hook.name.as_ref().map_or(at.span, |at| at.span);
            findings.fault(
                span,
                format!("there are two hooks called `{name}`"),
                "called so again",
                "give each a `name` of its own, so that the log can tell which is meant",
            );
        }
        let queue = hook.queue.as_ref().map_or(QUEUE, |at| {
            if !(1..=QUEUE_MAX).contains(&at.value) {
                findings.fault(
                    at.span,
                    format!("{} events cannot wait", at.value),
                    "out of range",
                    format!("write a number from 1 to {QUEUE_MAX}"),
                );
            }
            at.value as usize
        });
        hooks.push(HookSettings {
            name,
            events: events(hook, findings),
            secret: secret(hook, &target, secrets, findings),
            target,
            timeout_secs: hook
                .timeout
                .as_ref()
                .and_then(|at| finite_seconds(at, "timeout", findings))
                .unwrap_or(TIMEOUT_SECS),
            retries: hook.retries.unwrap_or(RETRIES).min(20),
            queue,
        });
    }
    hooks
}

fn target(at: &At<v1::Hook>, findings: &mut Findings) -> Option<HookTarget> {
    match (&at.value.url, &at.value.command) {
        (Some(url), None) => {
            let text = url.value.0.trim();
            let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
            let has_host = rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with(['/', ':', '@']));
            if !has_host || text.contains(char::is_whitespace) {
                findings.fault(
                    url.span,
                    format!("`{text}` is not an address that events could be sent to"),
                    "not an HTTP address",
                    "write it as \"https://inventory.example/leases\"",
                );
            }
            Some(HookTarget::Url(text.to_owned()))
        }
        (None, Some(command)) => {
            let words: Vec<String> = command.value.iter().map(|word| word.value.0.clone()).collect();
            if words.first().is_none_or(|program| !program.starts_with('/')) {
                findings.fault(
                    command.span,
                    "a command begins with a program's whole path",
                    "not a path from `/` on",
                    "write it as [\"/usr/local/bin/on-lease\", \"an argument\"]; no shell reads it",
                );
            }
            Some(HookTarget::Command(words.first().map(PathBuf::from)?, words[1..].to_vec()))
        }
        (Some(_), Some(command)) => {
            findings.fault(
                command.span,
                "a hook has `url` or `command`, not both",
                "there is a `url` already",
                "make two hooks of it, each a [[hook]]",
            );
            None
        }
        (None, None) => {
            findings.absent(
                at.span,
                "the hook tells nobody",
                "has neither `url` nor `command`",
                "add `url = \"https://inventory.example/leases\"`, or `command = [\"/usr/local/bin/on-lease\"]`",
            );
            None
        }
    }
}

fn events(hook: &v1::Hook, findings: &mut Findings) -> BTreeSet<HookEvent> {
    match &hook.events {
        None => HookEvent::USUAL.into_iter().collect(),
        Some(list) => {
            if list.value.is_empty() {
                findings.fault(
                    list.span,
                    "the hook is told of nothing",
                    "empty",
                    "name events such as \"bound\", or take `events` out",
                );
            }
            list.value.iter().copied().collect()
        }
    }
}

fn secret(
    hook: &v1::Hook,
    target: &HookTarget,
    secrets: &dyn ReadSecret,
    findings: &mut Findings,
) -> Option<HookSecret> {
    let (text, span) = match (&hook.secret, &hook.secret_file) {
        (None, None) => return None,
        (Some(secret), None) => {
            if secrets.configuration_is_open_to_all() {
                findings.warn(
                    secret.span,
                    "every user of this machine can read the secret: the configuration is open to all",
                    "open to all",
                    "take away the right (`chmod o-r` on this file), or write `secret_file` and keep it in a file of its own",
                );
            }
            (secret.value.0.clone(), secret.span)
        }
        (None, Some(file)) => {
            let path = PathBuf::from(&file.value.0);
            match secrets.read_secret(&path) {
                Ok(text) => (text, file.span),
                Err(why) => {
                    findings.fault(
                        file.span,
                        format!("the secret in {} cannot be read: {why}", path.display()),
                        "not read",
                        "make the file with a secret of at least 16 characters, readable for the daemon alone",
                    );
                    return None;
                }
            }
        }
        (Some(_), Some(file)) => {
            findings.fault(
                file.span,
                "a hook has `secret` or `secret_file`, not both",
                "the secret is given already",
                "take one of them out",
            );
            return None;
        }
    };
    let octets = text.trim().as_bytes().to_vec();
    if octets.len() < SECRET_OCTETS_MIN {
        findings.fault(
            span,
            format!("the secret has {} characters: it could be guessed", octets.len()),
            "too short",
            "take at least 16, such as `openssl rand -base64 32` makes",
        );
    }
    if matches!(target, HookTarget::Command(..)) {
        findings.warn(
            span,
            "a command's events are not signed: nobody stands between",
            "without use",
            "take the secret out, or sign what a `url` gets",
        );
    }
    Some(HookSecret(octets))
}
