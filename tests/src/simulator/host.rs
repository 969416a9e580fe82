//! One process and its machine: engine, store, bound file, clock.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use confmesh::canonical::ContentHash;
use confmesh::clock::{Now, VersionVector};
use confmesh::driver::BusId;
use confmesh::engine::{
    DocumentOptions, Engine, EngineConfig, FileWrite, PathVersion, PeerId, Persist, RequestId, StoreWrite,
};
use confmesh::id::{DocumentName, InstanceId};
use confmesh::policy::ConflictStrategy;
use confmesh::protocol::{Frame, WireOptions};
use confmesh::{Path, Policy, Value};

use super::buses::seed as seed_of;
use super::editors::Editor;
use super::generate::markers;
use super::history::{Known, Store};
use super::runtime::{Around, Process};
use super::withhold::Rules;

/// Hands a frame to an engine.
pub(crate) fn deliver(engine: &mut Engine, peer: PeerId, frame: &Frame, now: Now) {
    engine.handle_message(peer, frame, now);
}

/// Whether a frame opens a session: on a connection that lost one nothing more can be expected.
pub(crate) fn is_greeting(frame: &Frame) -> bool {
    frame.as_text().is_some_and(|text| text.contains("\"type\":\"hello\""))
}

/// A frame that no engine can make sense of.
pub(crate) fn garbage(frame: Option<&Frame>, at: usize) -> Frame {
    match frame {
        Some(Frame::Text(text)) => {
            let cut = text.char_indices().take_while(|(index, _)| *index < at % text.len().max(1));
            Frame::Text(cut.map(|(_, c)| c).collect::<String>().into())
        }
        Some(Frame::Binary(bytes)) => Frame::Binary(bytes[..at % bytes.len().max(1)].into()),
        None => Frame::Text(
            ["", "{", "null", "[1]", "\u{0}\u{1}", "{\"v\":1}", "{\"v\":1,\"type\":\"delta\"}", "nonsense"][at % 8]
                .into(),
        ),
    }
}

/// What somebody asked for and waits for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wish {
    /// Where, for writes of one path.
    pub(crate) place: Option<(Path, Option<Value>)>,
    /// The document that it was for, where it was for one only.
    pub(crate) if_hash: Option<ContentHash>,
    /// What was at the place, where it was for the version of the place.
    pub(crate) if_value: Option<(Path, Option<Value>)>,
    /// The conflict that it settles.
    pub(crate) settles: Option<ContentHash>,
    /// Whether an error is the only right answer, and why.
    pub(crate) refused: Option<&'static str>,
    /// Whether it takes back what is invalid, which nothing may refuse.
    pub(crate) mends: bool,
}

pub(crate) struct Host {
    pub(crate) number: usize,
    /// None while the process is down.
    pub(crate) engine: Option<Process>,
    /// The instance that a guest writes through.
    pub(crate) guest_of: Option<usize>,
    pub(crate) has_left: bool,
    /// The buses that it is on, and what its process calls them.
    pub(crate) on: Vec<usize>,
    pub(crate) buses: Vec<(usize, BusId)>,
    pub(crate) life: u64,
    pub(crate) policy: Policy,
    pub(crate) options: DocumentOptions,
    pub(crate) store: Store,
    pub(crate) batches: VecDeque<Persist>,
    pub(crate) holds_batches: bool,
    /// Whether a batch failed, and none was stored since that could set the store right.
    pub(crate) is_doubtful: bool,
    /// What the running engine knows to be on disk.
    pub(crate) known: Option<Known>,
    /// The writes whose history it dropped, as it knows to be on disk.
    pub(crate) floor: VersionVector,
    /// Whether it was expelled, and may have to write its own again under another name.
    pub(crate) is_expelled: bool,
    pub(crate) wire: WireOptions,
    /// A place that somebody read: its version and its value then.
    pub(crate) read: Option<(Path, PathVersion, Option<Value>)>,
    pub(crate) heartbeat_ms: u64,
    pub(crate) old_after_ms: u64,
    pub(crate) file: Option<String>,
    /// Whether a directory stands where the file should.
    pub(crate) is_directory: bool,
    /// Somebody who is saving the file.
    pub(crate) editor: Option<Editor>,
    pub(crate) around: Around,
    /// Whether a person deleted the file last.
    pub(crate) file_deleted: bool,
    pub(crate) kept: Vec<String>,
    /// The documents that it had on disk since an edit of the file got there.
    pub(crate) mirrorable: Vec<ContentHash>,
    pub(crate) due: VecDeque<FileWrite>,
    pub(crate) holds_files: bool,
    pub(crate) open: BTreeMap<RequestId, Wish>,
    /// How many outputs the process still makes before it dies.
    pub(crate) dies_in: Option<usize>,
    pub(crate) offset_ms: i64,
    pub(crate) stopped_at: Option<u64>,
    /// The latest time that its clock ever showed.
    pub(crate) latest_wall_ms: Cell<u64>,
    pub(crate) notices: Vec<String>,
    /// What it asks of the document.
    pub(crate) rules: Rules,
    /// What of the shared layer has to be in force, and what not.
    pub(crate) in_force: Value,
    pub(crate) withheld: BTreeSet<Path>,
    /// The same after a restart, where a batch got to the disk that the process takes for failed.
    pub(crate) after_death: Option<(Value, BTreeSet<Path>)>,
    /// What the last comparison with the oracle was about.
    pub(crate) checked: Option<(Known, VersionVector, u64)>,
}

