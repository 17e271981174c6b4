//! Classes of clients, and where they are named.

mod condition;

use std::cell::Cell;

use dhcp::class::{CLASSES_MAX, Class, ClassFault, ClassId, Classes, Condition, Fact, Verdict};
use dhcp::settings::Access;

use super::scope::{self, Wider, With, written};
use crate::fault::{Findings, Span};
use crate::file::At;
use crate::file::kinds::ClassName;
use crate::file::suggest::nearest;
use crate::file::v1;

/// The most classes of a file: two are built in.
const DECLARED_MAX: usize = CLASSES_MAX - 2;
/// The class of every client that has a reservation on its link.
const KNOWN: &str = "known";
/// The class of every other client.
const UNKNOWN: &str = "unknown";

/// The names of a file's classes, in the order in which they are declared. What names one asks here, so that the two
/// that are built in exist only where they are used.
#[derive(Debug, Default)]
pub(super) struct Names {
    list: Vec<(String, Span)>,
    /// Some class's name could not be read, so a name that is not here may have been meant by it.
    unnamed: bool,
    /// How many of the built-in classes are there: none, `known`, or both. They come after those of the file.
    built_in: Cell<usize>,
}

pub(super) fn names(classes: &[At<v1::Class>], findings: &mut Findings) -> Names {
    let mut out = Names::default();
    for at in classes {
        let Some(written) = &at.value.name else {
            out.unnamed = true;
            continue;
        };
        check_name(&written.value.0, "class", written.span, findings);
        if [KNOWN, UNKNOWN].contains(&written.value.0.as_str()) {
            findings.fault(
                written.span,
                format!("the class `{}` is built in", written.value.0),
                "built in",
                format!("take another name, and `match = {{ class = \"{}\" }}` for its clients", written.value.0),
            );
        }
        if let Some((_, earlier)) = out.list.iter().find(|(name, _)| *name == written.value.0) {
            findings
                .fault(
                    written.span,
                    format!("the class `{}` is declared twice", written.value.0),
                    "declared again",
                    "take one of them out, or give it another name",
                )
                .see(*earlier, "declared here first");
        }
        out.list.push((written.value.0.clone(), written.span));
    }
    if let Some((_, span)) = out.list.get(DECLARED_MAX) {
        findings.fault(
            *span,
            format!("there are more than {DECLARED_MAX} classes"),
            "too many",
            "make one of several, with `any` or with lists of values in its condition",
        );
    }
    out
}

/// A name of a class or network that is not letters, digits, hyphens and underscores.
pub(super) fn check_name(name: &str, what: &str, span: Span, findings: &mut Findings) {
    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')) {
        findings.fault(
            span,
            format!("`{name}` cannot be the name of a {what}"),
            "not a name",
            "use letters, digits, hyphens and underscores",
        );
    }
}

impl Names {
    /// The class that `at` names; reported when there is none.
    pub(super) fn get(&self, at: &At<ClassName>, findings: &mut Findings) -> Option<ClassId> {
        let built_in = [KNOWN, UNKNOWN].iter().position(|name| *name == at.value.0);
        if let Some(place) = built_in {
            self.built_in.set(self.built_in.get().max(place + 1));
        }
        let declared = || self.list.iter().position(|(name, _)| *name == at.value.0);
        let found = built_in.map(|place| self.list.len() + place).or_else(declared);
        if found.is_none() && !self.unnamed {
            let names: Vec<&str> = self.list.iter().map(|(name, _)| name.as_str()).chain([KNOWN, UNKNOWN]).collect();
            let mend = match nearest(&at.value.0, &names) {
                Some(name) => format!("did you mean \"{name}\"?"),
                None => format!("add a [[class]] with `name = \"{}\"`", at.value.0),
            };
            findings.absent(at.span, format!("the class `{}` is not declared", at.value.0), "no such class", mend);
        }
        found.and_then(|place| u16::try_from(place).ok()).map(ClassId)
    }

