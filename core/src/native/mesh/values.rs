//! Values for programs that are no instances: the connections that carry them, and who writes them.
use tokio::sync::mpsc;

use super::actor::Actor;
use super::buses::Bus;
use crate::bus::values::{Rules, tenant_of};
use crate::clock::Now;
use crate::driver::{Saying, ValueCounts, ValuePlaces};
use crate::error::{Code, Error, Result};
use crate::guard::Who;
use crate::native::transport::bus::{BusAddress, BusEvent, Client, ClientEvent, ClientOptions, LineState, Plain};
use crate::value::Value;

/// How many messages of programs wait to be read.
const QUEUE: usize = 256;
/// At least once: what comes twice is the same value.
const QOS: u8 = 1;

/// How values for others are doing at a broker.
#[derive(Clone, Debug)]
pub struct ValueStatus {
    /// How topics, or the channel, begin.
    pub prefix: String,
    /// Whether the connection for them stands.
    pub is_connected: bool,
    /// What became of them.
    pub counts: ValueCounts,
    /// Why they are not carried.
    pub last_error: Option<Error>,
}

impl ValueStatus {
    /// `{"prefix", "connected", "published", "taken", "refused", "last_error"?}`.
    pub(super) fn to_value(&self) -> Value {
        let mut fields = vec![
            ("prefix", self.prefix.as_str().into()),
            ("connected", self.is_connected.into()),
            ("published", self.counts.said.into()),
            ("taken", self.counts.taken.into()),
            ("refused", self.counts.refused.into()),
        ];
        fields.extend(self.last_error.as_ref().map(|error| ("last_error", error.to_value())));
        fields.into_iter().collect()
    }
}

/// Whether somebody is named as whom programs at a bus write, where that has to be so.
///
/// # Errors
/// [`Code::Usage`] with the way out.
pub(super) fn check(buses: &[BusAddress], has_auth: bool) -> Result<()> {
    for bus in buses {
        let Some(values) = bus.values() else { continue };
        if values.takes && has_auth && values.principal.is_none() {
            let message = format!("programs at `{bus}` would write in nobody's name, and here everybody has one");
            let hint = "add `principal=NAME` to the bus: a principal of the authentication file";
            return Err(Error::new(Code::Usage, message).with_hint(hint));
        }
        if values.principal.is_some() && !(has_auth && values.takes) {
            let message =
                format!("`principal` of `{bus}` is of no use without `values=take` and an authentication file");
            return Err(Error::new(Code::Usage, message).with_hint("leave it out, or add `--auth FILE`"));
        }
    }
    Ok(())
}

impl Actor {
    /// Reaches for the brokers at which values for others are found.
    pub(super) fn start_values(&mut self) -> Result<()> {
        for (number, bus) in self.buses.iter_mut().enumerate() {
            let Some(options) = bus.address.values() else { continue };
            let places = ValuePlaces {
                prefix: options.prefix.clone(),
                tenant: options.tenant.clone().or_else(|| tenant_of(&self.shared.document)),
                has_topics: bus.address.has_topics(),
                broker: bus.address.to_string().as_str().into(),
            };
            let (publishes, takes, retains) = (options.publishes, options.takes, options.retains);
            let filters = vec![places.filter()];
            let rules = Rules { publishes, takes, retains, paths: options.paths.clone() };
            self.driver.carry_values(bus.id, &self.shared.document, places, rules);
            let (events, mut heard) = mpsc::channel(QUEUE);
            let to_actor = self.senders.buses.clone();
            tokio::spawn(async move {
                while let Some(event) = heard.recv().await {
                    if to_actor.send((number, BusEvent::Values(event))).await.is_err() {
                        break;
                    }
                }
            });
            let options = ClientOptions { filters, ..ClientOptions::default() };
            bus.values = Some(Client::spawn(&bus.address, options, events));
        }
        Ok(())
    }

    pub(super) fn handle_value_event(&mut self, number: usize, event: ClientEvent, now: Now) {
        let Some(bus) = self.buses.get(number) else { return };
        let id = bus.id;
        match event {
            ClientEvent::Up => self.driver.handle_values_up(id, now),
            ClientEvent::Down(_) => self.driver.handle_values_down(id),
            ClientEvent::Message { topic, payload, is_retained } => {
                let by = self.values_by(bus, now);
                self.driver.authorize_values(id, by);
                self.driver.handle_value(id, &topic, &payload, is_retained, now);
            }
        }
    }

    /// In whose name programs at a broker write now.
    fn values_by(&self, bus: &Bus, now: Now) -> Result<Who> {
        let principal = bus.address.values().and_then(|values| values.principal.as_deref());
        match (principal, &self.guarding) {
            (Some(name), Some(guarding)) => guarding.gate.table().named(name, now.wall_ms).map(Some),
            _ => Ok(None),
        }
    }

    pub(super) fn say_value(&mut self, saying: Saying) {
        let Saying { bus, path, topic, text, retain } = saying;
        let client = self.buses.iter().find(|other| other.id == bus).and_then(|bus| bus.values.as_ref());
        let message = Plain { topic, payload: text.into_bytes(), qos: QOS, retain };
        if !client.is_some_and(|client| client.try_publish(message)) {
            self.driver.handle_unsaid(bus, &path, self.clock.now());
        }
    }

    pub(super) fn value_status(&self, bus: &Bus) -> Option<ValueStatus> {
        let (options, client) = (bus.address.values()?, bus.values.as_ref()?);
        let state = client.state();
        Some(ValueStatus {
            prefix: options.prefix.clone(),
            is_connected: state == LineState::Up,
            counts: self.driver.value_counts(bus.id)?,
            last_error: if let LineState::Waiting { error, .. } = state { Some(error) } else { None },
        })
    }
}
