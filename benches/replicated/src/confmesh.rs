//! confmesh: causal assertions; the document is kept current with every write, as the engine does.
use confmesh::clock::VersionVector;
use confmesh::id::{DocumentName, Genesis, ReplicaId};
use confmesh::protocol::{Encoder, FrameRef, Message, Wire, WireOptions};
use confmesh::replica::{Applied, Delta, Edit, Effect, Replica, WriteOptions};
use confmesh::{Path, Policy, Value};

use crate::{GROUPS, Replicated, SERVICES, group, service};

const GENESIS: Genesis = Genesis::from_bytes([7; 16]);
const WALL_MS: u64 = 1_790_000_000_000;

pub struct Confmesh {
    replica: Replica,
    document: Value,
    policy: Policy,
    slots: Vec<Path>,
}

impl Confmesh {
    fn empty(id: u64) -> Confmesh {
        let mut bytes = [0; 16];
        bytes[8..].copy_from_slice(&id.to_be_bytes());
        let slots = (0..GROUPS * SERVICES)
            .map(|slot| Path::root().child(&group(slot / SERVICES)).child(&service(slot % SERVICES)));
        Confmesh {
            replica: Replica::new(ReplicaId::from_bytes(bytes), GENESIS),
            document: Value::empty_map(),
            policy: Policy::default(),
            slots: slots.collect(),
        }
    }

    fn write(&mut self, edits: &[Edit]) -> Effect {
        let options = WriteOptions::under(&self.policy);
        let effect = self.replica.write(&self.document, edits, &options, WALL_MS).unwrap().unwrap();
        self.replica.advance_in_place(&mut self.document, &effect);
        effect
    }

    fn edit(&self, slot: usize, key: &str, value: &str) -> Edit {
        Edit { path: self.slots[slot].child(key), value: Some(value.into()) }
    }
}

/// A frame that stands alone: where names were said before on a connection it is shorter by them.
fn encode(delta: Delta) -> Vec<u8> {
    let mut encoder = Encoder::new(WireOptions { compress_min_bytes: None, ..WireOptions::default() });
    let mut wire = Wire::default();
    wire.agree(&encoder.offer(), &encoder.offer()).unwrap();
    let message = Message::Delta { document: DocumentName::default_name(), genesis: GENESIS, delta };
    encoder.encode(&message, &mut wire, || unreachable!("deltas are binary")).as_bytes().to_vec()
}

fn decode(bytes: &[u8]) -> Delta {
    match Wire::default().decode(FrameRef::from(bytes)).unwrap() {
        (Message::Delta { delta, .. }, _) => delta,
        (other, _) => panic!("no delta: {other:?}"),
    }
}

impl Replicated for Confmesh {
    const NAME: &'static str = "confmesh";
    type Version = VersionVector;

    fn skeleton() -> Vec<u8> {
        let mut first = Confmesh::empty(999);
        let edits: Vec<Edit> =
            first.slots.iter().map(|path| Edit { path: path.clone(), value: Some(Value::empty_map()) }).collect();
        first.write(&edits);
        first.save()
    }

    fn open(state: &[u8], id: u64) -> Self {
        let mut opened = Confmesh::empty(id);
        opened.apply(state);
        opened
    }

    fn put(&mut self, slot: usize, key: &str, value: &str) {
        let edit = self.edit(slot, key, value);
        self.write(&[edit]);
    }

    fn version(&mut self) -> VersionVector {
        self.replica.seen().clone()
    }

    fn delta(&mut self, since: &VersionVector) -> Vec<u8> {
        encode(self.replica.delta(since))
    }

    fn put_delta(&mut self, slot: usize, key: &str, value: &str) -> Vec<u8> {
        let since = self.replica.seen().clone();
        let edit = self.edit(slot, key, value);
        let items = self.write(&[edit]).added;
        encode(Delta { since, to: self.replica.seen().clone(), base: None, items })
    }

    fn apply(&mut self, bytes: &[u8]) {
        let delta = decode(bytes);
        match self.replica.apply(&delta, WALL_MS).unwrap() {
            Applied::Advanced { .. } if delta.base.is_some() => self.document = self.replica.view().value,
            Applied::Advanced { effect, .. } => {
                self.replica.advance_in_place(&mut self.document, &effect);
            }
            Applied::Duplicate => {}
            other => panic!("cannot apply: {other:?}"),
        }
    }

    fn settle(&mut self) {
        let view = self.replica.view();
        self.replica.settle(&view).unwrap();
    }

    fn save(&mut self) -> Vec<u8> {
        encode(self.replica.delta(&VersionVector::default()))
    }

    fn get(&mut self, slot: usize, key: &str) -> Option<String> {
        self.document.at(&self.slots[slot].child(key))?.as_str().map(str::to_owned)
    }

    fn each(&mut self, found: &mut dyn FnMut(usize, &str, &str)) {
        for (slot, path) in self.slots.iter().enumerate() {
            for (key, value) in self.document.at(path).unwrap().as_map().unwrap().iter() {
                found(slot, key, value.as_str().unwrap());
            }
        }
    }
}
