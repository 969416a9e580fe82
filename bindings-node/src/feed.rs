//! `Feed`: the changes that one subscription gets, in the bunches they came in.

use std::future::poll_fn;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use confmesh::{Notification, Subscription, Value};
use napi_derive::napi;

use crate::convert::shown;

/// Changes that wait to be taken; for one taker at a time.
#[napi]
pub struct Feed(Mutex<State>);

struct State {
    /// None once it is closed.
    source: Option<Subscription>,
    /// Whoever waits is woken by closing too.
    waker: Option<Waker>,
}

impl Feed {
    /// A feed of a subscription.
    pub fn of(source: Subscription) -> Feed {
        Feed(Mutex::new(State { source: Some(source), waker: None }))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn poll_next(&self, context: &mut Context<'_>) -> Poll<Option<Notification>> {
        let mut state = self.lock();
        let Some(source) = &mut state.source else { return Poll::Ready(None) };
        let polled = source.poll_next(context);
        if polled.is_pending() {
            state.waker = Some(context.waker().clone());
        }
        polled
    }
}

#[napi]
impl Feed {
    /// A JSON list of changes, once there are some; `null` once it is closed.
    #[napi]
    pub async fn next(&self) -> Option<String> {
        let changes: Vec<Value> = match poll_fn(|context| self.poll_next(context)).await? {
            Notification::Lagged(_) => vec![[("path", ""), ("op", "lagged")].into_iter().collect()],
            Notification::Changed(set) => {
                let caused = |change: &confmesh::diff::Change| {
                    let change = change.to_value();
                    let fields = change.as_map().map(|map| map.with("cause".into(), set.cause.clone().into()));
                    fields.map_or(change, Value::Map)
                };
                set.changes.iter().map(caused).collect()
            }
        };
        Some(shown(&changes.into()))
    }

    /// Ends it at once: what waits is dropped.
    #[napi]
    pub fn close(&self) {
        let (source, waker) = {
            let mut state = self.lock();
            (state.source.take(), state.waker.take())
        };
        drop(source);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}