pub(crate) fn name() -> DocumentName {
    DocumentName::default_name()
}

impl Host {
    pub(crate) fn new(number: usize, options: DocumentOptions, policy: Policy, file: Option<String>) -> Host {
        Host {
            number,
            engine: None,
            guest_of: None,
            has_left: false,
            on: Vec::new(),
            buses: Vec::new(),
            life: 0,
            policy,
            options,
            store: Store::new(),
            batches: VecDeque::new(),
            holds_batches: false,
            is_doubtful: false,
            known: None,
            floor: VersionVector::default(),
            is_expelled: false,
            wire: WireOptions::default(),
            read: None,
            heartbeat_ms: 5_000,
            old_after_ms: 600_000,
            around: Around::of(file.as_ref()),
            file,
            is_directory: false,
            editor: None,
            file_deleted: false,
            kept: Vec::new(),
            mirrorable: Vec::new(),
            due: VecDeque::new(),
            holds_files: false,
            open: BTreeMap::new(),
            dies_in: None,
            offset_ms: 0,
            stopped_at: None,
            latest_wall_ms: Cell::new(0),
            notices: Vec::new(),
            rules: Rules::default(),
            in_force: Value::empty_map(),
            withheld: BTreeSet::new(),
            after_death: None,
            checked: None,
        }
    }

    /// Whether a number stands in a text that was put aside: beside the file, or in the store until somebody confirms it.
    pub(crate) fn keeps(&self, marker: i64) -> bool {
        let aside =
            self.store.iter().filter(|(key, _)| std::str::from_utf8(key).is_ok_and(|key| key.contains("/aside/")));
        let aside = aside.map(|(_, bytes)| String::from_utf8_lossy(bytes));
        let beside = self.kept.iter().map(|text| text.as_str().into());
        aside.chain(beside).any(|text: std::borrow::Cow<'_, str>| markers(&text).contains(&marker))
    }

    pub(crate) fn is_up(&self) -> bool {
        self.engine.is_some()
    }

    pub(crate) fn is_replica(&self) -> bool {
        self.guest_of.is_none()
    }

    /// A new process on what the store holds. Instance ids grow with the numbers; a guest is new each time.
    pub(crate) fn start(&mut self, seed: u64) -> Result<&mut Process, confmesh::Error> {
        self.life += 1;
        let mut id = [0; 16];
        id[0] = u8::try_from(self.number + 1).unwrap();
        if self.guest_of.is_some() {
            id[1] = u8::try_from(self.life % 256).unwrap();
        }
        let mut entropy = [7; 32];
        entropy[..8].copy_from_slice(&seed.to_le_bytes());
        entropy[8] = id[0];
        entropy[16..24].copy_from_slice(&self.life.to_le_bytes());
        let mut config = EngineConfig::new(InstanceId::from_bytes(id), entropy);
        config.wire = self.wire.clone();
        config.key = Some(seed_of(self.number));
        config.heartbeat_ms = self.heartbeat_ms;
        config.old_after_ms = self.old_after_ms;
        // Every second one has the texts of its file made elsewhere.
        config.edits_from = (seed.wrapping_add(u64::from(id[0])) % 2 == 0).then_some(0);
        let records = self.store.iter().map(|(key, bytes)| (key.as_slice(), bytes.as_slice()));
        let engine = Engine::new(config, records)?;
        Ok(self.engine.insert(Process::new(engine)))
    }

    /// What stands in its file.
    pub(crate) fn read(&self) -> confmesh::Result<Option<String>> {
        if self.is_directory {
            return Err(confmesh::Error::new(confmesh::Code::File, "the file is a directory"));
        }
        Ok(self.file.clone())
    }

    /// What its clocks read at a true time.
    pub(crate) fn now(&self, true_ms: u64) -> Now {
        // In the year 2026.
        let wall = self.stopped_at.unwrap_or(1_790_000_000_000 + true_ms);
        let wall_ms = wall.saturating_add_signed(self.offset_ms);
        self.latest_wall_ms.set(wall_ms.max(self.latest_wall_ms.get()));
        Now { wall_ms, mono_ms: true_ms }
    }

    /// Whether its rules may refuse a write because of what is there.
    pub(crate) fn keeps_first_values(&self) -> bool {
        self.policy.rules().iter().any(|rule| rule.conflict == Some(ConflictStrategy::FirstWriteWins))
    }

    pub(crate) fn apply(&mut self, writes: &[StoreWrite]) {
        for write in writes {
            match write {
                StoreWrite::Put { key, bytes } => self.store.insert(key.clone(), bytes.clone()),
                StoreWrite::Delete { key } => self.store.remove(key),
            };
        }
    }

    /// The document as the running process shows it.
    pub(crate) fn shown(&self) -> Option<Value> {
        Some(self.engine.as_ref()?.snapshot(&name())?.value.clone())
    }
}
