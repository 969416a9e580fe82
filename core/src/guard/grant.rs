//! What one principal may do, and what it sees.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::role::{Verb, Verbs};
use crate::clock::rfc3339;
use crate::error::{Code, Error, Result};
use crate::id::DocumentName;
use crate::path::Path;
use crate::pattern::Pattern;
use crate::policy::Policy;
use crate::value::{Str, Value};

/// Whoever asks: nobody in particular where there is no authentication, which may do everything.
pub type Who = Option<Arc<Grant>>;

/// What a principal may do. A pattern grants the paths that it matches and everything below them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    pub(super) principal: Str,
    pub(super) roles: Vec<Str>,
    pub(super) verbs: Verbs,
    /// None: all paths.
    pub(super) paths: Option<Vec<Pattern>>,
    /// None: all documents.
    pub(super) documents: Option<Vec<Documents>>,
    pub(super) expires_ms: Option<u64>,
    /// Where what it may not do is told and done nevertheless.
    pub(super) reports: Option<Reports>,
}

/// How many different things are remembered until somebody takes them.
const MOST_REPORTS: usize = 64;

/// What would have been forbidden, in a table that only reports; clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Reports(Arc<Mutex<BTreeMap<String, u64>>>);

impl Reports {
    fn add(&self, error: &Error) {
        let mut found = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if found.len() < MOST_REPORTS || found.contains_key(error.message()) {
            *found.entry(error.message().to_owned()).or_default() += 1;
        }
    }

    /// What was reported since, each with how often.
    pub fn take(&self) -> BTreeMap<String, u64> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl PartialEq for Reports {
    /// What is reported says nothing of what is granted.
    fn eq(&self, _: &Reports) -> bool {
        true
    }
}

impl Eq for Reports {}

/// A document, or all whose names begin alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Documents {
    One(DocumentName),
    Beginning(String),
}

impl Documents {
    pub(super) fn parse(text: &str) -> Result<Documents> {
        match text.strip_suffix('*') {
            Some(beginning) => Ok(Documents::Beginning(beginning.to_owned())),
            None => DocumentName::parse(text).map(Documents::One),
        }
    }

    fn are(&self, name: &DocumentName) -> bool {
        match self {
            Documents::One(one) => one == name,
            Documents::Beginning(text) => name.to_string().starts_with(text),
        }
    }
}

impl Grant {
    /// The name of the principal.
    pub fn principal(&self) -> &Str {
        &self.principal
    }

    /// The names of its roles.
    pub fn roles(&self) -> &[Str] {
        &self.roles
    }

    /// What it may do.
    pub fn verbs(&self) -> Verbs {
        self.verbs
    }

    /// When it ends, in milliseconds since 1970.
    pub fn expires_ms(&self) -> Option<u64> {
        self.expires_ms
    }

    /// Whether it may do that, with one of the documents at least.
    ///
    /// # Errors
    /// [`Code::Forbidden`].
    pub fn check_verb(&self, verb: Verb) -> Result<()> {
        self.reported(if self.verbs.has(verb) { Ok(()) } else { Err(self.forbidden(verb)) })
    }

    /// A refusal, or where only reports are made that it would be one.
    fn reported(&self, decided: Result<()>) -> Result<()> {
        match (decided, &self.reports) {
            (Err(error), Some(reports)) => {
                reports.add(&error);
                Ok(())
            }
            (decided, _) => decided,
        }
    }

    /// Whether it may do that with a document.
    ///
    /// # Errors
    /// [`Code::Forbidden`].
    pub fn check(&self, verb: Verb, document: &DocumentName) -> Result<()> {
        self.check_verb(verb)?;
        if self.documents.as_ref().is_none_or(|documents| documents.iter().any(|some| some.are(document))) {
            return Ok(());
        }
        let message = format!("`{}` has nothing to do with the document `{document}`", self.principal);
        let hint = "who keeps the authentication file can name the document in its `documents`";
        self.reported(Err(Error::new(Code::Forbidden, message).with_hint(hint)))
    }

    /// Whether it may do that with a document at a path, and everything below it.
    ///
    /// # Errors
    /// [`Code::Forbidden`].
    pub fn check_at(&self, verb: Verb, document: &DocumentName, path: &Path) -> Result<()> {
        self.check(verb, document)?;
        if self.grants(path) {
            return Ok(());
        }
        let place = if path.is_root() { "the whole document".to_owned() } else { format!("`{path}`") };
        let patterns: Vec<String> = self.paths.iter().flatten().map(|pattern| format!("`{pattern}`")).collect();
        let message = format!("`{}` may not {} {place}", self.principal, words(verb));
        let error = Error::new(Code::Forbidden, message).with_path(path.clone());
        self.reported(Err(error.with_hint(format!("it is limited to {}", patterns.join(", ")))))
    }

    /// Whether it may hold a replica: of whole documents only, since a part cannot be replicated.
    ///
    /// # Errors
    /// [`Code::PeerNeedsWholeDocument`].
    pub fn check_replica(&self, document: &DocumentName) -> Result<()> {
        let needs = [Verb::Read, Verb::Write, Verb::Replicate];
        let has_all = needs.iter().all(|verb| self.check(*verb, document).is_ok());
        if has_all && self.limits().is_none() {
            return Ok(());
        }
        let message = format!("`{}` may not hold a replica of `{document}`", self.principal);
        Err(Error::new(Code::PeerNeedsWholeDocument, message).with_hint(
            "give it the role `peer` without paths (`confmesh token new NAME --role peer`), or let it connect as a guest",
        ))
    }

