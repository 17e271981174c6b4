//! The audit log.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::access::Actor;

/// Which changes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ChangesQuery {
    /// A part of what was done, or of who did it.
    #[serde(default)]
    pub q: String,
    /// Not before, in UTC seconds.
    pub since: Option<u64>,
    /// Not after, in UTC seconds.
    pub until: Option<u64>,
    /// Only before the change of this number, as an earlier answer's `next` said.
    pub before: Option<u64>,
    /// How many to tell, 200 at most.
    #[param(minimum = 1, maximum = 200)]
    pub limit: Option<usize>,
}

/// Changes, the newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Changes {
    /// The changes.
    pub changes: Vec<Change>,
    /// What to ask for `before` to get older ones; absent: there are none.
    pub next: Option<u64>,
}

/// What somebody changed, or tried to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Change {
    /// Counts up.
    pub id: u64,
    /// UTC seconds: when.
    pub at: u64,
    /// Who, as a program reads it.
    pub actor: Actor,
    /// Who, as a person does.
    pub who: String,
    /// What, in words.
    pub what: String,
    /// Why it was not done; absent: it was.
    pub refused: Option<String>,
}
