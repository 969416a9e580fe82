//! From options to an actor that is ready to run: store, engine, sources, first looks.
use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::mpsc;

use super::Shared;
use super::access::Guarding;
use super::actor::Actor;
use super::clock::Clock;
use super::environment::{Look, Prefix, Variables, follow as follow_variables};
use super::files::patience;
use super::inputs::{Inputs, MAX_REQUESTS, Senders};
use super::listen::Listening;
use super::listing;
use super::notices::Notices;
use super::options::Setup;
use crate::driver::Driver;
use crate::engine::{DocumentOptions, Engine, EngineConfig, FileBinding, KeepHistory, Level, SourceState, Ticket};
use crate::error::{Code, Error, Result};
use crate::identity::Key;
use crate::merge::{InvalidVariables, Layer, priority};
use crate::native::file;
use crate::native::source::environment;
use crate::native::store::{Store, Writer, instance_key};
use crate::native::watch::Watcher;
use crate::secret::Seal;
use crate::value::Str;

/// Where the store says that it takes the place of one that was given up: its document comes from others.
pub(super) const REJOIN: &[u8] = b"rejoin";

fn entropy<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)
        .map_err(|error| Error::new(Code::Internal, format!("the system gives no random numbers: {error}")))?;
    Ok(bytes)
}

/// The seed of the key that says who this is; without a data directory it is for this run alone.
fn seed_of(data_dir: Option<&std::path::Path>) -> Result<[u8; 32]> {
    let fresh = entropy()?;
    data_dir.map_or(Ok(fresh), |dir| instance_key(dir, &fresh))
}

