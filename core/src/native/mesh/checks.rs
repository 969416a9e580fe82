//! The checks that health is made of: whatever is wrong with an instance, its store, its sources or its peers.
use super::status::{Direction, MeshStatus, PeerState};
use crate::clock::MAX_AHEAD_MS;
use crate::engine::SourceState;
use crate::error::{Code, Error};
use crate::native::http::{Check, Health, Verdict};

impl MeshStatus {
    /// Whether requests may be sent to this instance, and what someone should look at.
    pub fn health(&self) -> Health {
        let degraded = |error| (Verdict::Degraded, error);
        let failed = |error| (Verdict::Failed, error);
        Health {
            checks: vec![
                Check::of("document", self.without_a_document().map(failed)),
                Check::of("store", self.store_failure.clone().map(|error| (store_verdict(&error), error))),
                // What was asked to be fresh and is not, nobody should be sent to.
                Check::of("sources", self.broken_sources().map(degraded).chain(self.stale_sources().map(failed))),
                Check::of("valid", self.rejected().map(degraded)),
                Check::of("withheld", self.withheld().map(degraded)),
                Check::of("peers", self.peer_problems().map(degraded).chain(self.out_of_step().map(failed))),
                // What is written here is acknowledged and reaches nobody.
                Check::of("members", self.without_members().map(failed)),
                Check::of("clocks", self.wrong_clocks().map(degraded)),
                Check::of("auth", self.auth.iter().filter_map(|auth| auth.failure.clone()).map(degraded)),
            ],
        }
    }

    /// Documents with nothing in force, or that wait for others to have one.
    fn without_a_document(&self) -> impl Iterator<Item = Error> {
        self.documents.iter().filter_map(|document| {
            let (name, status) = (&document.status.document, &document.status);
            if status.is_unfounded {
                let message = format!("`{name}` is not founded yet: no instance that has it has answered");
                return Some(Error::new(Code::NotReady, message).with_hint("is a peer running that has the document?"));
            }
            (status.revision == 0).then(|| Error::new(Code::NotReady, format!("nothing of `{name}` is in force yet")))
        })
    }

    fn broken_sources(&self) -> impl Iterator<Item = Error> {
        let sources = self.documents.iter().flat_map(|document| &document.status.sources);
        sources.filter_map(|source| match &source.state {
            SourceState::Stale(error) => Some(error.clone()),
            SourceState::Fresh | SourceState::Missing => None,
        })
    }

    /// Sources that are broken for longer than `stale_after`.
    fn stale_sources(&self) -> impl Iterator<Item = Error> {
        let sources =
            self.documents.iter().flat_map(|document| document.stale_ms.iter().map(move |stale| (document, stale)));
        let polled = self.documents.iter().flat_map(|document| &document.remotes);
        let missing = polled.filter_map(|(source, remote)| never_loaded(source, remote));
        let stale = sources.filter_map(|(document, (source, stale_ms))| {
            let remote = document.remotes.get(source);
            // One that was never there is told already.
            if remote.is_some_and(|remote| remote.is_optional || remote.loaded_ms.is_none()) {
                return None;
            }
            let own = remote.and_then(|remote| Some((remote.age_ms, remote.stale_after_ms?)));
            let (stale, after) = match own {
                Some((age_ms, after_ms)) => beyond(age_ms, Some(after_ms))?,
                None => self.beyond(*stale_ms)?,
            };
            let message = format!("`{source}` has been broken for {stale} s, longer than `stale_after` ({after} s)");
            Some(
                Error::new(Code::NotReady, message)
                    .with_hint("its last good content stays in force until it is mended"),
            )
        });
        missing.chain(stale)
    }

    /// That it is in step with nobody for longer than `stale_after`.
    fn out_of_step(&self) -> Option<Error> {
        let (stale, after) = self.beyond(self.out_of_step_ms?)?;
        let message = format!(
            "this instance has been in step with no other one for {stale} s, longer than `stale_after` ({after} s)"
        );
        Some(
            Error::new(Code::NotReady, message)
                .with_hint("what it shows may be old: see `confmesh status` for each peer"),
        )
    }

    /// How long something lasts and how long it may, in seconds, where that is too long.
    fn beyond(&self, ms: u64) -> Option<(f64, f64)> {
        beyond(ms, self.stale_after_ms)
    }

