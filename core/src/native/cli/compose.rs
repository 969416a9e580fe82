//! Files, variables and options to one document, and what of it is shown.
use super::arguments::{Composing, Secrecy};
use super::input::Inputs;
use super::output::{Stop, complain, warn};
use super::schema;
use crate::error::{Code, Error, Result};
use crate::format::FileArgument;
use crate::merge::{Composed, Composition, Layer};
use crate::native::source::environment;
use crate::native::source::files::{expand, expand_sources};
use crate::native::source::polled::load_once;
use crate::pattern::Pattern;
use crate::policy::{MergeStrategy, Policy, Rule};
use crate::schema::Schema;
use crate::secret::count_masks;
use crate::source::{Place, SourceSpec, check_distinct, placed};
use crate::value::Value;

impl Composing {
    /// Whether anything but the files themselves can make the document wrong.
    pub fn checks(&self) -> bool {
        self.schema.is_some() || !self.profiles.is_empty() || self.interpolate.is_some() || !self.sources.is_empty()
    }

    /// Whether nothing is asked for.
    pub fn is_empty(&self) -> bool {
        !self.checks() && self.env.is_none() && self.rules.is_empty() && self.secrets.is_empty()
    }

    /// The sources of `--source`.
    pub fn specs(&self) -> Result<Vec<SourceSpec>> {
        self.sources.iter().map(|source| SourceSpec::parse(source)).collect()
    }

    /// The rules of `--rule` and `--secret`.
    pub fn policy(&self) -> Result<Policy> {
        let rules = self.rules.iter().map(|rule| read_rule(rule));
        let secrets = self.secrets.iter().map(|pattern| read_secret(pattern));
        Policy::of(rules.chain(secrets).collect::<Result<Vec<_>>>()?)
    }

    /// Merges files, the later one wins, and variables above them. Warnings of the input are told; those of the result and
    /// its errors are for the caller.
    pub fn compose(&self, inputs: &mut Inputs, files: &[String], as_json: bool) -> Result<Composed, Stop> {
        let mut composition = Composition::new(self.policy()?).with_profiles(&self.profiles);
        let schema = self.schema.as_deref().map(|file| schema::read(file, as_json)).transpose()?;
        let specs = self.specs()?;
        let sourced = Sourced { schema: schema.as_ref(), policy: composition.policy(), as_json };
        let mut layers = sourced.layers(inputs, files, specs)?;
        let (environment, warnings) = environment::layers(self.env.as_deref(), schema.as_ref(), composition.policy())?;
        warnings.iter().for_each(|warning| warn(warning, as_json));
        layers.extend(environment);
        if let Some(schema) = schema {
            composition = composition.with_schema(schema);
        }
        if let Some(names) = &self.interpolate {
            composition = composition.with_references(environment::referable(names));
        }
        Ok(composition.with_invalid_variables(self.invalid_variables).compose(&layers))
    }
}

/// Tells the warnings, and the errors if there are any: then there is no document.
pub(super) fn is_sound(composed: &Composed, as_json: bool) -> bool {
    composed.warnings.iter().for_each(|warning| warn(warning, as_json));
    composed.errors.iter().for_each(|error| complain(error, as_json));
    composed.errors.is_empty()
}

/// The document as it is printed.
pub(super) fn shown(value: &Value, policy: &Policy, show_secrets: bool, as_json: bool) -> Value {
    if show_secrets {
        return value.clone();
    }
    let masked = policy.masked(&crate::path::Path::root(), value);
    note_masks(&masked, as_json);
    masked
}

/// Says that something was masked: a program that reads the output would take the mask for the value.
pub(super) fn note_masks(masked: &Value, as_json: bool) {
    let what = match count_masks(masked) {
        0 => return,
        1 => "1 secret is masked".to_owned(),
        count => format!("{count} secrets are masked"),
    };
    warn(&Error::new(Code::Usage, what).with_hint("add `--show-secrets` to print them"), as_json);
}

impl Secrecy {
    /// What is masked.
    pub fn policy(&self) -> Result<Policy, Stop> {
        let mut rules = self.secrets.iter().map(|pattern| read_secret(pattern)).collect::<Result<Vec<_>>>()?;
        if let Some(schema) = &self.schema {
            rules.extend(schema::read_quietly(schema)?.policy_rules());
        }
        Ok(Policy::of(rules)?)
    }
}

/// What sources of variables have to know of the document.
struct Sourced<'a> {
    schema: Option<&'a Schema>,
    policy: &'a Policy,
    as_json: bool,
}

