//! A data directory that was copied: two instances write under one name.
//!
//! A name stands for one write, and everything rests on that. Where a peer holds another write under the same name, this is
//! told, and one side gives way: it takes over the other's document under a new name, and makes the writes that the other
//! side does not have again. The copy itself gives way wherever it finds out; of others the one with the later write.
//!
//! Where the history was dropped only the difference shows, and an operator has to decide.

use super::shared::Shared;
use super::types::{Level, PeerId};
use super::{Engine, Session};
use crate::clock::{Dot, Now, VersionVector};
use crate::error::{Code, Error};
use crate::id::DocumentName;
use crate::protocol::Message;
use crate::replica::Delta;

impl Engine {
    /// A peer has seen the same writes and shows something else. It is asked for everything, once; if that does not
    /// explain it, this is a defect.
    pub(super) fn compare(&mut self, peer: PeerId, name: &DocumentName, now: Now) {
        let Some(Session::Replica(session)) = self.sessions.get_mut(&peer) else { return };
        if session.compared.insert(name.clone()) {
            let message = Message::Pull { document: name.clone(), seen: VersionVector::default() };
            return self.send(peer, &message, now);
        }
        let whose = match self.peer_instance(peer) {
            Some(instance) => format!("that of instance {instance}, which"),
            None => "that of a peer that".to_owned(),
        };
        let message = format!("`{name}` differs from {whose} has seen the same writes");
        let hint = "where a data directory was copied, stop the copy and start it with a fresh one; else report this with both logs";
        let error = Error::new(Code::Internal, message).with_hint(hint);
        self.note_untaken(peer, &error);
        self.notice(Level::Error, error);
    }

    /// Names in a peer's delta stand for other writes here.
    pub(super) fn tell_twice(&mut self, peer: PeerId, name: &DocumentName, delta: &Delta, twice: &[Dot], now: Now) {
        let author = self.link(peer, name).and_then(|link| link.replica);
        let founded = self.documents.get(name).and_then(|d| d.shared.as_ref()).and_then(Shared::founded);
        let Some(founded) = founded else { return };
        let own = founded.pending.id();
        let is_whole = delta.since.is_empty();
        let yields = |dot: &Dot| is_whole && Some(dot.replica) != author && founded.pending.yields_name(*dot, delta);
        let is_own = |dot: &Dot| dot.replica == own || founded.writes_as(dot.replica);
        let gives_way = twice.iter().any(|dot| is_own(dot) || yields(dot));
        let is_first = match self.sessions.get_mut(&peer) {
            Some(Session::Replica(session)) => session.shown.insert(name.clone()),
            _ => return,
        };
        if is_first || gives_way {
            self.warn_of_copy(peer, name, twice, gives_way);
        }
        if gives_way {
            self.start_anew(name, now);
            if is_whole {
                self.rebase(name, delta, peer, now);
            }
        } else if is_first {
            // It has to see what it differs from.
            if let Some(link) = self.link(peer, name) {
                link.told(&VersionVector::default());
            }
            self.send_delta(peer, name, false, now);
            if !is_whole {
                self.compare(peer, name, now);
            }
        }
    }

    fn warn_of_copy(&mut self, peer: PeerId, name: &DocumentName, twice: &[Dot], gives_way: bool) {
        let connection = self.connection_id(peer);
        for dot in twice {
            let whose = match self.instance_of(name, dot.replica).or_else(|| self.peer_instance(peer)) {
                Some(instance) if instance == self.config.instance => "this instance".to_owned(),
                Some(instance) => format!("instance {instance}"),
                None => "an instance".to_owned(),
            };
            let end = if gives_way {
                "; this instance takes over the other's document under a new name and makes its own writes again"
            } else {
                ""
            };
            let message = format!(
                "two different writes of `{name}` bear the name {}:{}: the data directory of {whose} was copied, and both copies write (seen on connection {connection}){end}",
                dot.replica, dot.seq
            );
            let hint = "stop one of the two and start it again with a fresh data directory; a copy is no way to add an instance";
            let error = Error::new(Code::ForeignDocument, message).with_hint(hint);
            self.note_untaken(peer, &error);
            self.notice(Level::Error, error);
        }
    }
}
