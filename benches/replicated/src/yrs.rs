//! yrs: what is overwritten leaves a tombstone; no layers, no rules by path.
use yrs::updates::decoder::Decode;
use yrs::{Doc, Map, MapPrelim, MapRef, Out, ReadTxn, StateVector, Transact, Update};

use crate::{GROUPS, Replicated, SERVICES, group, service};

pub struct Yrs {
    document: Doc,
    slots: Vec<MapRef>,
}

impl Replicated for Yrs {
    const NAME: &'static str = "yrs";
    type Version = StateVector;

    fn skeleton() -> Vec<u8> {
        let document = Doc::with_client_id(999);
        let root = document.get_or_insert_map("root");
        let mut transaction = document.transact_mut();
        for at in 0..GROUPS {
            let services: MapRef = root.insert(&mut transaction, group(at), MapPrelim::default());
            for at in 0..SERVICES {
                let _: MapRef = services.insert(&mut transaction, service(at), MapPrelim::default());
            }
        }
        transaction.encode_state_as_update_v1(&StateVector::default())
    }

    fn open(state: &[u8], id: u64) -> Self {
        let document = Doc::with_client_id(id);
        let root = document.get_or_insert_map("root");
        document.transact_mut().apply_update(Update::decode_v1(state).unwrap()).unwrap();
        let mut slots = Vec::new();
        let transaction = document.transact();
        let child = |map: &MapRef, key: &str| match map.get(&transaction, key) {
            Some(Out::YMap(map)) => map,
            _ => panic!("no map at {key}"),
        };
        for at in 0..GROUPS {
            let services = child(&root, &group(at));
            slots.extend((0..SERVICES).map(|at| child(&services, &service(at))));
        }
        drop(transaction);
        Yrs { document, slots }
    }

    fn put(&mut self, slot: usize, key: &str, value: &str) {
        let mut transaction = self.document.transact_mut();
        self.slots[slot].insert(&mut transaction, key, value);
    }

    fn version(&mut self) -> StateVector {
        self.document.transact().state_vector()
    }

    fn delta(&mut self, since: &StateVector) -> Vec<u8> {
        self.document.transact().encode_state_as_update_v1(since)
    }

    /// The transaction's own update, as an observer gets it.
    fn put_delta(&mut self, slot: usize, key: &str, value: &str) -> Vec<u8> {
        let mut transaction = self.document.transact_mut();
        self.slots[slot].insert(&mut transaction, key, value);
        transaction.encode_update_v1()
    }

    fn apply(&mut self, bytes: &[u8]) {
        self.document.transact_mut().apply_update(Update::decode_v1(bytes).unwrap()).unwrap();
    }

    fn save(&mut self) -> Vec<u8> {
        self.document.transact().encode_state_as_update_v1(&StateVector::default())
    }

    fn get(&mut self, slot: usize, key: &str) -> Option<String> {
        let transaction = self.document.transact();
        self.slots[slot].get(&transaction, key).map(|value| value.to_string(&transaction))
    }

    fn each(&mut self, found: &mut dyn FnMut(usize, &str, &str)) {
        let transaction = self.document.transact();
        for (slot, map) in self.slots.iter().enumerate() {
            for (key, value) in map.iter(&transaction) {
                found(slot, key, &value.to_string(&transaction));
            }
        }
    }
}
