//! What has to hold of one instance at any time.

use confmesh::canonical::{canonical, content_hash};

use super::host::name;
use super::oracle::{listed, still_listed};
use super::world::World;
use super::{Checked, Property, violated};

impl World {
    /// Compares what an instance shows with what it has to show.
    pub(crate) fn check(&mut self, at: usize) -> Checked {
        let host = &self.hosts[at];
        let (Some(engine), Some(known)) = (&host.engine, host.known.clone()) else { return Ok(()) };
        let Some(snapshot) = engine.snapshot(&name()) else { return Ok(()) };
        let checked = Some((known.clone(), host.floor.clone(), snapshot.revision));
        if host.checked == checked {
            return Ok(());
        }
        if let Some(missing) = self.history.missing(&known) {
            return violated(Property::Durability, format!("instance {at}: {missing}"));
        }
        let expected = self.history.expected(&known);
        self.comparisons += 1;
        if snapshot.value != expected.value {
            let (shown, wanted) = (canonical(&snapshot.value), canonical(&expected.value));
            return violated(Property::Oracle, format!("instance {at} shows {shown}, has to show {wanted}"));
        }
        let status = engine.status();
        let Some(status) = status.first() else { return violated(Property::Other, "no status") };
        if status.shared_hash != Some(content_hash(&expected.value)) {
            return violated(Property::Oracle, format!("instance {at} reports another hash than that of its document"));
        }
        let conflicts = still_listed(&expected.conflicts, &host.floor);
        if listed(&status.disagreements) != conflicts {
            let what = format!("instance {at} lists {:?}, has to list {:?}", listed(&status.disagreements), conflicts);
            return violated(Property::Oracle, what);
        }
        self.hosts[at].checked = checked;
        Ok(())
    }
}
