//! Questions to the history: read from its files beside the thread that writes them.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use config::Config;
use dhcp::lease::Lease;
use dhcp::relay_info::Switches;
use store::FileStorage;
use store::history::{Kind, Reader, Record, holder_at};
use web::model::{Past, PastHolder, PastQuery, WINDOW};

use super::{HistoryFeed, directory, views};

/// The history of a running daemon, to be asked.
#[derive(Debug)]
pub struct HistoryDesk {
    /// What is on its way there.
    pub feed: Arc<HistoryFeed>,
    /// The store's directory.
    pub store: PathBuf,
    /// The configuration of now: names for relay agents.
    pub config: Arc<ArcSwap<Config>>,
}

impl HistoryDesk {
    /// A part of the records that are asked for.
    ///
    /// # Errors
    /// What cannot be understood or read, in words.
    pub async fn past(&self, asked: PastQuery) -> Result<Past, String> {
        self.feed.flushed().await;
        let (store, switches) = (self.store.clone(), Arc::clone(&self.config.load().switches));
        blocking(move || past(&store, &asked, &switches)).await
    }

    /// Who had an address at a moment; `lease` is its record now.
    ///
    /// # Errors
    /// What cannot be read, in words.
    pub async fn holder(&self, address: Ipv4Addr, at: u64, lease: Option<Lease>) -> Result<PastHolder, String> {
        self.feed.flushed().await;
        let (store, switches) = (self.store.clone(), Arc::clone(&self.config.load().switches));
        blocking(move || holder(&store, address, at, lease.as_ref(), &switches)).await
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, String> + Send + 'static) -> Result<T, String> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| Err("the history could not be read".to_owned()))
}

/// A part of the records that are asked for, from the files of the store in `store`.
///
/// # Errors
/// What cannot be understood or read, in words.
pub fn past(store: &Path, asked: &PastQuery, switches: &Switches) -> Result<Past, String> {
    let query = views::query(asked)?;
    let after = views::position(&asked.after)?;
    let most = asked.limit.unwrap_or(WINDOW).clamp(1, WINDOW);
    let page = reader(store).newest(&query, after, most).map_err(|error| unreadable(store, &error))?;
    let last = page.records.last().filter(|_| page.more);
    Ok(Past {
        next: last.map(|(position, _)| views::position_text(*position)),
        records: page.records.iter().map(|(_, record)| views::row(record, switches)).collect(),
        damaged: page.damaged,
    })
}

/// Who had an address at a moment (UTC seconds); `lease` is its record now.
///
/// # Errors
/// What cannot be read, in words.
pub fn holder(
    store: &Path,
    address: Ipv4Addr,
    at: u64,
    lease: Option<&Lease>,
    switches: &Switches,
) -> Result<PastHolder, String> {
    let (mut before, mut after) = reader(store).around(address, at).map_err(|error| unreadable(store, &error))?;
    // What stands now is the last that happened, also where renewals were not written each.
    if let Some(now) = lease.map(|lease| Record::new(Kind::Renewed, lease, lease.renewed_at)) {
        if now.at > at {
            after.get_or_insert(now);
        } else if before.as_ref().is_none_or(|before| before.at <= now.at) && after.is_none() {
            before = Some(now);
        }
    }
    Ok(views::holder(address, at, holder_at(at, before.as_ref(), after.as_ref()).as_ref(), switches))
}

fn reader(store: &Path) -> Reader<FileStorage> {
    Reader::new(FileStorage::new(directory(store)))
}

fn unreadable(store: &Path, error: &std::io::Error) -> String {
    format!("the history in {} cannot be read: {error}", directory(store).display())
}
