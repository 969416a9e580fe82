//! Somebody who belongs to nobody: says what the protocol allows anybody to say, in the name of whoever is there. None of it
//! changes anything (P29, P31).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use confmesh::clock::{Dot, Stamp, VersionVector};
use confmesh::conflict::{Meanwhile, Tag};
use confmesh::engine::{Link, PeerId};
use confmesh::id::{InstanceId, ReplicaId};
use confmesh::identity::{Introduction, Key};
use confmesh::path::Path;
use confmesh::protocol::{Envelope, Frame, Greeting, Message, Offer, Pulse, encode};
use confmesh::replica::{Assertion, Claim, Delta, joins, leaves, signed};
use confmesh::value::Str;

use super::history::{Known, stored};
use super::host::{deliver, name};
use super::world::World;
use super::{Checked, Property, violated};

impl World {
    pub(crate) fn stranger(&mut self) -> Checked {
        let up: Vec<usize> =
            self.hosts.iter().filter(|h| h.is_up() && h.is_replica() && h.known.is_some()).map(|h| h.number).collect();
        if up.is_empty() {
            return Ok(());
        }
        let at = self.strange.pick(&up);
        let Some(known) = self.hosts[at].known.clone() else { return Ok(()) };
        let names: Vec<ReplicaId> = self.hosts.iter().filter_map(|host| Some(stored(&host.store)?.replica)).collect();
        self.next_peer += 1;
        let peer = PeerId(self.next_peer);
        let before = self.standing(at);
        self.note(|| format!("a stranger dials {at}"));
        let now = self.hosts[at].now(self.now_ms);
        let Some(engine) = &mut self.hosts[at].engine else { return Ok(()) };
        engine.handle_connected(peer, Link::Accepted, now);
        let mut all_said = String::new();
        for said in 0..2 + self.strange.below(5) {
            let message = if said == 0 { self.claim(&known, &names) } else { self.lie(&known, &names) };
            let now = self.hosts[at].now(self.now_ms);
            let instance = InstanceId::from_bytes([250; 16]);
            let hlc = Stamp::from_u64(now.wall_ms << 16);
            let text = encode(&message, &Envelope { event_id: "x".into(), instance, wall_ms: now.wall_ms, hlc });
            self.note(|| format!("the stranger says {}", text.chars().take(500).collect::<String>()));
            all_said.push_str(&text);
            let Some(engine) = &mut self.hosts[at].engine else { break };
            deliver(engine, peer, &Frame::Text(text.into()), now);
            self.settle(at)?;
        }
        let now = self.hosts[at].now(self.now_ms);
        if let Some(engine) = &mut self.hosts[at].engine {
            engine.handle_closed(peer, now);
            self.settle(at)?;
            // A process that died, or moved to another document meanwhile, has other members.
            let is_other = self.hosts[at].known.as_ref().is_none_or(|now| now.genesis != known.genesis);
            if is_other || !self.hosts[at].is_up() {
                return Ok(());
            }
            let after = self.standing(at);
            // Whose store fails meanwhile leaves under one name and joins under another.
            let is_own = |member: &ReplicaId| self.history.author(*member) == Some(at);
            // So does another host's, and that may have been on its way to the disk here.
            let is_renamed = |member: &ReplicaId| {
                let host = self.history.author(*member);
                let is_new = |new: &&ReplicaId| !before.contains(*new) && self.history.author(**new) == host;
                host.is_some() && after.iter().any(|new| is_new(&new))
            };
            let is_less = before.iter().any(|member| !after.contains(member) && !is_own(member) && !is_renamed(member));
            // Others may have asked meanwhile to be let in, under names that nobody stored yet: the stranger said none of these.
            let made: BTreeSet<ReplicaId> = names.iter().copied().collect();
            let is_strange = |member: &&ReplicaId| {
                !before.contains(member) && !made.contains(*member) && all_said.contains(&member.to_string())
            };
            let strange = after.iter().find(is_strange);
            if is_less || strange.is_some_and(|member| self.history.author(*member).is_none()) {
                return violated(
                    Property::Other,
                    format!("a stranger changed the members of {at} from {before:?} to {after:?}"),
                );
            }
        }
        Ok(())
    }

    fn standing(&self, at: usize) -> Vec<ReplicaId> {
        self.hosts[at].engine.as_ref().map(|engine| engine.members(&name())).unwrap_or_default()
    }

