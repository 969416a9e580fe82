//! People who count: each reads a number and writes the next one, only if it is still what was read.

use confmesh::Value;
use confmesh::conflict::Tag;
use confmesh::engine::{Command, WriteTerms};

use super::generate::path;
use super::history::Known;
use super::host::{Wish, name};
use super::world::World;
use super::{Checked, Property, violated};

/// Nobody else writes it.
const PLACE: &str = "n";

impl World {
    /// Somebody counts one up, a few times, on what one instance shows.
    pub(crate) fn count(&mut self) -> Checked {
        let up: Vec<usize> =
            self.hosts.iter().filter(|host| host.is_up() && host.is_replica()).map(|h| h.number).collect();
        if up.is_empty() {
            return Ok(());
        }
        let at = self.counted.pick(&up);
        for _ in 0..=self.counted.below(4) {
            let now = self.hosts[at].now(self.now_ms);
            let host = &mut self.hosts[at];
            let Some(engine) = host.engine.as_mut().filter(|_| host.known.is_some()) else { return Ok(()) };
            let Some(snapshot) = engine.snapshot(&name()) else { return Ok(()) };
            let there = snapshot.value.at(&path(PLACE)).and_then(Value::as_u64).unwrap_or(0);
            let terms = WriteTerms { if_version: engine.version(&name(), &path(PLACE)), ..WriteTerms::default() };
            let request = engine.write(&name(), Command::set(path(PLACE), (there + 1).into()), terms, now);
            host.open.insert(request, Wish::default());
            self.note(|| format!("{at} asks {} to count {} up", request.0, there));
            self.settle(at)?;
        }
        Ok(())
    }

    /// The counter and what an instance lists as lost are what was counted.
    pub(crate) fn counter_agrees(&self, at: usize, known: &Known) -> Checked {
        let counted = self.history.written_at(known, &path(PLACE));
        // Whoever made writes again did so without their conditions, and other rules make numbers of their own.
        let is_plain = counted
            .values()
            .all(|write| write.run.is_some() && matches!(write.tag, Tag::LastWriteWins | Tag::FirstWriteWins));
        if counted.is_empty() || !is_plain || self.swarm.settles() {
            return Ok(());
        }
        let Some(engine) = &self.hosts[at].engine else { return Ok(()) };
        let shown = self.hosts[at].shown_as_written().and_then(|value| value.at(&path(PLACE)).and_then(Value::as_u64));
        let conflicts = engine.conflicts(&name(), true);
        let lost: Vec<_> = conflicts.iter().filter(|found| found.path == path(PLACE)).map(|found| found.lost).collect();
        let told = shown.unwrap_or(0) + lost.iter().map(|lost| lost.updates).sum::<u64>();
        let granted = u64::try_from(counted.len()).unwrap();
        if told > granted || (told < granted && !lost.iter().any(|lost| lost.or_more)) {
            let what = format!("{at} shows {shown:?} and lists {lost:?} as lost of {granted} that were counted");
            return violated(Property::Loss, what);
        }
        Ok(())
    }
}
