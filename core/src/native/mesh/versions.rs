//! What a program asks of the kept past.
use super::Shared;
use super::actor::Actor;
use super::answer::Answer;
use super::calls::Reply;
use super::checker::refuse_in_check;
use super::inputs::Request;
use crate::diff::{Change, diff};
use crate::engine::{Command, Engine, Receipt, Rollback, WriteTerms};
use crate::error::Result;
use crate::history::{Named, Then, Version};
use crate::id::DocumentName;
use crate::pattern::Pattern;

/// A version, and what instances shared after it.
#[derive(Clone, Debug, PartialEq)]
pub struct ShownVersion {
    /// The version.
    pub version: Version,
    /// What was shared.
    pub then: Then,
}

impl Shared {
    /// Looks at the engine, which nothing else uses meanwhile.
    fn look<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Engine, &DocumentName) -> Result<T> + Send + 'static,
    ) -> Answer<T> {
        let document = self.document.clone();
        self.ask(|reply| {
            Request::Later(Box::new(move |actor: &mut Actor| {
                Reply::to(reply).send(look(actor.driver.engine(), &document));
            }))
        })
    }

    pub(super) fn versions(&self, most: usize) -> Answer<Vec<Version>> {
        self.look(move |engine, document| Ok(engine.history(document)?.versions(None).take(most).collect()))
    }

    pub(super) fn show_version(&self, version: &str) -> Answer<ShownVersion> {
        let named = match Named::parse(version) {
            Ok(named) => named,
            Err(error) => return Answer::refused(error),
        };
        self.look(move |engine, document| {
            let history = engine.history(document)?;
            let version = history.version(&named)?;
            Ok(ShownVersion { then: history.at(&version)?, version })
        })
    }

    pub(super) fn compare_versions(&self, from: &str, to: Option<&str>) -> Answer<Vec<Change>> {
        let named = Named::parse(from).and_then(|from| Ok((from, to.map(Named::parse).transpose()?)));
        let (from, to) = match named {
            Ok(named) => named,
            Err(error) => return Answer::refused(error),
        };
        self.look(move |engine, document| {
            let history = engine.history(document)?;
            let before = history.at(&history.version(&from)?)?.value;
            let after = match to {
                Some(to) => history.at(&history.version(&to)?)?.value,
                None => history.newest().clone(),
            };
            Ok(diff(&before, &after))
        })
    }

    pub(super) fn rollback_plan(&self, version: &str, pattern: Option<&str>) -> Answer<Rollback> {
        match wanted(version, pattern) {
            Ok((named, pattern)) => {
                self.look(move |engine, document| engine.rollback(document, &named, pattern.as_ref(), &None))
            }
            Err(error) => Answer::refused(error),
        }
    }

    pub(super) fn rollback(&self, version: &str, pattern: Option<&str>, terms: WriteTerms) -> Answer<Option<Receipt>> {
        let wanted = refuse_in_check(self.address()).and_then(|()| wanted(version, pattern));
        let (named, pattern) = match wanted {
            Ok(wanted) => wanted,
            Err(error) => return Answer::refused(error),
        };
        let document = self.document.clone();
        self.ask(|reply| {
            Request::Later(Box::new(move |actor: &mut Actor| {
                let reply = Reply::to(reply);
                let engine = actor.driver.engine_mut();
                match engine.rollback(&document, &named, pattern.as_ref(), &terms.by) {
                    Err(error) => drop(reply.send(Err(error))),
                    Ok(plan) if plan.edits.is_empty() => drop(reply.send(Ok(None))),
                    Ok(plan) => {
                        let message = terms.message.clone().or_else(|| Some(plan.words().into()));
                        let terms = WriteTerms { message, ..terms };
                        let request = engine.write(&document, Command::Edits(plan.edits), terms, actor.clock.now());
                        actor.metrics.asked(request);
                        actor.waiting.insert(request, reply.of(Some));
                    }
                }
            }))
        })
    }
}

fn wanted(version: &str, pattern: Option<&str>) -> Result<(Named, Option<Pattern>)> {
    Ok((Named::parse(version)?, pattern.map(Pattern::parse).transpose()?))
}
