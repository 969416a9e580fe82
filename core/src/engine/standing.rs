//! How a document stands among others of its name: its marks, when it gets old, and what becomes of two that meet.

use std::collections::VecDeque;
use std::sync::Arc;

use super::records::life_record;
use super::shared::{Founded, Shared, Step};
use super::types::{Level, PeerId, StoreWrite};
use super::{Engine, Session};
use crate::clock::Now;
use crate::error::{Code, Error};
use crate::id::{DocumentName, Genesis, InstanceId, ReplicaId};
use crate::protocol::{MAX_GIVEN_UP, Meeting, Standing};
use crate::value::Value;

/// How old a document is at a start that counts as old without a write.
const OLD_AT_START_MS: u64 = 60_000;

/// What is known of a document beside its writes; stored with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Life {
    pub(super) standing: Standing,
    /// The documents whose writes moved into it here: what still comes of them is taken as well.
    pub(super) absorbed: VecDeque<Genesis>,
    /// Whether it was founded here: then this instance is the first to grant locks of it.
    pub(super) founder: bool,
}

impl Life {
    /// Remembers a document that gave way to this one.
    pub(super) fn absorb(&mut self, genesis: Genesis) {
        self.absorbed.retain(|known| *known != genesis);
        self.absorbed.push_back(genesis);
        if self.absorbed.len() > MAX_GIVEN_UP {
            self.absorbed.pop_front();
        }
    }
}

/// A peer with another document of the same name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Apart {
    /// Its connection.
    pub peer: PeerId,
    /// The instance.
    pub instance: Option<InstanceId>,
    /// The birth of its document.
    pub genesis: Genesis,
}

impl Apart {
    /// `{"instance_id"?, "genesis", "state": "other document", "hint"}`.
    pub fn to_value(&self) -> Value {
        let hint = "decide which document stays, and run `confmesh join --adopt` at an instance of the other one";
        let mut fields: Vec<(&str, Value)> = vec![
            ("genesis", self.genesis.to_string().into()),
            ("state", "other document".into()),
            ("hint", hint.into()),
        ];
        fields.extend(self.instance.map(|instance| ("instance_id", instance.to_string().into())));
        fields.into_iter().collect()
    }
}

/// Whether a document is about to give way to another one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Moving {
    /// It stays.
    #[default]
    Still,
    /// A peer was asked for its document, by the name that this replica takes where it cannot keep its own.
    Asked(ReplicaId),
    /// The other document is on its way to the store.
    Storing,
}

impl Moving {
    /// Whether one follows the other.
    fn leads_to(self, next: Moving) -> bool {
        match (self, next) {
            (before, after) if before == after => true,
            (Moving::Still, Moving::Asked(_) | Moving::Storing) => true,
            // Where the peer is gone, or the store failed, it is asked again.
            (Moving::Asked(_), Moving::Still | Moving::Storing | Moving::Asked(_)) => true,
            (Moving::Storing, Moving::Still) => true,
            (Moving::Storing, Moving::Asked(_) | Moving::Storing) => false,
            (Moving::Still, Moving::Still) => true,
        }
    }

    pub(super) fn go(&mut self, next: Moving) {
        debug_assert!(self.leads_to(next), "{self:?} does not lead to {next:?}");
        *self = next;
    }
}

impl Founded {
    /// Whether the document ever held anything.
    fn ever_held(&self) -> bool {
        !self.view.value.as_map().is_none_or(crate::value::Map::is_empty) || self.durable.was_written()
    }

    /// Whether nobody ever wrote anything in the document, also not what is on its way to the store.
    pub(super) fn is_blank(&self) -> bool {
        !self.ever_held() && !self.pending.was_written() && self.pending_value == Value::empty_map()
    }

    /// A document that was loaded at a start.
    pub(super) fn loaded(&mut self, wall_ms: u64) -> bool {
        let mut life = Life::clone(&self.life);
        // One that never held anything is worth no more than on the first day.
        life.standing.loaded |= self.ever_held();
        let is_aged = wall_ms.saturating_sub(life.standing.born_ms) >= OLD_AT_START_MS;
        life.standing.old |= self.ever_held() && (self.durable.was_written() || is_aged);
        let is_new = *self.life != life;
        self.pending_life = Arc::new(life);
        is_new
    }
}

impl Engine {
    /// When a young document may become old.
    pub(super) fn age_due_ms(&self, name: &DocumentName) -> Option<u64> {
        self.documents.get(name)?.shared.as_ref()?.founded()?.age_due_ms
    }

    /// Makes a document old that was in use for long enough, and that nobody who is connected differs with.
    pub(super) fn consider_age(&mut self, name: &DocumentName, now: Now) {
        let later = now.mono_ms.saturating_add(self.config.heartbeat_ms.max(1));
        if self.age_due_ms(name).is_none_or(|due| now.mono_ms < due) {
            return;
        }
        let mine = self.documents.get(name).and_then(|d| d.shared.as_ref()).and_then(Shared::founded);
        let genesis = mine.map(|founded| founded.pending.genesis());
        let is_alone = self.replica_links(name).all(|(_, link)| link.genesis.is_none() || link.genesis == genesis);
        let founded = self.documents.get_mut(name).and_then(|d| d.shared.as_mut()).and_then(Shared::founded_mut);
        let Some(founded) = founded else { return };
        if founded.pending_life.standing.old {
            founded.age_due_ms = None;
            return;
        }
        if !founded.ready || !is_alone || founded.moving != Moving::Still || !founded.ever_held() {
            founded.age_due_ms = Some(later);
            return;
        }
        founded.age_due_ms = None;
        self.raise(name, &Standing { old: true, ..Standing::default() });
    }

