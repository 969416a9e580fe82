//! A broker within one process: for tests, and for several instances in one program.
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use super::{Broker, Carried, Outgoing};
use crate::error::{Code, Error};

/// How many frames wait for a slow reader before it misses some.
const QUEUE: usize = 4_096;

type Said = (String, Arc<[u8]>);

static BROKERS: LazyLock<Mutex<BTreeMap<String, broadcast::Sender<Said>>>> = LazyLock::new(Mutex::default);

pub(super) struct Memory(pub(super) String);

impl Broker for Memory {
    async fn carry(&self, carried: Carried) -> Error {
        let Carried { channels, incoming, mut outgoing } = carried;
        let sender = {
            let mut brokers = BROKERS.lock().unwrap_or_else(PoisonError::into_inner);
            brokers.entry(self.0.clone()).or_insert_with(|| broadcast::channel(QUEUE).0).clone()
        };
        let mut heard = sender.subscribe();
        let (all, inbox) = (channels.all.clone(), channels.inbox());
        loop {
            tokio::select! {
                said = heard.recv() => match said {
                    Ok((to, bytes)) if to == all || to == inbox => {
                        if incoming.send(bytes.to_vec()).await.is_err() {
                            return ended();
                        }
                    }
                    Ok(_) => {}
                    Err(RecvError::Lagged(missed)) => {
                        return Error::new(Code::Unreachable, format!("{missed} frames came faster than they were read"));
                    }
                    Err(RecvError::Closed) => return ended(),
                },
                out = outgoing.recv() => match out {
                    Some(Outgoing::Frame(to, bytes)) => drop(sender.send((channels.name(to), bytes.into()))),
                    Some(Outgoing::Flush(done)) => drop(done.send(())),
                    None => return ended(),
                },
            }
        }
    }
}

fn ended() -> Error {
    Error::new(Code::Unreachable, "the bus was closed")
}
