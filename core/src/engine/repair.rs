//! Mending a document that holds authors or members whom nobody is, or that no member is left of.
//!
//! Nothing of the kind can be taken out of a document while others share it. So the document goes on as another one, its
//! *successor*, with the same content and without the authors, members and history. The instance that is asked says so in
//! the old document; once its peers were sent that, it founds the successor from what it held when it said so, and gives the old
//! document up for it, as everybody does who meets the successor. What somebody wrote meanwhile is made there again by
//! whoever wrote it; what nobody makes again is kept aside.

use std::collections::BTreeSet;

use super::founding::Giver;
use super::shared::{Shared, Step};
use super::standing::Moving;
use super::types::{Level, Member};
use super::{Engine, REPLICATES, unknown};
use crate::clock::{Now, rfc3339};
use crate::error::{Code, Error, Result};
use crate::id::{DocumentName, Genesis, InstanceId, ReplicaId};
use crate::path::Path;
use crate::protocol::{MAX_GIVEN_UP, Standing};
use crate::replica::{Replica, WriteOptions, goes_on_as};
use crate::value::{Map, Value};

/// How many authors are named at most.
const NAMED: usize = 1_000;

/// What [`Engine::repair`] would remove from a document, and what has to be done before.
#[derive(Clone, Debug, PartialEq)]
pub struct Repair {
    /// The birth of the document.
    pub genesis: Genesis,
    /// How many authors it has.
    pub authors: usize,
    /// How many of them hold nothing, and are not connected either.
    pub idle: usize,
    /// The first 1,000 of these.
    pub idle_authors: Vec<IdleAuthor>,
    /// The members that are not connected here.
    pub members: Vec<Member>,
    /// Whether this instance is no member, and none is connected.
    pub is_orphaned: bool,
    /// The paths where somebody has to decide a conflict first: its sides would be gone.
    pub undecided: Vec<Path>,
    /// The connected instances that have not said that they have everything.
    pub behind: Vec<InstanceId>,
}

/// An author of whom nothing is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdleAuthor {
    /// The name.
    pub author: ReplicaId,
    /// How many writes it is said to have made.
    pub writes: u64,
}

impl Repair {
    /// Whether there is nothing to repair.
    pub fn is_needless(&self) -> bool {
        self.idle == 0 && self.members.is_empty() && !self.is_orphaned
    }

    /// `{"genesis", "authors", "idle", "idle_authors": [{"author", "writes", "why"}…], "members": [{"replica",
    /// "instance_id"?, "acknowledged"?, "why"}…], "orphaned", "undecided": [path…], "behind": [instance id…]}`.
    pub fn to_value(&self) -> Value {
        let count = |count: usize| Value::from(u64::try_from(count).unwrap_or(u64::MAX));
        let map = |fields: Vec<(&str, Value)>| -> Value { Value::Map(named(fields)) };
        let author = |idle: &IdleAuthor| {
            let why = "no write of it is held: all were superseded, or it never made any";
            map(vec![("author", idle.author.to_string().into()), ("writes", idle.writes.into()), ("why", why.into())])
        };
        let member = |member: &Member| {
            let mut fields = vec![("replica", member.replica.to_string().into()), ("why", "not connected here".into())];
            fields.extend(member.instance.map(|instance| ("instance_id", instance.to_string().into())));
            fields.extend(member.acknowledged_ms.map(|at| ("acknowledged", rfc3339(at).into())));
            map(fields)
        };
        let list = |items: Vec<Value>| Value::from(items);
        map(vec![
            ("genesis", self.genesis.to_string().into()),
            ("authors", count(self.authors)),
            ("idle", count(self.idle)),
            ("idle_authors", list(self.idle_authors.iter().map(author).collect())),
            ("members", list(self.members.iter().map(member).collect())),
            ("orphaned", self.is_orphaned.into()),
            ("undecided", list(self.undecided.iter().map(|path| path.to_string().into()).collect())),
            ("behind", list(self.behind.iter().map(|instance| instance.to_string().into()).collect())),
        ])
    }
}

fn named(fields: Vec<(&str, Value)>) -> Map {
    fields.into_iter().map(|(name, value)| (name.into(), value)).collect()
}

/// A birth that is smaller than another one: of equal marks it makes the greater document. So whatever is less than a
/// document is less than its successor, and no circle of documents gives way to each other.
fn before(other: Genesis, random: [u8; 16]) -> Genesis {
    let random = u128::from_be_bytes(random);
    let less = random.checked_rem(u128::from_be_bytes(*other.as_bytes()));
    Genesis::from_bytes(less.unwrap_or(random).to_be_bytes())
}

