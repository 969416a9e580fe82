//! A client of a broker for plain messages: values for programs that are no instances.
//!
//! It keeps one connection, subscribes again each time it has one, and says when it has none and why. An adapter only speaks
//! to its broker; waiting and trying again stand here.
use std::collections::VecDeque;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use super::address::{BusAddress, Kind};
use super::line::LineState;
use crate::backoff::Backoff;
use crate::error::{Code, Error, Result};

/// A connection that lasted this long makes the waiting start anew.
const STABLE_AFTER: Duration = Duration::from_secs(5);
const BACKOFF: Backoff = Backoff { initial_ms: 250, factor: 2.0, max_ms: 10_000 };
/// How many messages wait for the broker.
const QUEUE: usize = 1_024;
/// How long the end may take.
const CLOSE_WITHIN: Duration = Duration::from_secs(2);

/// What happens at a broker.
#[derive(Debug)]
pub enum ClientEvent {
    /// It is reached, and everything is subscribed.
    Up,
    /// Somebody said something; `is_retained`: before this client listened.
    Message {
        /// Where.
        topic: String,
        /// What.
        payload: Vec<u8>,
        /// Whether the broker kept it.
        is_retained: bool,
    },
    /// It is lost, or was not reached.
    Down(Error),
}

/// How a client is known at its broker.
#[derive(Clone, Debug, Default)]
pub struct ClientOptions {
    /// Its name there, which nobody else may have; one of its own for each connection.
    pub client_id: Option<String>,
    /// Where it is retained whether it is there, `online` or `offline`; MQTT.
    pub status: Option<String>,
    /// What it listens to from the beginning.
    pub filters: Vec<String>,
}

/// A message to a broker.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// Where.
    pub topic: String,
    /// What.
    pub payload: Vec<u8>,
    /// How surely, 0 to 2; MQTT.
    pub qos: u8,
    /// Whether the broker keeps it; MQTT.
    pub retain: bool,
}

#[cfg_attr(not(any(feature = "redis", feature = "mqtt")), allow(dead_code, reason = "no broker is built in"))]
pub(super) enum Ask {
    /// And say when it is at the broker.
    Publish(Outgoing, Option<oneshot::Sender<Result<()>>>),
    Subscribe(String),
    Close(oneshot::Sender<()>),
}

/// A client as its owner holds it; dropping it cuts the connection.
#[derive(Debug)]
pub struct Client {
    asks: mpsc::Sender<Ask>,
    state: watch::Receiver<LineState>,
    task: JoinHandle<()>,
}

/// What an adapter carries between its broker and a client.
#[cfg_attr(not(any(feature = "redis", feature = "mqtt")), allow(dead_code, reason = "no broker is built in"))]
pub(super) struct Carried<'a> {
    pub(super) options: &'a ClientOptions,
    pub(super) filters: &'a mut Vec<String>,
    /// Messages that somebody waits for, from before there was a connection.
    pub(super) early: &'a mut VecDeque<(Outgoing, oneshot::Sender<Result<()>>)>,
    pub(super) asks: &'a mut mpsc::Receiver<Ask>,
    pub(super) events: &'a mpsc::Sender<ClientEvent>,
    pub(super) state: &'a watch::Sender<LineState>,
}

#[cfg(any(feature = "redis", feature = "mqtt"))]
impl Carried<'_> {
    /// Everything stands.
    pub(super) async fn up(state: &watch::Sender<LineState>, events: &mpsc::Sender<ClientEvent>) {
        state.send_replace(LineState::Up);
        let _ = events.send(ClientEvent::Up).await; // fails where nobody listens
    }
}

impl Client {
    /// Starts a task that connects; must be called inside a tokio runtime.
    pub fn spawn(address: &BusAddress, options: ClientOptions, events: mpsc::Sender<ClientEvent>) -> Client {
        let (asks, asked) = mpsc::channel(QUEUE);
        let (states, state) = watch::channel(LineState::Connecting);
        let task = tokio::spawn(run(address.clone(), options, asked, events, states));
        Client { asks, state, task }
    }

    /// What it is doing now.
    pub fn state(&self) -> LineState {
        self.state.borrow().clone()
    }

    /// Hands a message over; whether there was room for it.
    pub fn try_publish(&self, message: Outgoing) -> bool {
        self.asks.try_send(Ask::Publish(message, None)).is_ok()
    }

