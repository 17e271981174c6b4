//! Static records as commands change and see them.

use config::Config;
use config::beside::edit::{Edit, NewRecords, RecordKey};
use serde::{Deserialize, Serialize};

use crate::static_records::canonical;

/// A change of the static records of one name and type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordsRequest {
    /// What is done.
    pub act: RecordsAct,
    /// The zone's name.
    pub zone: String,
    /// Where several zones have that name: a view of the one that is meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub view: Option<String>,
    /// The owner, relative to the zone, `@` for the zone itself, or a full name with a final dot.
    pub name: String,
    /// The type.
    pub rtype: String,
    /// The data of each, as in a zone file.
    pub data: Vec<String>,
    /// Time to live in seconds; `None`: the zone's, or that of the records beside it.
    pub ttl_secs: Option<u32>,
}

/// What is done with records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RecordsAct {
    /// Put beside those of their name and type.
    Add,
    /// Put in the place of those of their name and type.
    Set,
    /// Taken out; all of the name and type where no data is told.
    Remove,
}

impl RecordsRequest {
    /// The change of the file beside the main one.
    pub(crate) fn edit(self, config: &Config) -> Edit {
        let Self { act, zone, view, name, rtype, data, ttl_secs } = self;
        let key = canonical(config, RecordKey { zone, view, name, rtype, same: Vec::new() });
        match act {
            RecordsAct::Add => Edit::AddRecords(NewRecords { key, data, ttl_secs }),
            RecordsAct::Set => Edit::PutRecords(NewRecords { key, data, ttl_secs }),
            RecordsAct::Remove => Edit::RemoveRecords(key, data),
        }
    }

    /// In words for the audit log.
    pub(crate) fn words(&self) -> String {
        let Self { act, zone, view, name, rtype, data, .. } = self;
        let view = view.as_ref().map_or_else(String::new, |view| format!(" (view {view})"));
        let act = match act {
            RecordsAct::Add => "add to the records",
            RecordsAct::Set => "put the records",
            RecordsAct::Remove => "take out the records",
        };
        let data = if data.is_empty() { String::new() } else { format!(": {}", data.join(", ")) };
        format!("{act} {rtype} of {name} in the zone {zone}{view}{data}")
    }
}