    /// Takes over marks of the same document. They count, and are told, once they are on disk.
    pub(super) fn raise(&mut self, name: &DocumentName, marks: &Standing) {
        let founded = self.documents.get_mut(name).and_then(|d| d.shared.as_mut()).and_then(Shared::founded_mut);
        let Some(founded) = founded else { return };
        let mut life = Life::clone(&founded.pending_life);
        if !life.standing.raise(marks) {
            return;
        }
        founded.pending_life = Arc::new(life);
        self.stage_life(name);
    }

    pub(super) fn stage_life(&mut self, name: &DocumentName) {
        let founded = self.documents.get(name).and_then(|d| d.shared.as_ref()).and_then(Shared::founded);
        let Some(founded) = founded else { return };
        let record: StoreWrite = life_record(name, &founded.pending_life);
        self.stage_step(name, vec![record], Step::Records, "standing", None, None);
    }

    /// Gives the document up for the one that a connected peer holds: named by the beginning of that document's birth, or of
    /// the peer's instance id. Nothing of it goes along, and everything of it is kept ([`Engine::kept`]). Every instance that
    /// shares the document given up follows, as soon as it hears of it.
    ///
    /// # Errors
    /// [`Code::UnknownDocument`], [`Code::NotReady`] while there is no document here, [`Code::NotFound`] where no connected
    /// peer holds such a document, [`Code::Usage`] where several differ.
    pub fn give_up_for(&mut self, name: &DocumentName, prefix: &str, now: Now) -> crate::Result<Genesis> {
        let document = self.documents.get(name).ok_or_else(|| super::unknown(name))?;
        let founded = document.shared.as_ref().and_then(Shared::founded).filter(|founded| founded.ready);
        let founded = founded.ok_or_else(|| {
            Error::new(Code::NotReady, format!("`{name}` has no document yet, so there is nothing to give up"))
                .with_hint("it takes over the first one that it meets")
        })?;
        let mine = founded.durable.genesis();
        let prefix = prefix.to_ascii_lowercase();
        let mut found: std::collections::BTreeMap<Genesis, PeerId> = std::collections::BTreeMap::new();
        for (peer, session) in &self.sessions {
            let Session::Replica(session) = session else { continue };
            let Some(genesis) = session.link(name).and_then(|link| link.genesis).filter(|g| *g != mine) else {
                continue;
            };
            let instance = session.instance.map(|instance| instance.to_string()).unwrap_or_default();
            if !prefix.is_empty() && (genesis.to_string().starts_with(&prefix) || instance.starts_with(&prefix)) {
                found.insert(genesis, *peer);
            }
        }
        let mut found = found.into_iter();
        let (genesis, peer) = match (found.next(), found.next()) {
            (Some(only), None) => only,
            (Some(_), Some(_)) => {
                let error =
                    Error::new(Code::Usage, format!("`{prefix}` is the beginning of several documents' births"));
                return Err(error.with_hint("name more of it"));
            }
            (None, _) => {
                let message = format!("no connected instance holds another document named `{name}` under `{prefix}`");
                return Err(Error::new(Code::NotFound, message).with_hint(
                    "`confmesh status` names them; an instance takes over a document from one that it is connected with: make that one a peer",
                ));
            }
        };
        if let Some(founded) =
            self.documents.get_mut(name).and_then(|d| d.shared.as_mut()).and_then(Shared::founded_mut)
        {
            founded.forced = Some(genesis);
        }
        self.give_up(name, peer, now);
        Ok(genesis)
    }

    /// What became of [`Engine::give_up_for`]: whether the other document is on disk here; `None` while it is on its way.
    pub fn is_given_up_for(&self, name: &DocumentName, genesis: Genesis) -> Option<bool> {
        let founded = self.documents.get(name).and_then(|d| d.shared.as_ref()).and_then(Shared::founded)?;
        match (founded.durable.genesis() == genesis, founded.forced == Some(genesis)) {
            (true, _) => Some(true),
            (false, true) => None,
            (false, false) => Some(false),
        }
    }

    /// The peers with another document of this name, which neither side gives up by itself.
    pub fn apart(&self, name: &DocumentName) -> Vec<Apart> {
        let founded = self.documents.get(name).and_then(|d| d.shared.as_ref()).and_then(Shared::founded);
        let Some(founded) = founded.filter(|founded| founded.ready) else { return Vec::new() };
        let mine = founded.durable.genesis();
        let apart = self.sessions.iter().filter_map(|(peer, session)| {
            let Session::Replica(session) = session else { return None };
            let link = session.link(name)?;
            let genesis = link.genesis.filter(|genesis| *genesis != mine)?;
            let is_apart = founded.life.standing.meets(mine, &link.standing, genesis) == Meeting::Apart;
            is_apart.then_some(Apart { peer: *peer, instance: session.instance, genesis })
        });
        apart.collect()
    }

    /// Both documents are old: told once a connection, and shown as long as it stands.
    pub(super) fn tell_apart(&mut self, peer: PeerId, name: &DocumentName) {
        let whose = self.peer_instance(peer).map_or_else(|| "a peer".to_owned(), |id| format!("instance {id}"));
        let Some(Session::Replica(session)) = self.sessions.get_mut(&peer) else { return };
        if session.apart.insert(name.clone()) {
            self.notice(Level::Error, other_document(name, &whose));
        }
    }
}

/// What is wrong where two old documents meet.
pub(super) fn other_document(name: &DocumentName, whose: &str) -> Error {
    let message = format!("{whose} holds another document named `{name}`: both have been in use and are not merged");
    let hint = "decide which one stays, and run `confmesh join --adopt` at an instance of the other one: it shows first what would be lost";
    Error::new(Code::ForeignDocument, message).with_hint(hint)
}
