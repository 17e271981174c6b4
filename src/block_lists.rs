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
use resolve::blocking::{BlockList, BlockLists, Listed, NameSet, Trouble, lines};
use tracing::{info, warn};

pub(crate) use self::fetch::unpacked;
use crate::clock::machine_wall_secs;

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
        trouble: None,
        as_of_secs: None,
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
        let read = if is_there { read(&block.name, &file, None) } else { Ok(None) };
        let changed = read.as_ref().ok().and_then(|read| read.as_ref()).map(|(_, changed)| *changed);
        match read {
            Ok(Some((names, at))) => {
                publish(&published, index, names);
                // A copy of what was fetched is as new as that was.
                if let BlockSource::Url(_) = block.source {
                    let since = at.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
                    change(&published, index, |list| list.as_of_secs = Some(since));
                }
            }
            Ok(None) => {}
            Err(why) => tell_trouble(&published, index, &why),
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
                    if let Some(published) = published.upgrade() {
                        tell_trouble(&published, index, &format!("it could not be fetched: {why}"));
                    }
                    pause = again.min(refresh);
                    again = (again * 2).min(refresh);
                    continue;
                }
            }
        }
        let (name, file, before) = (block.name.clone(), file.clone(), changed);
        let found = tokio::task::spawn_blocking(move || read(&name, &file, before)).await;
        let (Some(published), Ok(found)) = (published.upgrade(), found) else { continue };
        match found {
            Ok(Some((names, at))) => {
                changed = Some(at);
                publish(&published, index, names);
            }
            Ok(None) => is_fresh(&published, index),
            Err(why) => tell_trouble(&published, index, &why),
        }
    }
}

fn publish(published: &ArcSwap<BlockLists>, index: usize, names: Listed) {
    let names = Arc::new(names);
    change(published, index, |list| list.names = Arc::clone(&names));
    is_fresh(published, index);
}

/// A list is as new as what it is read from.
fn is_fresh(published: &ArcSwap<BlockLists>, index: usize) {
    let now_secs = machine_wall_secs();
    change(published, index, |list| (list.trouble, list.as_of_secs) = (None, Some(now_secs)));
}

/// Notes why a list is not as new as it should be; since when that is so stays.
fn tell_trouble(published: &ArcSwap<BlockLists>, index: usize, why: &str) {
    let now_secs = machine_wall_secs();
    change(published, index, |list| {
        let since_secs = list.trouble.as_ref().map_or(now_secs, |trouble| trouble.since_secs);
        list.trouble = Some(Trouble { words: why.into(), since_secs });
    });
}

fn change(published: &ArcSwap<BlockLists>, index: usize, change: impl Fn(&mut BlockList)) {
    published.rcu(|lists| {
        let mut lists = BlockLists::clone(lists);
        lists.0.get_mut(index).map(&change);
        lists
    });
}

/// Whether a text has any name in it: what a server shows in place of a list seldom has.
fn holds_names(text: &[u8]) -> bool {
    let (_, read) = lines::read(text, &RandomState::new());
    read.blocked + read.allowed > 0
}

/// Reads a list when its file has changed. What cannot be read leaves the list as it was, and is told: why, in words.
fn read(name: &str, file: &Path, before: Option<SystemTime>) -> Result<Option<(Listed, SystemTime)>, String> {
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
        Ok(None) => Ok(None),
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
            Ok(Some((listed, changed)))
        }
        Err(error) => {
            let why = format!("it cannot be read from {}: {error}", file.display());
            warn!("the block list {name}: {why}; what it had before counts on");
            Err(why)
        }
    }
}
