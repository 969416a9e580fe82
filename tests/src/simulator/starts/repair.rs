//! Somebody makes up authors, and an operator lets the document go on without them.

use std::sync::Arc;

use confmesh::clock::{Dot, Stamp, VersionVector};
use confmesh::conflict::{Meanwhile, Tag};
use confmesh::engine::{Link, PeerId};
use confmesh::id::{InstanceId, ReplicaId};
use confmesh::protocol::{Envelope, Frame, Greeting, Message, Offer, encode};
use confmesh::replica::{Assertion, Claim, Delta};

use super::super::{Checked, Property, violated};
use super::{Act, Starts, name};

/// How the names of authors begin that nobody is.
const MADE_UP: u8 = 0xfe;

impl Starts {
    pub(super) fn repairs(&mut self) -> Vec<(u64, Act)> {
        if self.mending.below(4) > 0 {
            return Vec::new();
        }
        let at = self.mending.below(self.nodes.len());
        let when = u64::try_from(4_000 + self.mending.below(30_000)).unwrap();
        let mut plan = vec![(when, Act::Repair(at))];
        // What others write in the same moment must not be lost.
        for _ in 0..self.mending.below(4) {
            let at = self.mending.below(self.nodes.len());
            let beside = u64::try_from(self.mending.below(200)).unwrap();
            plan.push((when - 100 + beside, Act::Write(at)));
        }
        // Or what somebody wrote who dies before anybody hears of it, and comes back.
        if self.mending.below(2) == 0 {
            let away = (at + 1) % self.nodes.len();
            plan.extend([(when - 30, Act::Write(away)), (when - 28, Act::Kill(away))]);
            plan.push((when + 3_000, Act::Restart(away)));
        }
        plan
    }

    pub(super) fn repair(&mut self, at: usize) -> Checked {
        self.forge(at)?;
        // Another document may have taken the made-up ones along by now, and brings them back.
        let is_only = self.births.len() == 1;
        let now = self.now();
        let Some(engine) = &mut self.nodes[at].engine else { return Ok(()) };
        if let Ok(genesis) = engine.repair(&name(), now) {
            self.had_lives = true;
            self.repaired.insert(genesis.to_string(), is_only);
            self.note(|| format!("{at} is repaired, and goes on as {genesis}"));
        }
        self.settle(at)
    }

    /// A write of nobody, with a past of authors that never were.
    fn forge(&mut self, at: usize) -> Checked {
        let now = self.now();
        let status = self.nodes[at].engine.as_ref().and_then(|engine| engine.status().into_iter().next());
        let genesis = status.and_then(|status| confmesh::id::Genesis::parse(&status.genesis?));
        let Some(genesis) = genesis else { return Ok(()) };
        let author = ReplicaId::from_bytes([MADE_UP; 16]);
        let mut context = VersionVector::default();
        for number in 0..3 {
            let mut made_up = [number; 16];
            made_up[0] = MADE_UP;
            context.add(Dot { replica: ReplicaId::from_bytes(made_up), seq: 1 << 30 });
        }
        let dot = Dot { replica: author, seq: 1 };
        let mut to = context.clone();
        to.add(dot);
        let item = Assertion {
            dot,
            context: Arc::new(context),
            stamp: Stamp::from_u64(now.wall_ms << 16),
            tag: Tag::LastWriteWins,
            path: confmesh::Path::parse("forged").unwrap(),
            claim: Claim::Value(true.into()),
            edits: Default::default(),
            policy: 0,
            fence: 0,
            added: Vec::new(),
            removed: Vec::new(),
            previous: None,
            meanwhile: Meanwhile::Last,
            user: None,
            message: None,
            run: None,
        };
        let delta = Delta { since: VersionVector::default(), to, base: None, items: vec![Arc::new(item)] };
        let greeting = Greeting {
            document: name(),
            genesis: Some(genesis),
            standing: Default::default(),
            seen: VersionVector::default(),
            replica: Some(author),
            former: None,
            rules: None,
        };
        let offer = Offer { versions: vec![1], codecs: Vec::new(), compress: Vec::new() };
        let said = [
            Message::Hello { offer, documents: vec![greeting], introduction: None },
            Message::Delta { document: name(), genesis, delta },
        ];
        let peer = PeerId(1 << 40);
        let hlc = Stamp::from_u64(now.wall_ms << 16);
        self.note(|| format!("somebody makes up authors at {at}"));
        let Some(engine) = &mut self.nodes[at].engine else { return Ok(()) };
        engine.handle_connected(peer, Link::Accepted, now);
        for message in said {
            let instance = InstanceId::from_bytes([250; 16]);
            let text = encode(&message, &Envelope { event_id: "x".into(), instance, wall_ms: now.wall_ms, hlc });
            let Some(engine) = &mut self.nodes[at].engine else { return Ok(()) };
            engine.handle_message(peer, &Frame::Text(text.into()), now);
            self.settle(at)?;
        }
        if let Some(engine) = &mut self.nodes[at].engine {
            engine.handle_closed(peer, now);
        }
        self.settle(at)
    }

    /// Nobody who was made up is an author of a document that was repaired.
    pub(super) fn nobody_is_made_up(&self, at: usize) -> Checked {
        let Some(engine) = self.nodes[at].engine.as_ref() else { return Ok(()) };
        let Ok(plan) = engine.repair_plan(&name()) else { return Ok(()) };
        let is_made_up = |author: &ReplicaId| author.as_bytes()[0] == MADE_UP;
        let found = plan.idle_authors.iter().any(|idle| is_made_up(&idle.author));
        if self.repaired.get(&plan.genesis.to_string()) == Some(&true) && found {
            return violated(Property::Other, format!("{at} has authors that nobody is after a repair"));
        }
        Ok(())
    }
}
