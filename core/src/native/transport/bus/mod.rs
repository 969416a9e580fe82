//! Buses: brokers that carry frames to all instances of a fleet, and to the inbox of one.
//!
//! An adapter ([`Broker`]) connects, listens and carries bytes, until something fails; that is all. When it counts as
//! reached, when as lost, when it is tried again, and what is sealed, stands here once for all of them ([`line`]).

mod address;
mod client;
#[cfg(feature = "kafka")]
mod kafka;
mod line;
mod memory;
mod messages;
#[cfg(feature = "mqtt")]
mod mqtt;
#[cfg(feature = "mqtt")]
mod mqtt_client;
#[cfg(feature = "redis")]
mod redis;
#[cfg(feature = "redis")]
mod redis_client;
#[cfg(test)]
mod tests;
mod values;

pub use address::BusAddress;
pub use client::{Client, ClientEvent, ClientOptions, Outgoing as Plain};
#[cfg(feature = "kafka")]
pub use kafka::{KafkaReader, KafkaReading, KafkaRecord, KafkaWriter, KafkaWriting};
pub use line::{BusEvent, Line, LineState};
pub use messages::{Heard, Messages};
pub use values::ValueOptions;

use std::future::Future;

use tokio::sync::{mpsc, oneshot};

use crate::bus::To;
use crate::error::Error;
use crate::id::InstanceId;

/// The names under which a document is found at a broker.
#[derive(Clone, Debug)]
struct Channels {
    /// What all hear.
    all: String,
    own: InstanceId,
}

impl Channels {
    fn name(&self, to: To) -> String {
        match to {
            To::All => self.all.clone(),
            To::One(instance) => format!("{}:{instance}", self.all),
        }
    }

    fn inbox(&self) -> String {
        self.name(To::One(self.own))
    }
}

/// What an adapter is handed.
#[derive(Debug)]
enum Outgoing {
    Frame(To, Vec<u8>),
    /// Answer once all before it is at the broker.
    Flush(oneshot::Sender<()>),
}

/// The two ends of what an adapter carries.
struct Carried {
    channels: Channels,
    incoming: mpsc::Sender<Vec<u8>>,
    outgoing: mpsc::Receiver<Outgoing>,
}

/// A broker of one kind.
trait Broker: Send + Sync + 'static {
    /// Connects, listens to what is for all and to the own inbox, and then carries frames both ways. Returns why it ended.
    fn carry(&self, carried: Carried) -> impl Future<Output = Error> + Send;
}
