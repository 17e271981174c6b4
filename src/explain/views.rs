//! An explanation as it goes through the control socket, as `--json` prints it, and as it goes over HTTP.

pub use web::explanation::{Explanation, LeaseStory, Policy, RecordStory, SentFqdn};