impl Engine {
    /// What a repair would remove. Changes nothing.
    ///
    /// # Errors
    /// [`Code::UnknownDocument`], [`Code::NotReady`] while there is no document here.
    pub fn repair_plan(&self, name: &DocumentName) -> Result<Repair> {
        let document = self.documents.get(name).ok_or_else(|| unknown(name))?;
        let founded = document.shared.as_ref().and_then(Shared::founded).filter(|founded| founded.ready);
        let founded = founded.ok_or_else(|| {
            Error::new(Code::NotReady, format!("`{name}` has no document yet, so there is nothing to repair"))
                .with_hint("it is founded here, or taken over from a peer: see `confmesh status`")
        })?;
        let replica = &founded.durable;
        let connected = self.proven_links(name).filter_map(|(_, link)| link.replica);
        let living: BTreeSet<ReplicaId> = connected
            .chain([replica.id(), founded.pending.id(), replica.genesis().founder()])
            .chain(founded.sides.names())
            .collect();
        let is_idle = |(author, _): &(ReplicaId, u64)| !living.contains(author) && !replica.is_member(*author);
        let settling = self.settling(name);
        let members = settling.iter().flat_map(|settling| &settling.members);
        let is_behind = |link: &crate::protocol::ReplicaLink| !link.acknowledged.includes(replica.seen());
        let behind = self.replica_links(name).filter(|(_, link)| link.genesis == Some(replica.genesis()));
        let undecided = founded.view.disagreements.iter().filter(|found| found.is_open());
        Ok(Repair {
            genesis: replica.genesis(),
            authors: replica.seen().len(),
            idle: replica.idle_authors().filter(is_idle).count(),
            idle_authors: replica
                .idle_authors()
                .filter(is_idle)
                .take(NAMED)
                .map(|(author, writes)| IdleAuthor { author, writes })
                .collect(),
            members: members.filter(|member| !member.is_own && !member.is_connected).cloned().collect(),
            is_orphaned: settling.is_some_and(|settling| settling.is_orphaned),
            undecided: undecided.map(|found| found.path.clone()).collect(),
            behind: behind.filter(|(_, link)| is_behind(link)).filter_map(|(instance, _)| instance).collect(),
        })
    }

    /// Lets the document go on as another one, with the same content and without authors and members that nobody is
    /// ([`Engine::repair_plan`]); returns that one's birth. Every instance that shares the document follows as soon as it hears of it. It
    /// makes there again what it wrote meanwhile; what it showed and that one does not show is kept ([`Engine::kept`]).
    /// [`Engine::is_given_up_for`] tells what became of it.
    ///
    /// # Errors
    /// Those of [`Engine::repair_plan`]; [`Code::Usage`] where there is nothing to repair, [`Code::Disputed`] while
    /// somebody has to decide a conflict, [`Code::NotReady`] while another document takes the place of this one.
    pub fn repair(&mut self, name: &DocumentName, now: Now) -> Result<Genesis> {
        let plan = self.repair_plan(name)?;
        if plan.is_needless() {
            return Err(Error::new(Code::Usage, format!("there is nothing to repair in `{name}`"))
                .with_hint("every author holds a write, or is connected; every member is connected"));
        }
        if let Some(path) = plan.undecided.first() {
            let open = plan.undecided.len();
            let message = format!("{open} conflicts wait for a decision, and their sides would be gone: `{path}`");
            return Err(Error::new(Code::Disputed, message)
                .with_path(path.clone())
                .with_hint("settle them first: `confmesh conflicts` lists them, `confmesh resolve` decides"));
        }
        let genesis = before(plan.genesis, self.entropy.next_id());
        let founded = self.documents.get_mut(name).and_then(|d| d.shared.as_mut()).and_then(Shared::founded_mut);
        let founded = founded.ok_or_else(|| unknown(name))?;
        if founded.moving == Moving::Storing || founded.successor.is_some() {
            let message = format!("another document is about to take the place of `{name}`");
            return Err(Error::new(Code::NotReady, message).with_hint("look again in a moment: `confmesh status`"));
        }
        founded.forced = Some(genesis);
        founded.successor = Some((genesis, founded.pending_value.clone()));
        // Of who is no member, or has used up its numbers, nobody takes a note.
        let may_say = founded.may_send() && founded.succession.is_none();
        let said = if may_say { founded.note(&[goes_on_as(genesis)], now.wall_ms).ok().flatten() } else { None };
        match said {
            Some(said) => {
                let records = super::records::effect_records(name, &founded.pending, &said.effect);
                self.stage_step(name, records, Step::Delta(said.delta), "members", None, None);
            }
            None => self.found_successor(name, now),
        }
        Ok(genesis)
    }

    /// The peers were sent that the document goes on as another one: so it does.
    pub(super) fn go_on_as_successor(&mut self, name: &DocumentName, now: Now) {
        let founded = self.documents.get(name).and_then(|d| d.shared.as_ref()).and_then(Shared::founded);
        let is_said = founded.is_some_and(|founded| {
            let successor = founded.successor.as_ref();
            successor.is_some_and(|(genesis, _)| founded.durable.is_in_successor(*genesis).is_some())
        });
        if REPLICATES && is_said {
            self.found_successor(name, now);
        }
    }

    fn found_successor(&mut self, name: &DocumentName, now: Now) {
        let id = self.next_author();
        let Some(document) = self.documents.get_mut(name) else { return };
        let options = WriteOptions::under(&document.policy);
        let Some(founded) = document.shared.as_mut().and_then(Shared::founded_mut) else { return };
        let Some((genesis, content)) = founded.successor.take() else { return };
        let successor = Replica::found(id, genesis, &content, founded.pending.settles(), &options);
        let (_, delta) = match successor {
            Ok(successor) => successor,
            Err(error) => {
                founded.forced = None;
                return self.notice(Level::Error, error);
            }
        };
        let mine = &founded.pending_life.standing;
        let standing = Standing {
            born_ms: now.wall_ms,
            // This one has to be among them, however many there were.
            given_up: [founded.pending.genesis()].into_iter().chain(mine.given_up.clone()).take(MAX_GIVEN_UP).collect(),
            ..mine.clone()
        };
        let message =
            format!("`{name}` goes on as another document with the same content, and all that share it follow");
        self.notice(Level::Warning, Error::new(Code::ForeignDocument, message));
        self.adopt(name, genesis, &delta, Giver::Own { id, standing }, now);
    }
}