    fn forbidden(&self, verb: Verb) -> Error {
        let roles = self.roles.join(", ");
        Error::new(Code::Forbidden, format!("`{}` may not {}", self.principal, words(verb)))
            .with_hint(format!("its role is {roles}; who keeps the authentication file can give it another one"))
    }

    /// The patterns that it is held to.
    fn limits(&self) -> Option<&[Pattern]> {
        self.paths.as_deref().filter(|_| self.reports.is_none())
    }

    /// Whether everything at a path and below it is granted.
    pub fn covers(&self, path: &Path) -> bool {
        self.limits().is_none() || self.grants(path)
    }

    fn grants(&self, path: &Path) -> bool {
        let Some(patterns) = &self.paths else { return true };
        let mut above = std::iter::successors(Some(path.clone()), Path::parent);
        above.any(|path| patterns.iter().any(|pattern| pattern.matches(&path)))
    }

    /// Whether something at a path or below it is granted.
    pub fn touches(&self, path: &Path) -> bool {
        let Some(patterns) = self.limits() else { return true };
        self.covers(path) || patterns.iter().any(|pattern| pattern.may_match_below(path))
    }

    /// Whether it sees all of a document that hides what this policy says.
    pub fn sees_all(&self, policy: &Policy) -> bool {
        self.reads() && self.limits().is_none() && (self.reads_secrets() || !policy.has_secrets())
    }

    fn reads(&self) -> bool {
        self.verbs.has(Verb::Read) || self.reports.is_some()
    }

    /// Whether it may see what is secret.
    pub fn reads_secrets(&self) -> bool {
        self.verbs.has(Verb::ReadSecrets) || self.reports.is_some()
    }

    /// What it sees of a document: what is not granted is not there, and secrets are masked unless it may read them. In a list
    /// null stands where an item is not granted and a later one is. Who may not read sees nothing.
    pub fn view(&self, policy: &Policy, document: &Value) -> Value {
        if !self.reads() {
            return Value::empty_map();
        }
        let granted = match self.limits() {
            None => document.clone(),
            Some(patterns) => granted(patterns, &Path::root(), document).unwrap_or_else(Value::empty_map),
        };
        if self.reads_secrets() { granted } else { policy.masked(&Path::root(), &granted) }
    }

    /// An error as it may be told: without what stands at places that are not granted.
    pub fn told(&self, error: Error) -> Error {
        let is_hidden = |error: &Error| error.path().is_some_and(|path| !self.covers(path));
        if self.limits().is_none() || !is_hidden(&error) && !error.related().iter().any(is_hidden) {
            return error;
        }
        let code = error.code();
        Error::new(code, "this would be wrong with what stands where you may not read")
            .with_hint("ask somebody who may read the whole document")
    }

    /// `{"principal", "roles", "verbs", "paths"?, "documents"?, "expires"?}`.
    pub fn to_value(&self) -> Value {
        let list = |texts: Vec<String>| Value::from(texts.into_iter().map(Value::from).collect::<Vec<_>>());
        let mut fields = vec![
            ("principal", self.principal.clone().into()),
            ("roles", list(self.roles.iter().map(ToString::to_string).collect())),
            ("verbs", list(self.verbs.iter().map(|verb| verb.as_str().to_owned()).collect())),
        ];
        fields.extend(self.paths.as_ref().map(|paths| ("paths", list(paths.iter().map(Pattern::to_string).collect()))));
        fields.extend(self.documents.as_ref().map(|documents| {
            let names = documents.iter().map(|some| match some {
                Documents::One(name) => name.to_string(),
                Documents::Beginning(text) => format!("{text}*"),
            });
            ("documents", list(names.collect()))
        }));
        fields.extend(self.expires_ms.map(|at| ("expires", rfc3339(at).into())));
        fields.into_iter().collect()
    }
}

fn words(verb: Verb) -> &'static str {
    match verb {
        Verb::Read => "read",
        Verb::ReadSecrets => "read secrets of",
        Verb::Write => "write",
        Verb::Resolve => "resolve conflicts of",
        Verb::Lock => "lock",
        Verb::Operate => "operate this instance",
        Verb::Replicate => "replicate",
    }
}

/// What patterns grant of a value; nothing where they grant nothing.
fn granted(patterns: &[Pattern], path: &Path, value: &Value) -> Option<Value> {
    if patterns.iter().any(|pattern| pattern.matches(path)) {
        return Some(value.clone());
    }
    if !patterns.iter().any(|pattern| pattern.may_match_below(path)) {
        return None;
    }
    match value {
        Value::Map(map) => {
            let children =
                map.iter().filter_map(|(key, child)| Some((key.clone(), granted(patterns, &path.child(key), child)?)));
            let children: crate::value::Map = children.collect();
            (!children.is_empty()).then_some(Value::Map(children))
        }
        Value::List(items) => {
            let items =
                items.iter().enumerate().map(|(at, item)| granted(patterns, &path.child(&at.to_string()), item));
            let mut items: Vec<Option<Value>> = items.collect();
            while items.last().is_some_and(Option::is_none) {
                items.pop();
            }
            (!items.is_empty())
                .then(|| items.into_iter().map(|item| item.unwrap_or(Value::Null)).collect::<Vec<_>>().into())
        }
        _ => None,
    }
}
