//! Directories and patterns: which files they stand for, looked up anew while a mesh runs.
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use super::actor::Actor;
use super::sources::{GivenSource, LayerFile, Sources, argument};
use crate::engine::Level;
use crate::format::FileArgument;
use crate::native::file;
use crate::native::watch::WatchOptions;
use crate::value::Str;

/// Files that are to be looked up again.
#[derive(Clone, Debug)]
pub(super) struct Listing {
    files: Vec<PathBuf>,
    sources: Vec<GivenSource>,
}

impl Listing {
    /// What of these arguments stands for whatever there is; none where every one names a file.
    pub(super) fn of(files: &[PathBuf], sources: &[GivenSource]) -> Option<Listing> {
        let listing = Listing { files: files.to_vec(), sources: sources.to_vec() };
        (!listing.roots().is_empty()).then_some(listing)
    }

    /// The directories that are looked into.
    fn roots(&self) -> Vec<PathBuf> {
        let files = self.files.iter().filter_map(|path| argument(path.clone()).ok().map(|(_, file)| file));
        files.chain(self.sources.iter().filter_map(|given| given.spec.file())).filter_map(|file| root(&file)).collect()
    }

    /// The directory in which a file was found; none where it was named itself.
    fn root_of(&self, path: &Path) -> Option<PathBuf> {
        let is_named = |given: &PathBuf| argument(given.clone()).is_ok_and(|(given, _)| given == path);
        let is_source = |given: &GivenSource| given.spec.file().is_some_and(|file| Path::new(&file.path) == path);
        if self.files.iter().any(is_named) || self.sources.iter().any(is_source) {
            return None;
        }
        self.roots().into_iter().find(|root| root == Path::new(".") || path.starts_with(root))
    }

    /// The files that there are now; none where a directory is away, which says nothing of the files in it.
    fn look(&self) -> Option<Vec<LayerFile>> {
        if !self.roots().iter().all(|root| root.is_dir()) {
            return None;
        }
        Sources::of(self.files.clone(), self.sources.clone(), true).ok().map(|found| found.layers)
    }
}

/// The directory that an argument looks into, if it names more than one file.
fn root(file: &FileArgument) -> Option<PathBuf> {
    let path = Path::new(&file.path);
    if path.is_dir() {
        return Some(path.to_owned());
    }
    if !file.path.contains(['*', '?']) || path.exists() {
        // A directory that is away looks like a file without a format.
        return (!path.exists() && file.format().is_err()).then(|| path.to_owned());
    }
    let plain = path.components().take_while(|part| !part.as_os_str().to_string_lossy().contains(['*', '?']));
    let plain: PathBuf = plain.collect();
    Some(if plain.as_os_str().is_empty() { PathBuf::from(".") } else { plain })
}

/// Looks again and again, and tells what there is once it differs. Files that are gone are believed to be after a while only:
/// many programs write a file by taking the old one away first.
pub(super) fn follow(listing: Listing, known: &[LayerFile], watch: WatchOptions, sender: mpsc::Sender<Vec<LayerFile>>) {
    let mut told: Vec<Str> = ids(known);
    let every = watch.poll.max(Duration::from_millis(20));
    tokio::spawn(async move {
        let mut differs: Option<(Vec<Str>, Instant)> = None;
        while !sender.is_closed() {
            tokio::time::sleep(every.min(watch.cap)).await;
            let look = listing.clone();
            let Ok(Some(found)) = tokio::task::spawn_blocking(move || look.look()).await else { continue };
            let now = ids(&found);
            if now == told {
                differs = None;
                continue;
            }
            let kept: BTreeSet<&Str> = now.iter().collect();
            let is_less = told.iter().any(|id| !kept.contains(id));
            let since = match &differs {
                Some((other, since)) if *other == now => *since,
                _ => differs.insert((now.clone(), Instant::now())).1,
            };
            if is_less && since.elapsed() < watch.cap {
                continue;
            }
            if sender.send(found).await.is_err() {
                return;
            }
            told = now;
            differs = None;
        }
    });
}

fn ids(files: &[LayerFile]) -> Vec<Str> {
    files.iter().map(|file| file.id.clone()).collect()
}

impl Actor {
    /// Whether a file that is gone may be none of the sources any more: the next look at its directory says.
    pub(super) fn may_be_delisted(&self, at: usize) -> bool {
        let root = self.layers.get(at).and_then(|layer| self.listing.as_ref()?.root_of(&layer.path));
        root.is_some_and(|root| root.is_dir())
    }

    /// Takes what directories and patterns stand for now.
    pub(super) fn take_listing(&mut self, found: Vec<LayerFile>) {
        let is_in = |files: &[LayerFile], id: &Str| files.iter().any(|file| file.id == *id);
        let before = std::mem::replace(&mut self.layers, found.clone());
        let gone: Vec<LayerFile> = before.iter().filter(|file| !is_in(&found, &file.id)).cloned().collect();
        for file in &gone {
            if let Some(watcher) = &self.watcher
                && !self.bound.values().any(|bound| *bound == file.path)
            {
                let _ = watcher.unwatch(&file.path); // fails where the watcher has ended, and with it the mesh
            }
            self.logged.remove(file.id.as_str());
            self.stale_since.remove(&file.id);
            self.log_line(Level::Info, &format!("{}: is gone, and no source any more", file.id));
        }
        let gone: Vec<Str> = ids(&gone);
        let order: Vec<(Str, i32)> = found.iter().map(|file| (file.id.clone(), file.priority)).collect();
        let now = self.clock.now();
        self.driver.engine_mut().handle_sources(&self.shared.document, &gone, &order, now);
        for (at, file) in found.iter().enumerate().filter(|(_, file)| !is_in(&before, &file.id)) {
            self.log_line(Level::Info, &format!("{}: is a source from now on", file.id));
            match &self.watcher {
                // The watcher tells the first content once it holds still.
                Some(watcher) => _ = watcher.watch(&file.path),
                None => self.take_layer(at, file::read_regular(&file.path)),
            }
        }
    }
}