    fn some_name(&mut self, names: &[ReplicaId]) -> ReplicaId {
        let made_up = ReplicaId::from_bytes([u8::try_from(self.strange.below(256)).unwrap(); 16]);
        if names.is_empty() || self.strange.below(4) == 0 { made_up } else { self.strange.pick(names) }
    }

    /// A hello in the name of somebody, with a key of nobody.
    fn claim(&mut self, known: &Known, names: &[ReplicaId]) -> Message {
        let key = Key::from_seed(&[251; 32]).public();
        let proof = (self.strange.below(2) == 0).then_some([7; 64]);
        let introduction = Introduction { key, nonce: [9; 16], proof };
        let is_member = self.strange.below(2) == 0;
        let replica = if is_member { self.some_name(names) } else { key.name([1; 6]) };
        let former = (self.strange.below(3) > 0).then(|| self.some_name(names));
        let greeting = Greeting {
            document: name(),
            genesis: Some(known.genesis),
            standing: Default::default(),
            seen: if self.strange.below(2) == 0 { known.seen.clone() } else { VersionVector::default() },
            replica: Some(replica),
            former,
            rules: (self.strange.below(2) == 0).then_some(251),
        };
        Message::Hello {
            offer: Offer { versions: vec![1], codecs: Vec::new(), compress: Vec::new() },
            documents: vec![greeting],
            introduction: (self.strange.below(3) > 0).then_some(introduction),
        }
    }

    fn lie(&mut self, known: &Known, names: &[ReplicaId]) -> Message {
        let seen = known.seen.clone();
        match self.strange.below(6) {
            0 => {
                let mut to = seen.clone();
                let author = self.some_name(names);
                to.add(Dot { replica: author, seq: seen.seq(author) + 1 + self.strange.below(9) as u64 });
                let since = if self.strange.below(2) == 0 { VersionVector::default() } else { seen };
                let delta = Delta { since, to, base: None, items: Vec::new() };
                Message::Delta { document: name(), genesis: known.genesis, delta }
            }
            1 => Message::Ack { document: name(), seen },
            // Who has seen nothing either, and shows something else, is told of: that is no lie to try here.
            2 if !seen.is_empty() => {
                let pulse = Pulse {
                    document: name(),
                    genesis: known.genesis,
                    floor: seen.clone(),
                    view_digest: String::new(),
                    seen: VersionVector::default(),
                };
                Message::Heartbeat { documents: vec![pulse] }
            }
            3 | 4 => self.forged_note(known, names),
            _ => self.claim(known, names),
        }
    }

    /// That a member left, in the name of a member, or that it joined itself: without a signature, or with that of its own key.
    fn forged_note(&mut self, known: &Known, names: &[ReplicaId]) -> Message {
        let key = Key::from_seed(&[251; 32]);
        let fresh = key.public().name([2; 6]);
        let (member, joins_itself) = (self.some_name(names), self.strange.below(3) == 0);
        let writer = if joins_itself { fresh } else { self.some_name(names) };
        let notes = if joins_itself { joins(fresh) } else { leaves(member, known.seen.seq(member)) };
        let mut notes = vec![notes];
        if self.strange.below(3) > 0 {
            notes = signed(&notes, known.genesis, &key);
        }
        let context = Arc::new(known.seen.clone());
        let dot = Dot { replica: writer, seq: known.seen.seq(writer) + 1 };
        let reserved =
            |path: &Path| std::iter::once(Str::from("$confmesh")).chain(path.segments().iter().cloned()).collect();
        let items = notes.into_iter().map(|note| Assertion {
            dot,
            context: Arc::clone(&context),
            stamp: Stamp::from_u64(1 << 16),
            tag: Tag::LastWriteWins,
            path: reserved(&note.path),
            claim: note.value.map_or(Claim::Absent, Claim::Value),
            edits: BTreeMap::new(),
            policy: 0,
            fence: 0,
            added: Vec::new(),
            removed: Vec::new(),
            previous: None,
            meanwhile: Meanwhile::Last,
            user: None,
            message: None,
            run: None,
        });
        let items = items.map(Arc::new).collect();
        let mut to = known.seen.clone();
        to.add(dot);
        let delta = Delta { since: known.seen.clone(), to, base: None, items };
        Message::Delta { document: name(), genesis: known.genesis, delta }
    }
}
