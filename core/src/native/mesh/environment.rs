//! Variables as sources: read at the start, and looked at again and again from then on.
use std::collections::BTreeMap;
use std::time::Duration;

use super::actor::Actor;
use super::inputs::{Later, Senders};
use crate::engine::Level;
use crate::error::{Code, Error, Result};
use crate::merge::{Layer, priority};
use crate::native::source::environment::{Environment, Listed, named, prefixed};
use crate::path::Path;
use crate::policy::Policy;
use crate::poll::Every;
use crate::schema::Schema;
use crate::value::{Str, Value};

/// How often variables are looked at: what a program changes between two looks comes into force as one change.
const TICK: Duration = Duration::from_secs(1);

/// A prefix of variables that is a source.
#[derive(Clone, Debug)]
pub(super) struct Prefix {
    pub(super) prefix: String,
    /// None: that of variables.
    pub(super) priority: Option<i32>,
    pub(super) every: Option<Every>,
}

/// Everything that variables are read with.
pub(super) struct Variables {
    pub(super) environment: Environment,
    pub(super) prefixes: Vec<Prefix>,
    pub(super) schema: Option<Schema>,
    pub(super) policy: Policy,
}

/// What a look found: layers by their ids, and what was left out.
pub(super) struct Look {
    pub(super) layers: Vec<(Str, Result<Layer>)>,
    pub(super) warnings: Vec<Error>,
}

/// What tells two layers of variables apart.
type Print = Result<(Value, Vec<String>, Vec<Error>), Error>;

impl Variables {
    /// The layers as they are now, the lower ones first; none where nobody can say.
    pub(super) fn look(&self) -> Option<Look> {
        Some(self.look_at(&self.environment.read()?))
    }

    fn look_at(&self, listed: &Listed) -> Look {
        let (schema, policy) = (self.schema.as_ref(), &self.policy);
        let mut look = Look { layers: Vec::new(), warnings: Vec::new() };
        match named(listed, schema, policy) {
            Ok(layer) => look.layers.extend(layer.map(|layer| (layer.id.clone(), Ok(layer)))),
            Err(error) => look.layers.push(("env".into(), Err(error))),
        }
        for Prefix { prefix, priority, .. } in &self.prefixes {
            let found = prefixed(listed, prefix, schema, policy).map(|(layer, warnings)| {
                look.warnings.extend(warnings);
                priority.map_or_else(|| layer.clone(), |priority| layer.clone().with_priority(priority))
            });
            look.layers.push((format!("env:{}", prefix.split(';').next().unwrap_or(prefix)).into(), found));
        }
        look
    }

    /// Whether anything may ever come of looking.
    fn is_of_use(&self) -> bool {
        !self.prefixes.is_empty() || self.schema.as_ref().is_some_and(|schema| !schema.named_variables().is_empty())
    }

    fn every(&self) -> Duration {
        let given = self.prefixes.iter().filter_map(|prefix| match prefix.every? {
            Every::Fixed(ms) | Every::Adaptive { min_ms: ms, .. } => Some(Duration::from_millis(ms)),
        });
        given.min().unwrap_or(TICK)
    }
}

fn print(outcome: &Result<Layer>) -> Print {
    let name = |variable: &crate::merge::Variable| variable.name.to_string();
    let seen =
        |layer: &Layer| (layer.value.clone(), layer.variables.iter().map(name).collect(), layer.warnings.clone());
    outcome.as_ref().map(seen).map_err(Clone::clone)
}

/// The layer with what was there before in the place of what does not fit the schema now.
fn keeping(mut layer: Layer, before: Option<&Layer>) -> Layer {
    let refused: Vec<Path> = layer.warnings.iter().filter_map(|warning| warning.path().cloned()).collect();
    for path in &refused {
        let old = before.and_then(|before| before.value.at(path)).filter(|_| layer.value.at(path).is_none());
        let Some(old) = old else { continue };
        layer.value = layer.value.with(path, old.clone());
        let named = before.into_iter().flat_map(|before| &before.variables);
        layer.variables.extend(named.filter(|variable| variable.path == *path).cloned());
        for warning in layer.warnings.iter_mut().filter(|warning| warning.path() == Some(path)) {
            // It holds back itself, and not the others.
            let said = Error::new(Code::Invalid, format!("{}; what it was before stays", warning.message()));
            let said = warning.origin().cloned().into_iter().fold(said.with_path(path.clone()), Error::with_origin);
            *warning = warning.hint().map(str::to_owned).into_iter().fold(said, Error::with_hint);
        }
    }
    layer
}

/// Looks until nobody listens any more, and tells what differs from `first`.
pub(super) fn follow(variables: Variables, first: &Look, senders: &Senders) {
    if !variables.is_of_use() {
        return;
    }
    let later = senders.later.clone();
    let mut told: BTreeMap<Str, Print> = first.layers.iter().map(|(id, found)| (id.clone(), print(found))).collect();
    let good = |(id, found): &(Str, Result<Layer>)| Some((id.clone(), found.as_ref().ok()?.clone()));
    let mut last: BTreeMap<Str, Layer> = first.layers.iter().filter_map(good).collect();
    let mut warned = first.warnings.clone();
    let variables = std::sync::Arc::new(variables);
    tokio::spawn(async move {
        while !later.is_closed() {
            tokio::time::sleep(variables.every()).await;
            let looking = std::sync::Arc::clone(&variables);
            // A program may take its time to list them, and secrets lie in files.
            let Ok(Some(mut look)) = tokio::task::spawn_blocking(move || looking.look()).await else { continue };
            // Those that the schema names, once none of them is set.
            let is_there = |id: &Str| look.layers.iter().any(|(found, _)| found == id);
            let gone: Vec<Str> = told.keys().filter(|id| !is_there(id)).cloned().collect();
            let empty = |id: Str| Layer::new(id, priority::ENV, Value::empty_map());
            look.layers.extend(gone.into_iter().map(|id| (id.clone(), Ok(empty(id)))));
            let kept = look.layers.into_iter().map(|(id, found)| {
                let found = found.map(|layer| keeping(layer, last.get(&id)));
                (id, found)
            });
            let news: Vec<(Str, Result<Layer>)> = kept
                .collect::<Vec<_>>()
                .into_iter()
                .filter(|(id, found)| told.get(id) != Some(&print(found)))
                .collect();
            last.extend(news.iter().filter_map(good));
            told.extend(news.iter().map(|(id, found)| (id.clone(), print(found))));
            let warnings: Vec<Error> =
                look.warnings.iter().filter(|warning| !warned.contains(warning)).cloned().collect();
            warned = look.warnings;
            if news.is_empty() && warnings.is_empty() {
                continue;
            }
            let take: Later = Box::new(move |actor: &mut Actor| actor.take_variables(news, warnings));
            if later.send(take).is_err() {
                return;
            }
        }
    });
}

impl Actor {
    /// Variables are others now.
    fn take_variables(&mut self, news: Vec<(Str, Result<Layer>)>, warnings: Vec<Error>) {
        warnings.into_iter().for_each(|warning| self.tell(Level::Warning, None, warning));
        let (document, now) = (self.shared.document.clone(), self.clock.now());
        for (id, found) in news {
            self.driver.engine_mut().handle_layer(&document, &id, found.map(Some), now);
        }
    }
}
