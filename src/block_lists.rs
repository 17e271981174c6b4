//! Block lists from files, read again when those change, and from elsewhere (`fetch`), kept in files of our own.

mod fetch;

use std::hash::RandomState;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use config::settings::{Block, BlockSource};
use ipnet::IpNet;
use resolve::Reason;
use resolve::blocking::set::Reach;
use resolve::blocking::{BlockList, BlockLists, Listed, NameSet, lines};
use tracing::{info, warn};

pub(crate) use self::fetch::unpacked;

/// A longer file is read up to here: ten million names.
const FILE_OCTETS_MAX: u64 = 512 << 20;

/// How soon a list that could not be fetched is asked for again; twice as long each time.
const FETCH_AGAIN: Duration = Duration::from_secs(30);

/// The lists as they are now; a task follows each until nobody holds them any more. What is fetched from elsewhere is kept in
/// `copies`. Needs a tokio runtime.
#[must_use]
pub fn follow(blocks: &[Block], copies: &Path) -> Arc<ArcSwap<BlockLists>> {
    let lists = blocks.iter().map(|block| BlockList {
        name: block.name.clone(),
        clients: block.clients.iter().copied().map(IpNet::V4).collect(),
        instead: block.instead,
        code: if block.filtered { Reason::FILTERED } else { Reason::BLOCKED },
        names: Arc::default(),
        exceptions: Arc::new(NameSet::of(&block.except, Reach::Beneath)),
    });
    let lists = BlockLists(lists.collect());
    let published = Arc::new(ArcSwap::from_pointee(lists));
    for (index, block) in blocks.iter().enumerate() {
        // The first time before anybody is answered: a machine that starts should not let through what it blocks.
        let file = match &block.source {
            BlockSource::File(file) => file.clone(),
            BlockSource::Url(_) => fetch::copy_of(copies, &block.name),
        };
        // Of a list that was never fetched nothing is there yet.
        let is_there = matches!(block.source, BlockSource::File(_)) || file.exists();
        let read = is_there.then(|| read(&block.name, &file, None)).flatten();
        let changed = read.as_ref().map(|(_, changed)| *changed);
        if let Some((names, _)) = read {
            publish(&published, index, names);
        }
        tokio::spawn(watch(Arc::downgrade(&published), index, (block.clone(), file), changed));
    }
    published
}

async fn watch(
    published: Weak<ArcSwap<BlockLists>>,
    index: usize,
    (block, file): (Block, PathBuf),
    mut changed: Option<SystemTime>,
) {
    let refresh = Duration::from_secs(u64::from(block.refresh_secs));
    let (mut pause, mut again) =
        if let BlockSource::Url(_) = block.source { (Duration::ZERO, FETCH_AGAIN) } else { (refresh, refresh) };
    loop {
        tokio::time::sleep(pause).await;
        if published.strong_count() == 0 {
            return;
        }
        pause = refresh;
        if let BlockSource::Url(url) = &block.source {
            match fetch::fetch(url, &file).await {
                Ok(_) => again = FETCH_AGAIN,
                Err(why) => {
                    warn!(
                        "the block list {} could not be fetched from {url}: {why}; what it had before counts on",
                        block.name
                    );
                    pause = again.min(refresh);
                    again = (again * 2).min(refresh);
                    continue;
                }
            }
        }
        let (name, file, before) = (block.name.clone(), file.clone(), changed);
        let found = tokio::task::spawn_blocking(move || read(&name, &file, before)).await.ok().flatten();
        let (Some(published), Some((names, at))) = (published.upgrade(), found) else { continue };
        changed = Some(at);
        publish(&published, index, names);
    }
}

fn publish(published: &ArcSwap<BlockLists>, index: usize, names: Listed) {
    let names = Arc::new(names);
    published.rcu(|lists| {
        let mut lists = BlockLists::clone(lists);
        if let Some(list) = lists.0.get_mut(index) {
            list.names = Arc::clone(&names);
        }
        lists
    });
}

/// Whether a text has any name in it: what a server shows in place of a list seldom has.
fn holds_names(text: &[u8]) -> bool {
    let (_, read) = lines::read(text, &RandomState::new());
    read.blocked + read.allowed > 0
}

/// Reads a list when its file has changed. What cannot be read leaves the list as it was, and is told.
fn read(name: &str, file: &Path, before: Option<SystemTime>) -> Option<(Listed, SystemTime)> {
    let open = || -> std::io::Result<Option<(Vec<u8>, SystemTime)>> {
        let opened = std::fs::File::open(file)?;
        let changed = opened.metadata()?.modified()?;
        if before == Some(changed) {
            return Ok(None);
        }
        let mut text = Vec::new();
        opened.take(FILE_OCTETS_MAX).read_to_end(&mut text)?;
        Ok(Some((text, changed)))
    };
    match open() {
        Ok(None) => None,
        Ok(Some((text, changed))) => {
            let (listed, read) = lines::read(&text, &RandomState::new());
            let octets = listed.blocked.octets() + listed.allowed.octets();
            info!(
                "the block list {name} has {} names and {} exceptions, in {} KiB{}",
                read.blocked,
                read.allowed,
                octets / 1024,
                if read.unknown > 0 {
                    format!("; {} lines say nothing about names", read.unknown)
                } else {
                    String::new()
                }
            );
            if read.cut {
                warn!(
                    "the block list {name} is longer than {} names: what is behind them is not read",
                    lines::NAMES_MAX
                );
            }
            Some((listed, changed))
        }
        Err(error) => {
            warn!(
                "the block list {name} cannot be read from {}: {error}; what it had before counts on",
                file.display()
            );
            None
        }
    }
}