/// Opens everything and takes the first look at every source. Inputs that this causes wait in the queues.
pub(super) async fn launch(setup: &mut Setup, listeners: Vec<Listening>) -> Result<(Actor, Inputs)> {
    let clock = Clock::new();
    let now = clock.now();
    let name = setup.document.clone();
    let store = setup.data_dir.as_deref().map(Store::open).transpose()?;
    let seed = seed_of(setup.data_dir.as_deref())?;
    let instance = Key::from_seed(&seed).public().instance();
    let records = store.as_ref().map(Store::read_all).transpose()?.unwrap_or_default();
    let joins_only = records.iter().any(|(key, _)| key == REJOIN);
    if joins_only && setup.peers.is_empty() && setup.buses.is_empty() && setup.listen.is_empty() {
        let message = "the store was set aside to be rebuilt from other instances, and none can be reached";
        return Err(Error::new(Code::NotReady, message).with_hint(
            "name an instance with `peer`, or a bus; to begin anew from the bound file, remove the data directory",
        ));
    }
    let config = EngineConfig {
        found_after_ms: setup.found_after_ms,
        old_after_ms: setup.old_after_ms,
        heartbeat_ms: setup.heartbeat_ms,
        key: Some(seed),
        is_copy: store.as_ref().is_some_and(Store::is_copy),
        edits_from: usize::try_from(super::files::LONG_BYTES).ok(),
        ..EngineConfig::new(instance, entropy()?)
    };
    let engine = Engine::new(config, records.iter().map(|(key, bytes)| (key.as_slice(), bytes.as_slice())))?;

    let mut driver = Driver::new(engine);

    let mut sources: Vec<(Str, i32)> = setup.layers.iter().map(|layer| (layer.id.clone(), layer.priority)).collect();
    let own = setup.env_prefix.take().map(|prefix| Prefix { prefix, priority: None, every: None });
    let variables = Variables {
        environment: setup.environment.clone(),
        prefixes: own.into_iter().chain(std::mem::take(&mut setup.environments)).collect(),
        schema: setup.schema.clone(),
        policy: setup.policy.clone(),
    };
    let look = variables.look().unwrap_or(Look { layers: Vec::new(), warnings: Vec::new() });
    let environment: Vec<Layer> = look.layers.iter().map(|(_, found)| found.clone()).collect::<Result<_>>()?;
    let warnings = look.warnings.clone();
    refuse_wrong_types(&environment, setup)?;
    sources.extend(setup.remotes.iter().map(|remote| (remote.given.spec.id(), remote.priority)));
    sources.extend(environment.iter().map(|layer| (layer.id.clone(), layer.priority)));
    let bound = setup.bind.take();
    let options = DocumentOptions {
        shared: setup.shared,
        file: bound.as_ref().map(|bound| FileBinding {
            id: bound.id.clone(),
            format: bound.format,
            is_named: bound.is_named,
        }),
        has_peers: !setup.peers.is_empty() || !setup.buses.is_empty(),
        dialed_peers: setup.peers.len(),
        sources,
        policy: std::mem::take(&mut setup.policy),
        settle: setup.settle,
        history: setup.shared.then(|| KeepHistory {
            budget: setup.history,
            seal: setup.keys.clone().map(|keys| -> Arc<dyn Seal> { Arc::new(keys) }),
        }),
        joins_only,
        schema: setup.schema.take(),
        profiles: setup.profiles.clone(),
        check_within_ms: setup.check_within_ms,
        invalid_variables: setup.invalid_variables,
        // References see the environment as it is now.
        variables: setup.interpolate.then(|| environment::referable(&setup.env_names).into_iter().collect()),
    };
    driver.open(name.clone(), options, patience(setup.watch), now);
    for layer in environment {
        let id = layer.id.clone();
        driver.engine_mut().handle_layer(&name, &id, Ok(Some(layer)), now);
    }
    let Some(snapshot) = driver.engine().snapshot(&name) else {
        return Err(Error::new(Code::Internal, "the document was not opened"));
    };

    let (requests, inbox) = mpsc::channel(MAX_REQUESTS);
    let (senders, mut inputs) = Inputs::new(inbox);
    let mut notices = Notices::new(format!("{instance}-{}", now.wall_ms).into());
    let shared = Arc::new(Shared {
        document: name,
        instance,
        addresses: std::sync::OnceLock::new(),
        webhooks: setup.webhooks.take(),
        notices: notices.followers(),
        started: std::sync::OnceLock::new(),
        snapshot: ArcSwap::new(snapshot),
        requests,
        subscribers: Arc::default(),
        journal: Arc::default(),
        gate: setup.access.gate.as_ref().map(|(_, _, gate)| gate.clone()),
        shown: setup.access.shown.clone(),
        ended: std::sync::Mutex::new(false),
        end: std::sync::Condvar::new(),
    });
    if setup.watch.is_some() {
        follow_variables(variables, &look, &senders);
    }
    let writer = store.map(|store| spawn_writer(store, &senders)).transpose()?;
    let watcher = setup.watch.map(|options| Watcher::new(options, senders.files.clone())).transpose()?;
    if let Some(watcher) = &watcher {
        for path in setup.layers.iter().map(|layer| &layer.path).chain(bound.as_ref().map(|bound| &bound.path)) {
            watcher.watch(path)?;
        }
        if let Some((path, key_files, _)) = &setup.access.gate {
            [path].into_iter().chain(key_files).try_for_each(|path| watcher.watch(path))?;
        }
    }
    let layers = setup.layers.clone();
    let listing = setup.listing.take().filter(|_| setup.watch.is_some());
    if let (Some(listing), Some(watch)) = (listing.clone(), setup.watch) {
        listing::follow(listing, &layers, watch, senders.listed.clone());
    }
    notices.open(std::mem::take(&mut setup.receivers), clock);
    let mut actor = Actor::new(shared, driver, clock, writer, senders, setup.log);
    actor.notices = notices;
    for warning in warnings {
        actor.tell(Level::Warning, None, warning);
    }
    actor.watcher = watcher;
    actor.layers = layers;
    actor.listing = listing;
    actor.stale_after_ms = setup.stale_after_ms;
    let guarding = |(path, key_files, gate)| Guarding { path, key_files, gate, failure: None, told_refused: 0 };
    actor.guarding = setup.access.gate.take().map(guarding);
    actor.bound = bound.into_iter().map(|bound| (actor.shared.document.clone(), bound.path)).collect();
    actor.bound.values().for_each(|path| file::clear_unfinished(path));
    // Probes are answered while sources are waited for, so that nobody takes a slow start for a dead one.
    actor.serve(listeners, std::mem::take(&mut setup.allowed), &setup.access);
    let keys = setup.keys.take().map(Arc::new);
    actor.start_remotes(std::mem::take(&mut setup.remotes), setup.kept_dir.as_deref(), keys, &mut inputs).await;
    let is_alone = setup.peers.is_empty() && setup.buses.is_empty();
    actor.add_buses(std::mem::take(&mut setup.buses));
    first_look(&mut actor, is_alone)?;
    Ok((actor, inputs))
}

