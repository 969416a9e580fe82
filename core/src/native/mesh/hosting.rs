//! The mesh as the HTTP interface sees it. It keeps no handle: requests that are being served do not keep a mesh alive.
use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream, StreamExt};
use tokio::sync::broadcast::error::RecvError;

use super::clock::wall_ms;
use super::inputs::Request;
use super::subscription::{ChangeSet, Notification};
use super::{Shared, webhooks};
use crate::api::Call;
use crate::clock::rfc3339;
use crate::diff::{Change, diff, leaves};
use crate::engine::{Command, PathVersion, Receipt, Snapshot, WriteTerms};
use crate::error::{Code, Error, Result};
use crate::guard::{Grant, Verb, Who};
use crate::id::DocumentName;
use crate::native::guard::{Gate, Pass};
use crate::native::http::{Delivered, Health, Host};
use crate::path::Path;
use crate::pattern::Pattern;
use crate::value::Value;

pub(super) struct Hosting(pub(super) Arc<Shared>);

impl Hosting {
    fn check(&self, name: &DocumentName, who: &Who) -> Result<()> {
        if *name == self.0.document {
            return Ok(());
        }
        // Which documents there are is told to who has to do with them.
        if let Some(grant) = who {
            grant.check(Verb::Read, name)?;
        }
        Err(Error::new(Code::UnknownDocument, format!("there is no document `{name}` here"))
            .with_hint(format!("the document here is named `{}`", self.0.document)))
    }
}

impl Host for Hosting {
    fn gate(&self) -> Option<Gate> {
        self.0.gate.clone()
    }

    fn is_started(&self) -> bool {
        self.0.started.get().is_some()
    }

    fn takes_webhooks(&self) -> bool {
        self.0.webhooks.is_some()
    }

    fn deliver(&self, headers: BTreeMap<String, String>, body: Vec<u8>) -> BoxFuture<'static, Delivered> {
        Box::pin(webhooks::deliver(Arc::clone(&self.0), headers, body, wall_ms()))
    }

    fn snapshot(&self, name: &DocumentName, who: &Who) -> Result<Arc<Snapshot>> {
        self.check(name, who)?;
        if let Some(grant) = who {
            grant.check(Verb::Read, name)?;
        }
        Ok(seen_by(&self.0.snapshot.load_full(), who))
    }

    fn read(
        &self,
        name: &DocumentName,
        path: Path,
        who: &Who,
    ) -> BoxFuture<'static, Result<(Arc<Snapshot>, PathVersion)>> {
        match self.check(name, who) {
            Ok(()) => {
                let who = who.clone();
                Box::pin(self.0.read(path).map(move |(snapshot, version)| (seen_by(&snapshot, &who), version)))
            }
            Err(error) => Box::pin(std::future::ready(Err(error))),
        }
    }

    fn write(&self, name: &DocumentName, command: Command, terms: WriteTerms) -> BoxFuture<'static, Result<Receipt>> {
        match self.check(name, &terms.by) {
            Ok(()) => {
                let who = terms.by.clone();
                let seen = move |receipt: Receipt| match &who {
                    Some(grant) => receipt.seen_by(grant),
                    None => receipt,
                };
                Box::pin(self.0.write(command, terms).map(seen))
            }
            Err(error) => Box::pin(std::future::ready(Err(error))),
        }
    }

    fn call(&self, document: Option<DocumentName>, call: Call, who: Who) -> BoxFuture<'static, Result<Value>> {
        match document.map_or(Ok(()), |name| self.check(&name, &who)) {
            Ok(()) => Box::pin(self.0.call(call.clone(), who).map(move |reply| call.record(reply))),
            Err(error) => Box::pin(std::future::ready(Err(error))),
        }
    }

    fn health(&self) -> BoxFuture<'static, Result<(Health, Value)>> {
        let status = self.0.status();
        Box::pin(async {
            let status = status.await?;
            Ok((status.health(), status.about(rfc3339(wall_ms()))))
        })
    }

    fn notices(&self, who: Option<Pass>) -> Result<BoxStream<'static, Value>> {
        if let Some(pass) = &who {
            pass.grant.check(Verb::Operate, &self.0.document)?;
        }
        let follower = self.0.notices.subscribe();
        // Somebody follows from now on: what is wrong is looked at.
        self.0.send(Request::Later(Box::new(|_| {})))?;
        let news = stream::unfold(follower, |mut follower| async move {
            match follower.recv().await {
                Ok(notice) => Some((notice.to_value(), follower)),
                Err(RecvError::Lagged(count)) => {
                    let dropped = [("type", Value::from("notices.dropped")), ("data", lagged(count))];
                    Some((dropped.into_iter().collect(), follower))
                }
                Err(RecvError::Closed) => None,
            }
        });
        let Some((pass, gate)) = who.zip(self.0.gate.clone()) else { return Ok(news.boxed()) };
        let ended = Box::pin(async move { drop(gate.ended(&pass).await) });
        Ok(news.take_until(ended).boxed())
    }

    fn events(&self, patterns: Vec<Pattern>, mask: bool, who: Option<Pass>) -> Result<BoxStream<'static, Value>> {
        let mut subscription = self.0.subscribers.add(patterns.clone())?;
        let news = stream::poll_fn(move |context| subscription.poll_next(context));
        let Some((pass, gate)) = who.zip(self.0.gate.clone()) else {
            return Ok(news.map(move |news| event(news, mask)).boxed());
        };
        pass.grant.check(Verb::Read, &self.0.document)?;
        let mut sight = Sight::new(Arc::clone(&pass.grant), patterns, &self.0.snapshot.load_full());
        let seen = news.filter_map(move |news| std::future::ready(sight.of(news))).map(move |news| event(news, mask));
        let ended = Box::pin(async move { drop(gate.ended(&pass).await) });
        Ok(seen.take_until(ended).boxed())
    }
}

