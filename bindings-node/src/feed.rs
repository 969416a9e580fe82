//! `Feed`: what one subscription or reader of reports gets, in the bunches it came in.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use confmesh::{Mesh, Notification, Report, Reports, Subscription, Value};
use napi::Env;
use napi::bindgen_prelude::PromiseRaw;
use napi_derive::napi;

use crate::convert::shown;

/// Changes or reports that wait to be taken; for one taker at a time.
///
/// Whoever waits has a share of it: when a thread of JavaScript ends, what belongs to it is freed at once, and a question that waits on
/// another thread would go on reading what is gone.
#[napi]
pub struct Feed(Arc<Waiting>);

struct Waiting(Mutex<State>);

struct State {
    /// None once it is closed.
    source: Option<Source>,
    /// Whoever waits is woken by closing too.
    waker: Option<Waker>,
}

/// Where it comes from. A configuration lives as long as somebody follows it.
enum Source {
    Changes { changes: Subscription, _lives: Mesh },
    Reports { reports: Reports, _lives: Mesh },
}

enum Told {
    Changes(Notification),
    Report(Report),
}

impl Feed {
    fn of(source: Source) -> Feed {
        Feed(Arc::new(Waiting(Mutex::new(State { source: Some(source), waker: None }))))
    }

    /// A feed of a subscription.
    pub fn changes(changes: Subscription, mesh: &Mesh) -> Feed {
        Feed::of(Source::Changes { changes, _lives: mesh.clone() })
    }

    /// A feed of reports.
    pub fn reports(mesh: &Mesh) -> Feed {
        Feed::of(Source::Reports { reports: mesh.reports(), _lives: mesh.clone() })
    }
}

impl Waiting {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn poll_next(&self, context: &mut Context<'_>) -> Poll<Option<Told>> {
        let mut state = self.lock();
        let polled = match &mut state.source {
            None => Poll::Ready(None),
            Some(Source::Changes { changes, .. }) => changes.poll_next(context).map(|next| next.map(Told::Changes)),
            Some(Source::Reports { reports, .. }) => reports.poll_next(context).map(|next| next.map(Told::Report)),
        };
        if polled.is_pending() {
            state.waker = Some(context.waker().clone());
        }
        polled
    }

    async fn next(&self) -> Option<String> {
        let changes: Vec<Value> = match poll_fn(|context| self.poll_next(context)).await? {
            Told::Report(report) => vec![report.to_value()],
            Told::Changes(Notification::Lagged(_)) => vec![[("path", ""), ("op", "lagged")].into_iter().collect()],
            Told::Changes(Notification::Changed(set)) => {
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

    fn close(&self) {
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

impl Drop for Feed {
    fn drop(&mut self) {
        self.0.close();
    }
}

#[napi]
impl Feed {
    /// A JSON list of changes or reports, once there are some; `null` once it is closed.
    #[napi]
    pub fn next<'env>(&self, env: &'env Env) -> napi::Result<PromiseRaw<'env, Option<String>>> {
        let waiting = Arc::clone(&self.0);
        env.spawn_future(async move { Ok(waiting.next().await) })
    }

    /// Ends it at once: what waits is dropped.
    #[napi]
    pub fn close(&self) {
        self.0.close();
    }
}
