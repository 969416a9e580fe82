//! loro: keeps every operation; a live write is what its subscription to local updates gives.
use std::sync::{Arc, Mutex};

use loro::{ExportMode, LoroDoc, LoroMap, Subscription, VersionVector};

use crate::{GROUPS, Replicated, SERVICES, group, service};

pub struct Loro {
    document: LoroDoc,
    slots: Vec<LoroMap>,
    updates: Arc<Mutex<Vec<u8>>>,
    subscription: Option<Subscription>,
}

impl Replicated for Loro {
    const NAME: &'static str = "loro";
    type Version = VersionVector;

    fn skeleton() -> Vec<u8> {
        let document = LoroDoc::new();
        document.set_peer_id(999).unwrap();
        let root = document.get_map("root");
        for at in 0..GROUPS {
            let services = root.insert_container(&group(at), LoroMap::new()).unwrap();
            for at in 0..SERVICES {
                services.insert_container(&service(at), LoroMap::new()).unwrap();
            }
        }
        document.commit();
        document.export(ExportMode::Snapshot).unwrap()
    }

    fn open(state: &[u8], id: u64) -> Self {
        let document = LoroDoc::from_snapshot(state).unwrap();
        document.set_peer_id(id).unwrap();
        let root = document.get_map("root");
        let child = |map: &LoroMap, key: &str| map.get(key).unwrap().into_container().unwrap().into_map().unwrap();
        let mut slots = Vec::new();
        for at in 0..GROUPS {
            let services = child(&root, &group(at));
            slots.extend((0..SERVICES).map(|at| child(&services, &service(at))));
        }
        Loro { document, slots, updates: Arc::default(), subscription: None }
    }

    fn put(&mut self, slot: usize, key: &str, value: &str) {
        self.slots[slot].insert(key, value).unwrap();
        self.document.commit();
    }

    fn version(&mut self) -> VersionVector {
        self.document.oplog_vv()
    }

    fn delta(&mut self, since: &VersionVector) -> Vec<u8> {
        self.document.export(ExportMode::updates(since)).unwrap()
    }

    fn put_delta(&mut self, slot: usize, key: &str, value: &str) -> Vec<u8> {
        if self.subscription.is_none() {
            let updates = Arc::clone(&self.updates);
            self.subscription = Some(self.document.subscribe_local_update(Box::new(move |bytes| {
                updates.lock().unwrap().clone_from(bytes);
                true
            })));
        }
        self.put(slot, key, value);
        std::mem::take(&mut self.updates.lock().unwrap())
    }

    fn apply(&mut self, bytes: &[u8]) {
        self.document.import(bytes).unwrap();
    }

    fn save(&mut self) -> Vec<u8> {
        self.document.export(ExportMode::Snapshot).unwrap()
    }

    fn get(&mut self, slot: usize, key: &str) -> Option<String> {
        Some(self.slots[slot].get(key)?.into_value().ok()?.as_string()?.to_string())
    }

    fn each(&mut self, found: &mut dyn FnMut(usize, &str, &str)) {
        for (slot, map) in self.slots.iter().enumerate() {
            map.for_each(|key, value| {
                let value = value.into_value().unwrap();
                found(slot, key, value.as_string().unwrap());
            });
        }
    }
}