fn lagged(count: u64) -> Value {
    [("count", Value::from(count))].into_iter().collect()
}

fn seen_by(snapshot: &Arc<Snapshot>, who: &Who) -> Arc<Snapshot> {
    who.as_ref().map_or_else(|| Arc::clone(snapshot), |grant| snapshot.seen_by(grant))
}

/// What a principal that does not see everything was told last.
struct Sight {
    grant: Arc<Grant>,
    patterns: Vec<Pattern>,
    last: Value,
}

impl Sight {
    fn new(grant: Arc<Grant>, patterns: Vec<Pattern>, now: &Arc<Snapshot>) -> Sight {
        let last = now.seen_by(&grant).value.clone();
        Sight { grant, patterns, last }
    }

    /// What of the news concerns it.
    fn of(&mut self, news: Notification) -> Option<Notification> {
        let ChangeSet { snapshot, changes, cause } = match news {
            Notification::Changed(set) => set,
            lagged @ Notification::Lagged(_) => return Some(lagged),
        };
        let view = snapshot.seen_by(&self.grant);
        let before = std::mem::replace(&mut self.last, view.value.clone());
        if Arc::ptr_eq(&view, &snapshot) {
            return Some(Notification::Changed(ChangeSet { snapshot, changes, cause }));
        }
        let mut changes = leaves(&diff(&before, &view.value));
        changes.retain(|change| self.patterns.iter().any(|pattern| pattern.matches(&change.path)));
        (!changes.is_empty()).then_some(Notification::Changed(ChangeSet { snapshot: view, changes, cause }))
    }
}

fn event(notification: Notification, mask: bool) -> Value {
    let fields = match notification {
        Notification::Changed(ChangeSet { snapshot, changes, cause }) => {
            let changes = if mask { snapshot.masked_changes(&changes) } else { changes };
            let changes: Vec<Value> = changes.iter().map(Change::to_value).collect();
            vec![
                ("event_type", Value::from("config_changed")),
                ("document", snapshot.document.to_string().into()),
                ("revision", snapshot.revision.into()),
                ("digest", snapshot.digest().to_string().into()),
                ("changes", changes.into()),
                ("origin", cause.into()),
            ]
        }
        Notification::Lagged(missed) => vec![("event_type", "lagged".into()), ("missed", missed.into())],
    };
    fields.into_iter().collect()
}
