//! The checks that health is made of: whatever is wrong with an instance, its store, its sources or its peers.
use super::status::{Direction, MeshStatus, PeerState};
use crate::clock::MAX_AHEAD_MS;
use crate::engine::SourceState;
use crate::error::{Code, Error};
use crate::native::http::{Check, Health, Verdict};

/// How many warnings of a document health names; the status has all.
const MOST_WARNINGS: usize = 16;

impl MeshStatus {
    /// Whether requests may be sent to this instance, and what someone should look at.
    pub fn health(&self) -> Health {
        let degraded = |error| (Verdict::Degraded, error);
        let failed = |error| (Verdict::Failed, error);
        let mut health = Health {
            checks: vec![
                Check::of("document", self.without_a_document().map(failed)),
                Check::of("store", self.store_problems()),
                Check::of("sources", self.source_problems()),
                Check::of("valid", self.rejected().chain(self.late_checks()).map(degraded)),
                // What is odd keeps nobody away.
                Check::of("warnings", self.warnings().map(|warning| (Verdict::Passed, warning))),
                Check::of("withheld", self.withheld().map(degraded)),
                Check::of("peers", self.peer_problems().map(degraded).chain(self.out_of_step().map(failed))),
                // What is written here is acknowledged and reaches nobody.
                Check::of("members", self.without_members().map(failed)),
                Check::of("clocks", self.wrong_clocks().map(degraded)),
                Check::of("auth", self.auth.iter().filter_map(|auth| auth.failure.clone()).map(degraded)),
                Check::of("start", self.starting().map(failed)),
            ],
        };
        if !self.notify.is_empty() {
            let problems = self.notify.iter().filter_map(super::notices::NotifyStatus::problem);
            health.checks.push(Check::of("notify", problems.map(degraded)));
        }
        if !self.buses.is_empty() {
            let problems = self.buses.iter().filter_map(super::buses::BusStatus::problem);
            health.checks.push(Check::of("buses", problems.map(degraded)));
        }
        health
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

    /// That it still starts, and what it waits for.
    fn starting(&self) -> Option<Error> {
        let awaited: Vec<String> = self.starting.as_ref()?.iter().map(|id| format!("`{id}`")).collect();
        let message = match awaited.is_empty() {
            true => "the instance is starting".to_owned(),
            false => format!("the instance is starting: it waits for the first answer of {}", awaited.join(", ")),
        };
        Some(Error::new(Code::NotReady, message).with_hint("what need not be there at the start says `;optional`"))
    }

    /// A store that takes no writes, and documents of sources that cannot be kept.
    fn store_problems(&self) -> impl Iterator<Item = (Verdict, Error)> {
        let failure = self.store_failure.clone().map(|error| (store_verdict(&error), error));
        let remotes = self.documents.iter().flat_map(|document| document.remotes.values());
        let unkept = remotes.filter_map(|remote| remote.keep_error.clone());
        failure.into_iter().chain(unkept.map(|error| (Verdict::Degraded, error)))
    }

    /// What is wrong with each source, in one sentence a source.
    fn source_problems(&self) -> impl Iterator<Item = (Verdict, Error)> {
        let sources = self
            .documents
            .iter()
            .flat_map(|document| document.status.sources.iter().map(move |source| (document, source)));
        sources.filter_map(|(document, source)| {
            let remote = document.remotes.get(&source.id);
            let error = match &source.state {
                SourceState::Stale(error) => Some(error),
                SourceState::Fresh | SourceState::Missing => None,
            };
            // A start that waits for it says so.
            if let Some(remote) = remote.filter(|_| self.starting.is_none())
                && remote.loaded_ms.is_none()
                && !remote.is_optional
            {
                return Some((Verdict::Failed, never_loaded(&source.id, error)));
            }
            let stale_ms = document.stale_ms.get(&source.id).copied().unwrap_or(0);
            let beyond = match remote.and_then(|remote| Some((remote.silent_ms, remote.stale_after_ms?))) {
                Some((silent_ms, after_ms)) => beyond(silent_ms, Some(after_ms)),
                None => self.beyond(stale_ms),
            };
            let error = error?;
            // What was asked to be fresh and is not, nobody should be sent to.
            Some(match beyond.filter(|_| !remote.is_some_and(|remote| remote.is_optional)) {
                Some((stale, after)) => {
                    let told = format!("; so for {stale} s, longer than `stale_after` ({after} s)");
                    (Verdict::Failed, error.continued(&told))
                }
                None => (Verdict::Degraded, error.clone()),
            })
        })
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

    /// That the checks of the program do not answer.
    fn late_checks(&self) -> impl Iterator<Item = Error> {
        let late = self
            .documents
            .iter()
            .filter(|document| document.status.checking.as_ref().is_some_and(|checking| checking.late > 0));
        late.map(|document| {
            let seconds = (document.checking_ms.unwrap_or_default() / 100) as f64 / 10.0;
            let name = &document.status.document;
            let message = format!("the checks of the program have not answered for `{name}` for {seconds} s");
            Error::new(Code::Busy, message).with_hint("let a check only look at what it is given, or give it longer")
        })
    }

    fn warnings(&self) -> impl Iterator<Item = Error> {
        self.documents.iter().flat_map(|document| document.warnings.iter().take(MOST_WARNINGS)).cloned()
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
fn never_loaded(source: &str, error: Option<&Error>) -> Error {
    let message = format!("`{source}` has given no document since the start, and none is kept");
    let message = error.map_or_else(|| message.clone(), |error| format!("{message}: {error}"));
    Error::new(Code::NotReady, message).with_hint("where it may be missing say `;optional`")
}

/// A full disk has room again some day; what is read-only or damaged needs somebody.
fn store_verdict(error: &Error) -> Verdict {
    match error.code() {
        Code::ReadOnly | Code::Damaged => Verdict::Failed,
        _ => Verdict::Degraded,
    }
}