    fn rejected(&self) -> impl Iterator<Item = Error> {
        self.documents.iter().filter_map(|document| Some(document.status.rejected.as_ref()?.to_error()))
    }

    fn withheld(&self) -> impl Iterator<Item = Error> {
        let writes = self.documents.iter().flat_map(|document| &document.status.withheld);
        writes.map(|write| write.withheld.error.clone())
    }

    /// What is wrong with each peer; and with all of them, where none is left.
    fn peer_problems(&self) -> impl Iterator<Item = Error> {
        let is_of_use = |state: PeerState, link: Option<crate::engine::LinkState>| {
            state == PeerState::Connected && link.is_some_and(crate::engine::LinkState::is_sound)
        };
        let dialed = self.peers.iter().filter(|peer| peer.direction == Direction::Dialed).count();
        let is_cut_off = dialed > 0 && !self.peers.iter().any(|peer| is_of_use(peer.state, peer.link));
        let cut_off = is_cut_off.then(|| {
            let message = format!("no other instance is connected: {dialed} dialed, none of them of use");
            let error = Error::new(Code::Unreachable, message).with_hint("see `confmesh status` for each of them");
            self.peers.iter().filter_map(|peer| peer.last_error.clone()).fold(error, Error::with_related)
        });
        let told = self.peers.iter().flat_map(|peer| &peer.problems).cloned();
        cut_off.into_iter().chain(told)
    }

    /// Documents whose writes reach nobody, since no member is there.
    fn without_members(&self) -> impl Iterator<Item = Error> {
        let orphaned = self
            .documents
            .iter()
            .filter(|document| document.status.settling.as_ref().is_some_and(|settling| settling.is_orphaned));
        orphaned.map(|document| {
            let name = &document.status.document;
            let message = format!("this instance is no member of `{name}`, and no member is connected");
            Error::new(Code::NotReady, message).with_hint(
                "connect it to a member: it takes another name there by itself; where none is left `confmesh repair --yes` makes it one",
            )
        })
    }

    /// Clocks of others, and an own one that jumped ahead and left its stamps there.
    fn wrong_clocks(&self) -> impl Iterator<Item = Error> {
        let own = self.documents.iter().filter_map(|document| {
            let ahead = document.status.stamped_ms?.saturating_sub(self.wall_ms);
            (ahead > MAX_AHEAD_MS).then(|| {
                let seconds = ahead / 1_000;
                let message = format!("writes of this instance are stamped {seconds} s ahead of its clock");
                Error::new(Code::Protocol, message).with_hint("synchronise the clocks (NTP)")
            })
        });
        own.chain(self.wrong_peer_clocks())
    }

    fn wrong_peer_clocks(&self) -> impl Iterator<Item = Error> {
        self.peers.iter().filter_map(|peer| {
            let offset = peer.clock?.offset_ms;
            (offset.unsigned_abs() > MAX_AHEAD_MS).then(|| {
                let side = if offset > 0 { "ahead of" } else { "behind" };
                let seconds = offset.unsigned_abs() / 1_000;
                let message = format!("the clock of `{}` is {seconds} s {side} the clock here", peer.address);
                Error::new(Code::Protocol, message).with_hint("synchronise the clocks (NTP)")
            })
        })
    }
}

/// How long something lasts and how long it may, in seconds, where that is too long.
fn beyond(ms: u64, after_ms: Option<u64>) -> Option<(f64, f64)> {
    let seconds = |ms: u64| (ms / 100) as f64 / 10.0;
    after_ms.filter(|after| ms > *after).map(|after| (seconds(ms), seconds(after)))
}

/// That a source has to be there and never was: nobody should rely on a document without it.
fn never_loaded(source: &str, remote: &super::RemoteStatus) -> Option<Error> {
    (remote.loaded_ms.is_none() && !remote.is_optional).then(|| {
        Error::new(Code::NotReady, format!("`{source}` has given no document since the start, and none is kept"))
            .with_hint("where it may be missing say `;optional`")
    })
}

/// A full disk has room again some day; what is read-only or damaged needs somebody.
fn store_verdict(error: &Error) -> Verdict {
    match error.code() {
        Code::ReadOnly | Code::Damaged => Verdict::Failed,
        _ => Verdict::Degraded,
    }
}
