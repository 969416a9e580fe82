//! automerge: keeps every operation in a graph of hashed changes; its saved state is deflated.
use automerge::transaction::Transactable;
use automerge::{ActorId, AutoCommit, ChangeHash, ObjId, ObjType, ROOT, ReadDoc};

use crate::{GROUPS, Replicated, SERVICES, group, service};

pub struct Automerge {
    document: AutoCommit,
    slots: Vec<ObjId>,
}

impl Replicated for Automerge {
    const NAME: &'static str = "automerge";
    type Version = Vec<ChangeHash>;

    fn skeleton() -> Vec<u8> {
        let mut document = AutoCommit::new();
        for at in 0..GROUPS {
            let services = document.put_object(ROOT, group(at), ObjType::Map).unwrap();
            for at in 0..SERVICES {
                document.put_object(&services, service(at), ObjType::Map).unwrap();
            }
        }
        document.commit();
        document.save()
    }

    fn open(state: &[u8], id: u64) -> Self {
        let document = AutoCommit::load(state).unwrap().with_actor(ActorId::from(id.to_be_bytes().to_vec()));
        let child = |map: &ObjId, key: String| document.get(map, key).unwrap().unwrap().1;
        let mut slots = Vec::new();
        for at in 0..GROUPS {
            let services = child(&ROOT, group(at));
            slots.extend((0..SERVICES).map(|at| child(&services, service(at))));
        }
        Automerge { document, slots }
    }

    fn put(&mut self, slot: usize, key: &str, value: &str) {
        self.document.put(&self.slots[slot], key, value).unwrap();
        self.document.commit();
    }

    fn version(&mut self) -> Vec<ChangeHash> {
        self.document.get_heads()
    }

    fn delta(&mut self, since: &Vec<ChangeHash>) -> Vec<u8> {
        self.document.save_after(since)
    }

    fn put_delta(&mut self, slot: usize, key: &str, value: &str) -> Vec<u8> {
        self.put(slot, key, value);
        self.document.get_last_local_change().unwrap().raw_bytes().to_vec()
    }

    fn apply(&mut self, bytes: &[u8]) {
        self.document.load_incremental(bytes).unwrap();
    }

    fn save(&mut self) -> Vec<u8> {
        self.document.save()
    }

    fn get(&mut self, slot: usize, key: &str) -> Option<String> {
        Some(self.document.get(&self.slots[slot], key).unwrap()?.0.as_str()?.to_owned())
    }

    fn each(&mut self, found: &mut dyn FnMut(usize, &str, &str)) {
        for (slot, map) in self.slots.iter().enumerate() {
            for item in self.document.map_range(map, ..) {
                found(slot, &item.key, item.value.into_value().as_str().unwrap());
            }
        }
    }
}