/// Variables do not change while a program runs, so nobody could mend them: better not to start.
fn refuse_wrong_types(environment: &[Layer], setup: &Setup) -> Result<()> {
    let Some(schema) = setup.schema.as_ref().filter(|_| setup.invalid_variables == InvalidVariables::Refuse) else {
        return Ok(());
    };
    let wrong = environment.iter().flat_map(|layer| schema.coerce(layer).take_wrong_types(layer));
    Error::all(wrong).map_or(Ok(()), Err)
}

/// A source that is broken from the start has no last good content: better not to start than to start without it.
fn first_look(actor: &mut Actor, is_alone: bool) -> Result<()> {
    let is_new = actor.driver.engine().status().iter().all(|status| status.genesis.is_none());
    // A document that is in the store goes on with what was in force, whatever others wrote into it.
    actor.refuses_invalid = is_new && is_alone;
    for at in 0..actor.layers.len() {
        let text = actor.layers.get(at).map(|layer| file::read_regular(&layer.path));
        actor.take_layer(at, text.unwrap_or(Ok(None)));
    }
    let now = actor.clock.now();
    for document in actor.bound.keys() {
        let found = actor.read_bound(document);
        actor.driver.handle_first_look(document, found, now);
    }
    actor.decide();
    let status = actor.driver.engine().status().into_iter().next();
    let Some(status) = status else { return Ok(()) };
    for source in status.sources.iter().cloned() {
        let layer = actor.layers.iter().find(|layer| layer.id == source.id);
        let is_bound = !actor.bound.is_empty() && source.priority == priority::SHARED;
        match source.state {
            // A document that is in the store goes on with what it has.
            // Nor does it end a start that the document as a whole does not suit: whether that does is asked below.
            SourceState::Stale(_) if actor.driver.engine().holds_back(&actor.shared.document, &source.id) => {}
            SourceState::Stale(error) if layer.is_some() || (is_bound && is_new) => return Err(error),
            SourceState::Missing if layer.is_some_and(|layer| layer.required) => {
                let path = layer.map(|layer| layer.path.display().to_string()).unwrap_or_default();
                return Err(Error::new(Code::File, format!("cannot read `{path}`: no such file or directory"))
                    .with_hint("create the file, or correct the path"));
            }
            state => {
                if let Some(error) = actor.remotes.iter().find_map(|remote| remote.ends_start(&source.id, &state)) {
                    return Err(error);
                }
            }
        }
    }
    match status.rejected {
        // While the checks of the program are asked this is what was wrong before all sources were there.
        Some(rejection) if actor.refuses_invalid && !actor.driver.is_checking() => Err(rejection.to_error()),
        _ => Ok(()),
    }
}

fn spawn_writer(store: Store, senders: &Senders) -> Result<Writer> {
    let persisted = senders.persisted.clone();
    Writer::spawn(store, move |ticket, result| {
        let _ = persisted.send((Ticket(ticket), result)); // fails once the actor is gone, which then needs no answer
    })
}
