//! What the daemon gives up before it opens anything.

use crate::fault::Findings;
use crate::file::v1;
use crate::settings::ServiceSettings;

pub(super) fn read(written: &v1::Service, findings: &mut Findings) -> ServiceSettings {
    let user = written.user.as_ref().map(|at| {
        let name = at.value.0.trim();
        let is_name = !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || c == ':' || c == '/');
        if !is_name {
            findings.fault(
                at.span,
                format!("`{}` is not the name of a user", at.value.0),
                "not a user's name",
                "write the name as it stands in /etc/passwd, such as \"leasehold\"",
            );
        } else if name == "root" {
            findings.fault(
                at.span,
                "root gives up nothing by becoming root",
                "root",
                "make a user of its own (useradd --system leasehold) and name it, or take `user` out",
            );
        }
        name.to_owned()
    });
    ServiceSettings { user, sandbox: written.sandbox != Some(v1::Sandbox::Off) }
}
