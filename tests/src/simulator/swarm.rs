//! What one run is made of: its size, and how often each fault strikes. Each is drawn anew for every seed, so that some
//! runs know one fault only, and some know all of them (swarm testing, Groce et al., ISSTA 2012).

use super::random::Random;

macro_rules! faults {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $most:literal;)*) => {
        /// A kind of fault that can be switched off.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Fault { $($(#[$doc])* $name,)* }

        impl Fault {
            /// Every kind.
            pub const ALL: &'static [Fault] = &[$(Fault::$name,)*];

            /// Its name on the command line.
            pub fn name(self) -> &'static str {
                match self { $(Fault::$name => $text,)* }
            }

            /// The greatest rate that is drawn: times in a thousand, or a weight among the steps.
            fn most(self) -> usize {
                match self { $(Fault::$name => $most,)* }
            }
        }
    };
}

faults! {
    /// Frames get lost.
    Loss = "loss", 300;
    /// Frames arrive twice.
    Duplication = "duplication", 200;
    /// Frames of one connection overtake each other.
    Reorder = "reorder", 1_000;
    /// Connections fall into a black hole, or are cut, until they are healed.
    Partition = "partition", 60;
    /// Connections break and come back.
    Disconnect = "disconnect", 120;
    /// Processes die at any point, also within one call's output.
    Crash = "crash", 90;
    /// Batches wait for the store, so that a crash loses them.
    SlowStore = "slow-store", 600;
    /// The store refuses a batch; whether it got to the disk, nobody knows.
    StoreFailure = "store-failure", 60;
    /// Instances have bound files that people edit.
    Files = "files", 800;
    /// Files are written late, and fail to be written.
    SlowFiles = "slow-files", 400;
    /// New instances join.
    Join = "join", 25;
    /// Instances leave for good.
    Leave = "leave", 20;
    /// Instances found documents alone, because they do not reach each other at first.
    Founding = "founding", 1_000;
    /// Clocks are years apart, jump and stand still.
    Clock = "clock", 60;
    /// Every instance has rules of its own.
    Policy = "policy", 1_000;
    /// Frames of garbage arrive.
    Garbage = "garbage", 30;
    /// Guests write through a host.
    Guest = "guest", 1_000;
    /// Documents drop their history.
    Settle = "settle", 1_000;
    /// Instances are taken out of the members.
    Expel = "expel", 30;
    /// Every instance writes messages in its own way: binary or not, compressed or not, in small parts or not.
    Wire = "wire", 1_000;
    /// Writes have conditions, are forced, or settle conflicts.
    Terms = "terms", 500;
    /// Instances check the document, every one by rules of its own, and others write what is invalid there.
    Withhold = "withhold", 1_000;
    /// Processes take in many things before they do anything about them, and hear late what they asked for.
    Batch = "batch", 900;
    /// People save in place with stalls, unlink and write later, or put a directory there.
    Editors = "editors", 1_000;
    /// Disks of stores are full for a while.
    Full = "full", 40;
    /// Processes are asked to end, or all end and start at once.
    Close = "close", 40;
    /// Somebody who belongs to nobody says what anybody can, in the name of others.
    Stranger = "stranger", 60;
    /// People count up a number, each only if it is still what was read.
    Count = "count", 400;
    /// Instances are on buses, which lose, repeat, reorder and replay, go silent and come back.
    Bus = "bus", 120;
}

/// What one run is made of.
#[derive(Clone, Debug)]
pub(crate) struct Swarm {
    pub(crate) replicas: usize,
    pub(crate) guests: usize,
    pub(crate) steps: usize,
    /// 0 a line, 1 a star, 2 all with all.
    pub(crate) topology: usize,
    /// How long a frame travels at most, in milliseconds.
    pub(crate) latency_ms: usize,
    /// How much time passes between steps at most, in milliseconds.
    pub(crate) pace_ms: usize,
    /// How many places are written: few make conflicts frequent.
    pub(crate) places: usize,
    /// The first time that a document is founded matters only once: half of the runs begin with one that all share.
    pub(crate) begins_together: bool,
    pub(crate) heartbeat_ms: u64,
    rates: Vec<usize>,
}

impl Swarm {
    /// What came later is drawn from streams of its own, `extra`, `ruled`, `around`, `strange`, `counted` and then `bused`, so that the seeds of
    /// before keep their stories.
    pub(crate) fn of(random: &mut Random, later: [&mut Random; 6], options: &Options) -> Swarm {
        let [extra, ruled, around, strange, counted, bused] = later;
        let mut draw = |fault: Fault| {
            let random = match fault {
                Fault::Withhold => &mut *ruled,
                Fault::Batch | Fault::Editors | Fault::Full | Fault::Close => &mut *around,
                Fault::Stranger => &mut *strange,
                Fault::Count => &mut *counted,
                Fault::Bus => &mut *bused,
                _ if fault < Fault::Settle => &mut *random,
                _ => &mut *extra,
            };
            match random.below(2) {
                0 => 0,
                _ => 1 + random.below(fault.most()),
            }
        };
        let mut rates: Vec<usize> = Fault::ALL.iter().map(|fault| draw(*fault)).collect();
        for fault in &options.without {
            rates[*fault as usize] = 0;
        }
        let replicas = 2 + random.below(4);
        let steps = 10 + random.below(110);
        let mut swarm = Swarm {
            replicas: replicas.min(options.replicas.unwrap_or(replicas)),
            guests: random.below(3),
            steps: steps.min(options.steps.unwrap_or(steps)),
            topology: random.below(3),
            latency_ms: random.pick(&[1, 20, 300, 8_000]),
            pace_ms: random.pick(&[2, 50, 1_000, 4_000]),
            places: 2 + random.below(14),
            begins_together: false,
            heartbeat_ms: 5_000,
            rates,
        };
        swarm.begins_together = swarm.rate(Fault::Founding) == 0;
        if swarm.settles() {
            // What was lost is forgotten there with the history, by all but those who saw it.
            swarm.rates[Fault::Count as usize] = 0;
            swarm.heartbeat_ms = extra.pick(&[1_000, 1_000, 5_000]);
            swarm.pace_ms = swarm.pace_ms.max(extra.pick(&[2, 500, 2_000]));
        }
        if swarm.rate(Fault::Guest) == 0 {
            swarm.guests = 0;
        }
        swarm
    }

    /// Whether documents drop their history.
    pub(crate) fn settles(&self) -> bool {
        self.rate(Fault::Settle) > 0
    }

    /// Whether one instance alone, the first, exchanges the writes of all others: it may expel them.
    pub(crate) fn has_hub(&self) -> bool {
        self.topology == 1 && self.settles()
    }

    pub(crate) fn rate(&self, fault: Fault) -> usize {
        self.rates[fault as usize]
    }
}

/// What is asked of one run beyond its seed.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// At most so many steps before faults stop.
    pub steps: Option<usize>,
    /// At most so many replicas at the start.
    pub replicas: Option<usize>,
    /// Faults that do not strike.
    pub without: Vec<Fault>,
    /// Whether to write down what happens.
    pub trace: bool,
    /// Whether it is the start of a mesh alone that is simulated: see [`super::starts`]. Nothing else is asked then.
    pub starts: bool,
}