impl Sourced<'_> {
    /// The layers of files, then those of sources; each is asked once.
    fn layers(&self, inputs: &mut Inputs, files: &[String], specs: Vec<SourceSpec>) -> Result<Vec<Layer>, Stop> {
        let mut named = Vec::new();
        for argument in files {
            for file in expanded(argument)? {
                named.extend(inputs.read_if_there(&file)?);
            }
        }
        let specs = expand_sources(specs)?;
        check_distinct(&specs)?;
        let (of_files, of_sources) = placed(&specs, named.len());
        let mut layers: Vec<Layer> = Vec::new();
        for (input, priority) in named.iter().zip(of_files) {
            layers.push(input.layer(priority)?);
        }
        let asked = ask(&specs, &of_sources)?;
        for ((spec, priority), asked) in specs.iter().zip(of_sources).zip(asked) {
            if let Some(file) = spec.file() {
                layers.extend(inputs.read_if_there(&file)?.map(|input| input.layer(priority)).transpose()?);
            } else if let Place::Env(prefix) = &spec.place {
                let (layer, warnings) = environment::layer(prefix, priority, self.schema, self.policy)?;
                warnings.iter().for_each(|warning| warn(warning, self.as_json));
                layers.push(layer);
            } else {
                match asked {
                    Some(Err(error)) if spec.options.is_optional => warn(&error, self.as_json),
                    Some(Err(error)) => return Err(Stop::of_source(error)),
                    Some(Ok(layer)) => layers.extend(layer),
                    None => {}
                }
            }
        }
        Ok(layers)
    }
}

/// Asks all sources that are polled once, all at the same time; none for the others.
fn ask(specs: &[SourceSpec], priorities: &[i32]) -> Result<Vec<Option<Result<Option<Layer>>>>, Stop> {
    if !specs.iter().any(|spec| spec.place.is_polled()) {
        return Ok(specs.iter().map(|_| None).collect());
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Error::new(Code::Internal, format!("cannot start a runtime: {error}")))?;
    let asked = runtime.block_on(async {
        let tasks: Vec<_> = specs
            .iter()
            .zip(priorities)
            .map(|(spec, priority)| {
                let (spec, priority) = (spec.clone(), *priority);
                spec.place.is_polled().then(|| tokio::spawn(async move { load_once(spec, priority).await }))
            })
            .collect();
        let mut asked = Vec::new();
        for task in tasks {
            asked.push(match task {
                None => None,
                Some(task) => Some(match task.await {
                    Ok(result) => result,
                    Err(error) => Err(Error::new(Code::Internal, format!("asking a source broke: {error}"))),
                }),
            });
        }
        asked
    });
    // A name that is being looked up is not waited for.
    runtime.shutdown_background();
    Ok(asked)
}

/// The files of an argument.
pub(super) fn expanded(argument: &str) -> Result<Vec<FileArgument>, Stop> {
    if argument == "-" {
        return Ok(vec![FileArgument { path: argument.to_owned(), ..FileArgument::default() }]);
    }
    Ok(expand(&FileArgument::parse(argument)?)?)
}

fn read_secret(pattern: &str) -> Result<Rule> {
    Ok(Rule::on(Pattern::parse(pattern)?).secret(true))
}

/// `PATTERN=STRATEGY`, `PATTERN=keyed_list:KEY`, `PATTERN=quiet` or `PATTERN=removals`.
fn read_rule(text: &str) -> Result<Rule> {
    let advice = "write PATTERN=STRATEGY, for example `app.tags=union_set` or `app.users=keyed_list:name`; `quiet` and \
         `removals` stand in the place of a strategy";
    let (pattern, strategy) = text
        .rsplit_once('=')
        .ok_or_else(|| Error::new(Code::Usage, format!("the rule `{text}` names no strategy")).with_hint(advice))?;
    let rule = Rule::on(Pattern::parse(pattern)?);
    match strategy.split_once(':') {
        None if strategy == MergeStrategy::KeyedList.as_str() => {
            Err(Error::new(Code::Usage, format!("the rule `{text}` names no key"))
                .with_hint(format!("name the field that tells the items apart: `{pattern}=keyed_list:name`")))
        }
        None if strategy == "quiet" => Ok(rule.quiet(true)),
        None if strategy == "removals" => Ok(rule.removals(true)),
        None => Ok(rule.merge(strategy.parse()?)),
        Some((strategy, key)) => {
            let strategy: MergeStrategy = strategy.parse()?;
            if strategy != MergeStrategy::KeyedList || key.is_empty() {
                let message = format!("the rule `{text}` names a key, which only `keyed_list` takes");
                let message = if key.is_empty() { format!("the rule `{text}` names an empty key") } else { message };
                return Err(Error::new(Code::Usage, message).with_hint(advice));
            }
            Ok(rule.merge(strategy).key(key))
        }
    }
}