    /// Who may have an address, by `allow` and `deny`.
    pub(super) fn access(
        &self,
        allow: Option<&[At<ClassName>]>,
        deny: Option<&[At<ClassName>]>,
        findings: &mut Findings,
    ) -> Access {
        let mut read = |list: Option<&[At<ClassName>]>| {
            list.unwrap_or_default().iter().filter_map(|at| self.get(at, findings)).collect()
        };
        let access = Access { allow: read(allow), deny: read(deny) };
        for at in deny.unwrap_or_default() {
            if let Some(allowed) = allow.unwrap_or_default().iter().find(|allowed| allowed.value == at.value) {
                let words = format!("the class `{}` is both allowed and denied, and so it is denied", at.value.0);
                findings.warn(at.span, words, "denied", "take it out of one of the two").see(allowed.span, "allowed");
            }
        }
        access
    }

    /// The built-in classes that something named.
    fn built_in(&self) -> impl Iterator<Item = Class> {
        let known = Condition::has(Fact::Reservation);
        let both = [Class::new(KNOWN, known.clone()), Class::new(UNKNOWN, known.negated())];
        both.into_iter().take(self.built_in.get())
    }

    fn span(&self, id: ClassId) -> Span {
        self.list.get(usize::from(id.0)).map_or_else(Span::default, |(_, span)| *span)
    }

    fn name(&self, id: ClassId) -> &str {
        self.list.get(usize::from(id.0)).map_or("", |(name, _)| name)
    }
}

/// The classes of the file, with their conditions. Called when everything else that names one has been read.
/// `everywhere` are the naming keys of `[ddns]`.
pub(super) fn read(
    list: &[At<v1::Class>],
    names: &Names,
    everywhere: v1::NamingKeys<'_>,
    with: With<'_>,
    findings: &mut Findings,
) -> Classes {
    let mut classes: Vec<Class> = Vec::with_capacity(list.len() + 2);
    for at in list.iter().take(DECLARED_MAX) {
        let condition =
            at.value.condition.as_ref().map(|condition| condition::read(condition, names, with.definitions, findings));
        // What is missing is reported where tables and keys are read.
        let wider = Wider { naming: everywhere, ..Wider::default() };
        let (scope, _) = scope::read(written!(at.value), wider, with, findings);
        let (Some(name), Some(condition)) = (&at.value.name, condition) else { continue };
        classes.push(Class { scope, verdict: verdict(&at.value, findings), ..Class::new(&name.value.0, condition) });
    }
    classes.extend(names.built_in());
    if findings.refuses() {
        // Names lead nowhere in such a file.
        return Classes::default();
    }
    Classes::compile(classes).unwrap_or_else(|fault| {
        report(&fault, names, findings);
        Classes::default()
    })
}

fn verdict(written: &v1::Class, findings: &mut Findings) -> Verdict {
    let is_set = |key: &Option<At<bool>>| key.as_ref().is_some_and(|at| at.value);
    match (is_set(&written.drop), is_set(&written.deny)) {
        (true, denied) => {
            if let (true, Some(at)) = (denied, &written.deny) {
                findings.warn(at.span, "`drop` is more than `deny`", "dropped already", "take one of the two out");
            }
            Verdict::Drop
        }
        (false, true) => Verdict::Deny,
        (false, false) => Verdict::Serve,
    }
}

fn report(fault: &ClassFault, names: &Names, findings: &mut Findings) {
    let message = fault.to_string();
    match fault {
        ClassFault::Circle(circle) => {
            let way: Vec<&str> = circle.iter().chain(circle.first()).map(|id| names.name(*id)).collect();
            let span = circle.first().map_or_else(Span::default, |id| names.span(*id));
            let mend = "take `class` out of the condition of one of them";
            findings.fault(span, format!("{message}: {}", way.join(", on ")), "in a circle", mend);
        }
        ClassFault::TooDeep(id) => {
            let mend = "make a class of a part of it, and name that with `class`";
            findings.fault(names.span(*id), message, "nested too deep", mend);
        }
        ClassFault::TooManyTests(id) => {
            findings.fault(names.span(*id), message, "here it is too much", "make the lists of values shorter");
        }
        // Each value and each name was looked at before.
        ClassFault::TooManyClasses(_) | ClassFault::TooLong(..) | ClassFault::NoSuchClass(_) => {
            findings.fault(Span::default(), message, "here", "make the classes fewer and smaller");
        }
    }
}
