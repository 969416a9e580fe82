//! What has to hold of one instance at any time.

use confmesh::canonical::content_hash;

use super::generate::path;
use super::host::name;
use super::oracle::{listed, still_listed};
use super::withhold::REFERS;
use super::world::World;
use super::{Checked, Property, violated};

impl World {
    /// Compares what an instance shows with what it has to show.
    pub(crate) fn check(&mut self, at: usize) -> Checked {
        let host = &self.hosts[at];
        let Some(snapshot) = host.engine.as_ref().and_then(|engine| engine.snapshot(&name())) else { return Ok(()) };
        let Some(known) = host.known.clone() else {
            // What the file says is in force until there is a document.
            let refers = snapshot.explain(&path(REFERS)).and_then(|found| found.winner);
            let as_written = refers.map(|winner| snapshot.value.with(&path(REFERS), winner.value));
            self.hosts[at].in_force = as_written.unwrap_or_else(|| snapshot.value.clone());
            return Ok(());
        };
        let checked = Some((known.clone(), host.floor.clone(), snapshot.revision));
        if host.checked == checked {
            return Ok(());
        }
        if let Some(missing) = self.history.missing(&known) {
            return violated(Property::Durability, format!("instance {at}: {missing}"));
        }
        let expected = self.history.expected(&known);
        self.comparisons += 1;
        self.check_in_force(at, &snapshot.value, &expected.value)?;
        let status = self.hosts[at].engine.as_ref().map(|engine| engine.status()).unwrap_or_default();
        let Some(status) = status.first() else { return violated(Property::Other, "no status") };
        if status.shared_hash != Some(content_hash(&expected.value)) {
            return violated(Property::Oracle, format!("instance {at} reports another hash than that of its document"));
        }
        let conflicts = still_listed(&expected.conflicts, &self.hosts[at].floor);
        if listed(&status.disagreements) != conflicts {
            let what = format!("instance {at} lists {:?}, has to list {:?}", listed(&status.disagreements), conflicts);
            return violated(Property::Oracle, what);
        }
        self.hosts[at].checked = checked;
        Ok(())
    }
}