    /// Publishes a message; what is returned ends once it is at the broker, and holds nothing of the client.
    ///
    /// # Errors
    /// [`Code::Unreachable`] where the connection broke meanwhile: nobody knows whether it arrived.
    pub fn publish(&self, message: Outgoing) -> impl Future<Output = Result<()>> + Send + use<> {
        let asks = self.asks.clone();
        async move {
            let (done, sent) = oneshot::channel();
            asks.send(Ask::Publish(message, Some(done))).await.map_err(|_| gone())?;
            sent.await.map_err(|_| gone())?
        }
    }

    /// Listens to more from now on.
    ///
    /// # Errors
    /// [`Code::Closed`] after the end.
    pub fn subscribe(&self, filter: String) -> impl Future<Output = Result<()>> + Send + use<> {
        let asks = self.asks.clone();
        async move { asks.send(Ask::Subscribe(filter)).await.map_err(|_| gone()) }
    }

    /// Ends the connection, after saying so.
    pub async fn close(self) {
        let (done, closed) = oneshot::channel();
        if *self.state.borrow() == LineState::Up && self.asks.send(Ask::Close(done)).await.is_ok() {
            let _ = timeout(CLOSE_WITHIN, closed).await; // it was lost just now
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn gone() -> Error {
    Error::new(Code::Closed, "the connection to the broker was closed")
}

async fn run(
    address: BusAddress,
    options: ClientOptions,
    mut asks: mpsc::Receiver<Ask>,
    events: mpsc::Sender<ClientEvent>,
    states: watch::Sender<LineState>,
) {
    let (mut attempt, mut filters, mut early) = (0, options.filters.clone(), VecDeque::new());
    loop {
        states.send_replace(LineState::Connecting);
        let start = Instant::now();
        let carried = Carried {
            options: &options,
            filters: &mut filters,
            early: &mut early,
            asks: &mut asks,
            events: &events,
            state: &states,
        };
        let ended: Result<()> = match &address.kind {
            #[cfg(feature = "kafka")]
            Kind::Kafka(_) => {
                let Carried { .. } = carried;
                Err(Error::new(Code::Usage, "there are no values for others at Kafka"))
            }
            Kind::Memory(_) => {
                let Carried { .. } = carried;
                Err(Error::new(Code::Usage, "there are no values for others within one process"))
            }
            #[cfg(feature = "redis")]
            Kind::Redis(server) => super::redis_client::carry(server, carried).await,
            #[cfg(feature = "mqtt")]
            Kind::Mqtt(server, delivery) => super::mqtt_client::carry(server, *delivery, carried).await,
        };
        let Err(error) = ended else { return };
        if start.elapsed() >= STABLE_AFTER {
            attempt = 0;
        }
        // Without entropy the wait is the longest of its range: slow, but never a storm.
        let wait = Duration::from_millis(BACKOFF.delay(attempt, getrandom::u64().unwrap_or(u64::MAX)));
        attempt = attempt.saturating_add(1);
        states.send_replace(LineState::Waiting { error: error.clone(), retry_in: wait });
        if events.send(ClientEvent::Down(error)).await.is_err()
            || wait_for(wait, &mut asks, &mut filters, &mut early).await
        {
            return;
        }
    }
}

/// Waits before the next attempt; whether the client was closed. What somebody waits for is kept, and everything else is
/// forgotten: it would arrive too late.
async fn wait_for(
    wait: Duration,
    asks: &mut mpsc::Receiver<Ask>,
    filters: &mut Vec<String>,
    early: &mut VecDeque<(Outgoing, oneshot::Sender<Result<()>>)>,
) -> bool {
    let wait = sleep(wait);
    tokio::pin!(wait);
    loop {
        tokio::select! {
            () = &mut wait => return false,
            ask = asks.recv() => match ask {
                Some(Ask::Publish(message, Some(done))) if early.len() < QUEUE => early.push_back((message, done)),
                Some(Ask::Publish(_, done)) => {
                    let busy = || Error::new(Code::Busy, "too many messages wait for the broker");
                    let _ = done.map(|done| done.send(Err(busy()))); // nobody may wait any more
                }
                Some(Ask::Subscribe(filter)) => filters.push(filter),
                Some(Ask::Close(_)) | None => return true,
            },
        }
    }
}
