//! Keeps a connection to a broker, and knows whether it is one: what is said must be heard.
//!
//! A frame to the own inbox comes back at once. So a bus counts as reached when the first one did, with everything that is
//! subscribed; and as lost as soon as none does, whether the broker stands still, forgot the subscription, or may not be
//! published to any more. Each time it is reached counts as a gap: nobody relies on what was said before.
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};

use super::address::{BusAddress, Kind};
use super::client::ClientEvent;
use super::memory::Memory;
use super::{Broker, Carried, Channels, Outgoing};
use crate::backoff::Backoff;
use crate::bus::To;
use crate::error::{Code, Error, Result};
use crate::id::{DocumentName, InstanceId};
use crate::native::file;
use crate::secret::Keys;

/// How often a frame is sent to the own inbox.
const PROBE_EVERY: Duration = Duration::from_millis(400);
/// After how many that did not come back the broker is lost. Time alone would count the moments in which this process was not
/// given the processor.
const SILENT: u32 = 3;
/// The same until the first one comes back.
const CONNECT_WITHIN: u32 = 25;
/// How long what was said last may take to get to the broker at the end.
const FLUSH_WITHIN: Duration = Duration::from_secs(1);
/// A connection that lasted this long makes the waiting start anew.
const STABLE_AFTER: Duration = Duration::from_secs(5);
const BACKOFF: Backoff = Backoff { initial_ms: 250, factor: 2.0, max_ms: 10_000 };
/// How many frames wait for the broker, in each of two queues.
const QUEUE: usize = 1_024;
/// What is sent to the own inbox begins like this.
const PROBE: &[u8] = b"cmb? probe ";

/// What happens on a bus.
#[derive(Debug)]
pub enum BusEvent {
    /// It is reached; what was said before may be lost.
    Up,
    /// A frame.
    Frame(Vec<u8>),
    /// It is lost, or was not reached.
    Down(Error),
    /// What happens with values for programs that are no instances.
    Values(ClientEvent),
}

/// What a [`Line`] is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LineState {
    /// It tries to reach the broker.
    Connecting,
    /// It is reached.
    Up,
    /// It waits before it tries again.
    Waiting {
        /// Why.
        error: Error,
        /// How long it waits in all.
        retry_in: Duration,
    },
}

/// A bus as its owner holds it; dropping it cuts the connection.
#[derive(Debug)]
pub struct Line {
    address: BusAddress,
    state: watch::Receiver<LineState>,
    out: mpsc::Sender<Outgoing>,
    task: JoinHandle<()>,
}

impl Line {
    /// Starts a task that connects; must be called inside a tokio runtime. What happens is told with the line's number.
    ///
    /// # Errors
    /// What is wrong with the key file.
    pub fn spawn(
        address: &BusAddress,
        (document, own): (&DocumentName, InstanceId),
        (number, events): (usize, mpsc::Sender<(usize, BusEvent)>),
    ) -> Result<Line> {
        let keys = address.key_file.as_deref().map(keys_of).transpose()?;
        let channels = Channels { all: format!("{}:{document}", address.prefix), own };
        let (out, outgoing) = mpsc::channel(QUEUE);
        let (states, state) = watch::channel(LineState::Connecting);
        let running = Running { channels, keys, number, events, outgoing, states };
        let task = match address.kind.clone() {
            Kind::Memory(name) => tokio::spawn(running.run(Memory(name))),
            #[cfg(feature = "redis")]
            Kind::Redis(server) => tokio::spawn(running.run(super::redis::Redis(server))),
            #[cfg(feature = "mqtt")]
            Kind::Mqtt(server, delivery) => tokio::spawn(running.run(super::mqtt::Mqtt(server, delivery))),
            #[cfg(feature = "kafka")]
            Kind::Kafka(cluster) => tokio::spawn(running.run(super::kafka::Kafka(cluster))),
        };
        Ok(Line { address: address.clone(), state, out, task })
    }

    /// Where the broker is, without passwords.
    pub fn address(&self) -> &BusAddress {
        &self.address
    }

    /// What it is doing now.
    pub fn state(&self) -> LineState {
        self.state.borrow().clone()
    }

    /// Hands a frame over. Where the broker is not reached, or takes them too slowly, it is forgotten: whoever lacks what is in
    /// it hears of that later.
    pub fn publish(&self, to: To, frame: Vec<u8>) {
        let _ = self.out.try_send(Outgoing::Frame(to, frame)); // as said
    }

