//! Variables that a program follows by their names, whether they are in its document or not.
use std::collections::BTreeMap;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::answer::{block_on, closed};
use super::subscription::{Notification, Subscription};
use super::{Config, open};
use crate::error::Result;
use crate::native::source::environment::Environment;
use crate::source::SourceSpec;
use crate::value::Value;

/// Changed variables by their names: what each was, and what it is now. None: it is not set, which is not the same as empty.
pub type VariableChange = BTreeMap<String, (Option<String>, Option<String>)>;

/// Changes of variables, see [`watch_variables`]; dropping it ends it.
#[derive(Debug)]
pub struct VariableChanges {
    config: Config,
    changes: Subscription,
}

/// Follows variables of this process: everything that changes between two looks comes as one. What they are at the call is no
/// change, and those of another process cannot be seen; follow a `.env` file where another one shall say something.
///
/// ```
/// use std::time::Duration;
/// use confmesh::{Environment, watch_variables};
/// let mut changes = watch_variables(["LOG_LEVEL"], Duration::from_secs(1), Environment::default())?;
/// assert_eq!(changes.wait(Duration::ZERO)?, None);
/// # Ok::<(), confmesh::Error>(())
/// ```
///
/// # Errors
/// As [`OpenOptions::start`](super::OpenOptions::start).
pub fn watch_variables(
    names: impl IntoIterator<Item = impl Into<String>>,
    every: Duration,
    environment: Environment,
) -> Result<VariableChanges> {
    let names: Vec<String> = names.into_iter().map(Into::into).collect();
    let look = move || {
        let listed = environment.read().map(|listed| {
            let is_named = |name: &str| names.iter().any(|named| named == name);
            let texts = listed.into_iter().filter_map(|(name, text)| {
                let name = name.into_string().ok().filter(|name| is_named(name))?;
                Some((name, Value::from(text.to_string_lossy().into_owned())))
            });
            texts.collect::<Value>()
        });
        listed.map(Some).ok_or_else(closed)
    };
    let mut spec = SourceSpec::custom("variables");
    spec.options.every = Some(crate::poll::Every::Fixed(u64::try_from(every.as_millis()).unwrap_or(u64::MAX).max(1)));
    let config = open(Vec::<String>::new()).custom_source(spec, look).start()?;
    let changes = config.subscribe("**")?;
    Ok(VariableChanges { config, changes })
}

impl VariableChanges {
    /// Blocks for the next change; `None` when the time is up.
    ///
    /// # Errors
    /// [`Code::Closed`](crate::Code::Closed) where it has ended.
    pub fn wait(&mut self, timeout: Duration) -> Result<Option<VariableChange>> {
        match block_on(Instant::now().checked_add(timeout), |context| self.poll_next(context)) {
            Some(Some(change)) => Ok(Some(change)),
            Some(None) => Err(closed()),
            None => Ok(None),
        }
    }

    /// The next change; `None` where it has ended.
    pub async fn next(&mut self) -> Option<VariableChange> {
        std::future::poll_fn(|context| self.poll_next(context)).await
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<VariableChange>> {
        loop {
            return match self.changes.poll_next(context) {
                Poll::Ready(Some(Notification::Changed(set))) => {
                    let text = |value: &Option<Value>| value.as_ref().and_then(Value::as_str).map(str::to_owned);
                    let named = set.changes.iter().filter_map(|change| {
                        let name = change.path.segments().first()?.to_string();
                        Some((name, (text(&change.old), text(&change.new))))
                    });
                    Poll::Ready(Some(named.collect()))
                }
                // Too many at once: the next one counts from there.
                Poll::Ready(Some(Notification::Lagged(_))) => continue,
                Poll::Ready(None) => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
            };
        }
    }

    /// Ends it.
    pub fn close(&self) {
        self.config.close();
    }
}
