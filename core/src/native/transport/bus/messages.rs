//! Plain messages at a broker for a program without a runtime of its own: one thread carries them.
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Mutex, mpsc};
use tokio::time::timeout;

use super::address::{BusAddress, Kind, usage};
use super::client::{Client, ClientEvent, ClientOptions, Outgoing};
use super::line::LineState;
use crate::error::{Code, Error, Result};

/// How many messages wait to be taken; a broker that says more waits.
const QUEUE: usize = 256;

/// A message that somebody published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// Where.
    pub topic: String,
    /// What.
    pub payload: Vec<u8>,
    /// Whether the broker kept it from before.
    pub is_retained: bool,
}

/// A client of a broker for plain messages. It connects by itself, and again whenever it lost its connection.
#[derive(Debug)]
pub struct Messages {
    client: std::sync::Mutex<Option<Client>>,
    heard: Mutex<mpsc::Receiver<ClientEvent>>,
    runtime: Option<Runtime>,
}

impl Messages {
    /// Begins to connect to a broker, see [`crate::MeshOptions::bus`] for addresses: MQTT or Redis.
    ///
    /// # Errors
    /// [`Code::Usage`] for an address that is none of these.
    pub fn connect(address: &str, options: ClientOptions) -> Result<Messages> {
        let address = BusAddress::parse(address)?;
        if matches!(address.kind, Kind::Memory(_)) {
            return Err(usage("plain messages need a broker: `mqtt://` or `redis://`"));
        }
        let built = Builder::new_multi_thread().worker_threads(1).thread_name("confmesh-broker").enable_all().build();
        let runtime =
            built.map_err(|error| Error::new(Code::Internal, format!("no thread can be started: {error}")))?;
        let (events, heard) = mpsc::channel(QUEUE);
        let client = {
            let _inside = runtime.enter();
            Client::spawn(&address, options, events)
        };
        Ok(Messages { client: Some(client).into(), heard: Mutex::new(heard), runtime: Some(runtime) })
    }

    /// Publishes a message, and blocks until it is at the broker.
    ///
    /// # Errors
    /// [`Code::Unreachable`] where that took longer than `within` or the connection broke: it may have arrived.
    pub fn publish(&self, message: Outgoing, within: Duration) -> Result<()> {
        let sent = self.client()?.as_ref().map(|client| client.publish(message)).ok_or_else(closed)?;
        let late = || {
            let why = match self.state() {
                LineState::Waiting { error, .. } => error,
                _ => Error::new(Code::Unreachable, "the broker did not answer in time"),
            };
            Err(why)
        };
        self.wait(async { timeout(within, sent).await.unwrap_or_else(|_| late()) })
    }

    /// Listens to a topic, or to all that a filter matches.
    ///
    /// # Errors
    /// [`Code::Closed`] after the end.
    pub fn subscribe(&self, filter: String) -> Result<()> {
        let asked = self.client()?.as_ref().map(|client| client.subscribe(filter)).ok_or_else(closed)?;
        self.wait(asked)
    }

    /// Blocks for the next message; none where the time is up.
    ///
    /// # Errors
    /// [`Code::Closed`] after the end.
    pub fn next(&self, within: Duration) -> Result<Option<Heard>> {
        if self.client()?.is_none() {
            return Err(closed());
        }
        self.wait(async {
            let next = async {
                let mut heard = self.heard.lock().await;
                loop {
                    match heard.recv().await {
                        Some(ClientEvent::Message { topic, payload, is_retained }) => {
                            return Ok(Some(Heard { topic, payload, is_retained }));
                        }
                        Some(ClientEvent::Up | ClientEvent::Down(_)) => {}
                        None => return Err(closed()),
                    }
                }
            };
            timeout(within, next).await.unwrap_or(Ok(None))
        })
    }

    /// What it is doing now.
    pub fn state(&self) -> LineState {
        let waiting = || LineState::Waiting { error: closed(), retry_in: Duration::ZERO };
        self.client().ok().and_then(|client| client.as_ref().map(Client::state)).unwrap_or_else(waiting)
    }

    /// Says goodbye, and ends the connection; a second call does nothing.
    pub fn close(&self) {
        let client = self.client().ok().and_then(|mut client| client.take());
        if let (Some(client), Some(runtime)) = (client, &self.runtime) {
            runtime.block_on(client.close());
        }
    }

    fn client(&self) -> Result<std::sync::MutexGuard<'_, Option<Client>>> {
        self.client.lock().map_err(|_| closed())
    }

    fn wait<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        self.runtime.as_ref().ok_or_else(closed)?.block_on(work)
    }
}

impl Drop for Messages {
    fn drop(&mut self) {
        self.close();
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn closed() -> Error {
    Error::new(Code::Closed, "the connection to the broker was closed")
}