    /// Ends the connection once what was said is at the broker.
    pub async fn close(self) {
        let (done, flushed) = oneshot::channel();
        if *self.state.borrow() == LineState::Up && self.out.send(Outgoing::Flush(done)).await.is_ok() {
            let _ = timeout(FLUSH_WITHIN, flushed).await; // it was lost just now
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn keys_of(path: &std::path::Path) -> Result<Keys> {
    let missing = || Error::new(Code::File, format!("cannot read the key file `{}`", path.display()));
    let hint = "make one: `confmesh key new > FILE`, for its owner alone, and give every instance a copy";
    let text = file::read(path)?.ok_or_else(|| missing().with_hint(hint))?;
    Keys::parse(&text).map_err(|error| error.about(&format!("`{}`", path.display())))
}

struct Running {
    channels: Channels,
    keys: Option<Keys>,
    number: usize,
    events: mpsc::Sender<(usize, BusEvent)>,
    outgoing: mpsc::Receiver<Outgoing>,
    states: watch::Sender<LineState>,
}

impl Running {
    async fn run(mut self, broker: impl Broker) {
        let mut attempt = 0;
        loop {
            self.states.send_replace(LineState::Connecting);
            while self.outgoing.try_recv().is_ok() {} // said to nobody
            let (incoming, heard) = mpsc::channel(QUEUE);
            let (said, outgoing) = mpsc::channel(QUEUE);
            let carry = broker.carry(Carried { channels: self.channels.clone(), incoming, outgoing });
            let start = Instant::now();
            let error = tokio::select! {
                error = carry => error,
                error = self.attend(heard, said) => error,
            };
            if start.elapsed() >= STABLE_AFTER {
                attempt = 0;
            }
            // Without entropy the wait is the longest of its range: slow, but never a storm.
            let wait = Duration::from_millis(BACKOFF.delay(attempt, getrandom::u64().unwrap_or(u64::MAX)));
            attempt = attempt.saturating_add(1);
            self.states.send_replace(LineState::Waiting { error: error.clone(), retry_in: wait });
            if self.events.send((self.number, BusEvent::Down(error))).await.is_err() {
                return;
            }
            sleep(wait).await;
        }
    }

    /// Passes frames on as long as what is said to the own inbox comes back.
    async fn attend(&mut self, mut heard: mpsc::Receiver<Vec<u8>>, said: mpsc::Sender<Outgoing>) -> Error {
        let own = To::One(self.channels.own);
        let mut probes = interval(PROBE_EVERY);
        probes.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut is_up, mut unanswered, mut most) = (false, 0, CONNECT_WITHIN);
        let mut refused = None;
        loop {
            tokio::select! {
                // What waits to be heard counts before the time that passed.
                biased;
                frame = heard.recv() => {
                    let Some(frame) = frame else { return lost("the connection ended") };
                    let frame = match self.opened(frame) {
                        Ok(frame) => frame,
                        Err(error) => {
                            refused = Some(error);
                            continue;
                        }
                    };
                    if frame.starts_with(PROBE) {
                        (unanswered, most) = (0, SILENT);
                        if !std::mem::replace(&mut is_up, true) {
                            self.states.send_replace(LineState::Up);
                            let _ = self.events.send((self.number, BusEvent::Up)).await; // fails where nobody listens
                        }
                    } else if is_up {
                        let _ = self.events.send((self.number, BusEvent::Frame(frame))).await; // as above
                    }
                }
                _ = probes.tick() => {
                    if unanswered >= most {
                        let seconds = PROBE_EVERY.saturating_mul(unanswered).as_secs_f32();
                        let silent = lost(&format!("what is said there was not heard for {seconds} s"));
                        return if is_up { silent } else { refused.unwrap_or(silent) };
                    }
                    unanswered += 1;
                    if let Some(sealed) = self.sealed(PROBE.to_vec()) {
                        let _ = said.try_send(Outgoing::Frame(own, sealed)); // none comes back where the queue is full
                    }
                }
                out = self.outgoing.recv(), if is_up => match out {
                    Some(Outgoing::Frame(to, frame)) => {
                        if let Some(sealed) = self.sealed(frame) {
                            let _ = said.try_send(Outgoing::Frame(to, sealed)); // as for whoever hands it over
                        }
                    }
                    Some(flush) => drop(said.send(flush).await),
                    None => return lost("it was closed"),
                },
            }
        }
    }

    /// A frame as it goes to the broker; none where it cannot be sealed.
    fn sealed(&self, frame: Vec<u8>) -> Option<Vec<u8>> {
        match &self.keys {
            None => Some(frame),
            Some(keys) => keys.seal(&self.channels.all, &frame).ok().map(String::into_bytes),
        }
    }

    fn opened(&self, frame: Vec<u8>) -> Result<Vec<u8>> {
        let Some(keys) = &self.keys else { return Ok(frame) };
        let sealed =
            String::from_utf8(frame).map_err(|_| Error::new(Code::Damaged, "what is said there is not sealed"))?;
        keys.open(&self.channels.all, &sealed)
    }
}

fn lost(why: &str) -> Error {
    Error::new(Code::Unreachable, format!("the bus is lost: {why}"))
}
