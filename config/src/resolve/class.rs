//! Classes of clients, and where they are named.

use dhcp::class::{CLASSES_MAX, Class, ClassId, Classes, Condition};
use dhcp::settings::Access;

use crate::fault::{Findings, Span};
use crate::file::At;
use crate::file::kinds::ClassName;
use crate::file::suggest::nearest;
use crate::file::v1;

/// The names of a file's classes, in the order in which they are declared.
#[derive(Debug, Default)]
pub(super) struct Names {
    list: Vec<(String, Span)>,
    /// Some class's name could not be read, so a name that is not here may have been meant by it.
    unnamed: bool,
}

pub(super) fn names(classes: &[At<v1::Class>], findings: &mut Findings) -> Names {
    let mut out = Names::default();
    for at in classes {
        let Some(written) = &at.value.name else {
            out.unnamed = true;
            continue;
        };
        check_name(&written.value.0, "class", written.span, findings);
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
    if let Some((_, span)) = out.list.get(CLASSES_MAX) {
        findings.fault(*span, format!("there are more than {CLASSES_MAX} classes"), "too many", "make fewer classes");
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
    /// The classes, without conditions.
    pub(super) fn classes(&self) -> Classes {
        let nobody = || Condition::Any(Vec::new());
        Classes::compile(self.list.iter().map(|(name, _)| Class::new(name, nobody())).collect()).unwrap_or_default()
    }

    /// The class that `at` names; reported when there is none.
    pub(super) fn get(&self, at: &At<ClassName>, findings: &mut Findings) -> Option<ClassId> {
        let found = self.list.iter().position(|(name, _)| *name == at.value.0);
        if found.is_none() && !self.unnamed {
            let names: Vec<&str> = self.list.iter().map(|(name, _)| name.as_str()).collect();
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
        Access { allow: read(allow), deny: read(deny) }
    }
}
