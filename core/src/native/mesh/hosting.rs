//! The mesh as the HTTP interface sees it. It keeps no handle: requests that are being served do not keep a mesh alive.
use std::sync::Arc;

use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream, StreamExt};

use super::Shared;
use super::clock::wall_ms;
use super::subscription::{ChangeSet, Notification};
use crate::api::Call;
use crate::clock::rfc3339;
use crate::diff::Change;
use crate::engine::{Command, PathVersion, Receipt, Snapshot, WriteTerms};
use crate::error::{Code, Error, Result};
use crate::id::DocumentName;
use crate::native::http::{Health, Host};
use crate::path::Path;
use crate::pattern::Pattern;
use crate::value::Value;

pub(super) struct Hosting(pub(super) Arc<Shared>);

impl Hosting {
    fn check(&self, name: &DocumentName) -> Result<()> {
        if *name == self.0.document {
            return Ok(());
        }
        Err(Error::new(Code::UnknownDocument, format!("there is no document `{name}` here"))
            .with_hint(format!("the document here is named `{}`", self.0.document)))
    }
}

impl Host for Hosting {
    fn snapshot(&self, name: &DocumentName) -> Result<Arc<Snapshot>> {
        self.check(name)?;
        Ok(self.0.snapshot.load_full())
    }

    fn read(&self, name: &DocumentName, path: Path) -> BoxFuture<'static, Result<(Arc<Snapshot>, PathVersion)>> {
        match self.check(name) {
            Ok(()) => Box::pin(self.0.read(path)),
            Err(error) => Box::pin(std::future::ready(Err(error))),
        }
    }

    fn write(&self, name: &DocumentName, command: Command, terms: WriteTerms) -> BoxFuture<'static, Result<Receipt>> {
        match self.check(name) {
            Ok(()) => Box::pin(self.0.write(command, terms)),
            Err(error) => Box::pin(std::future::ready(Err(error))),
        }
    }

    fn call(&self, document: Option<DocumentName>, call: Call) -> BoxFuture<'static, Result<Value>> {
        match document.map_or(Ok(()), |name| self.check(&name)) {
            Ok(()) => Box::pin(self.0.call(call.clone()).map(move |reply| call.record(reply))),
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

    fn events(&self, patterns: Vec<Pattern>, mask: bool) -> Result<BoxStream<'static, Value>> {
        let mut subscription = self.0.subscribers.add(patterns)?;
        Ok(stream::poll_fn(move |context| subscription.poll_next(context)).map(move |news| event(news, mask)).boxed())
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
                ("hash", snapshot.hash().to_string().into()),
                ("changes", changes.into()),
                ("origin", cause.into()),
            ]
        }
        Notification::Lagged(missed) => vec![("event_type", "lagged".into()), ("missed", missed.into())],
    };
    fields.into_iter().collect()
}
