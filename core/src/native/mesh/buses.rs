//! The buses of a mesh: brokers as the actor sees them, and what it says of them.
use std::time::Duration;

use super::actor::Actor;
use super::log::worded;
use super::values::ValueStatus;
use crate::bus::Fleet;
use crate::clock::{Now, rfc3339};
use crate::driver::{BusId, Publish};
use crate::engine::Level;
use crate::error::{Code, Error, Result};
use crate::native::transport::bus::{BusAddress, BusEvent, Client, Line, LineState};
use crate::policy::Policy;
use crate::value::Value;

/// One bus.
pub(super) struct Bus {
    pub(super) id: BusId,
    pub(super) address: BusAddress,
    pub(super) line: Option<Line>,
    /// The connection for values for others, where they are asked for.
    pub(super) values: Option<Client>,
    /// Since when the broker is reached, in milliseconds since 1970.
    since_ms: Option<u64>,
    /// What was last said of why it is not.
    told: Option<String>,
}

/// How a bus is doing.
#[derive(Clone, Debug)]
pub struct BusStatus {
    /// Where the broker is, without passwords.
    pub url: String,
    /// `connected`, `connecting` or `waiting`.
    pub state: &'static str,
    /// Since when it is reached, in milliseconds since 1970.
    pub since_ms: Option<u64>,
    /// Why it is not.
    pub last_error: Option<Error>,
    /// How long is waited between the attempts.
    pub retry_in: Option<Duration>,
    /// What is heard there.
    pub fleet: Fleet,
    /// What became of values for others, where they are asked for.
    pub values: Option<ValueStatus>,
}

/// The addresses of buses.
///
/// # Errors
/// [`Code::Usage`] for one that is none, where secrets would go over one that does not seal them, and for a document that is
/// to drop its history: on a bus nobody says all the time what he has.
pub(super) fn read(buses: &[String], policy: &Policy, settle: bool) -> Result<Vec<BusAddress>> {
    let buses = buses.iter().map(|url| BusAddress::parse(url)).collect::<Result<Vec<_>>>()?;
    if settle && !buses.is_empty() {
        return Err(Error::new(
            Code::Usage,
            "history is dropped between instances that are connected, and not on a bus",
        )
        .with_hint("leave out `settle`, or connect the instances (`peer`) instead of a bus"));
    }
    let open = buses.iter().find(|bus| policy.has_secrets() && !bus.seals());
    match open {
        Some(bus) => {
            Err(Error::new(Code::Usage, format!("whoever reads at `{bus}` would read secrets of the document"))
                .with_hint(
                    "seal what is said there: `confmesh key new > bus.key`, and `?key-file=bus.key` at each instance",
                ))
        }
        None => Ok(buses),
    }
}

impl Bus {
    /// Ends its connections; what each of them still does for that.
    pub(super) fn close(self) -> impl Iterator<Item = tokio::task::JoinHandle<()>> {
        let line = self.line.map(|line| tokio::spawn(line.close()));
        let values = self.values.map(|client| tokio::spawn(client.close()));
        line.into_iter().chain(values)
    }
}

impl Actor {
    /// Names the buses to the driver; they are reached for once everything else runs.
    pub(super) fn add_buses(&mut self, addresses: Vec<BusAddress>) {
        for address in addresses {
            let id = self.driver.add_bus();
            self.buses.push(Bus { id, address, line: None, values: None, since_ms: None, told: None });
        }
    }

    pub(super) fn start_buses(&mut self) -> Result<()> {
        for (number, bus) in self.buses.iter_mut().enumerate() {
            let events = (number, self.senders.buses.clone());
            bus.line = Some(Line::spawn(&bus.address, (&self.shared.document, self.shared.instance), events)?);
        }
        self.start_values()
    }

    pub(super) fn handle_bus(&mut self, number: usize, event: BusEvent, now: Now) {
        let Some(bus) = self.buses.get_mut(number) else { return };
        match event {
            BusEvent::Up => {
                (bus.since_ms, bus.told) = (Some(now.wall_ms), None);
                self.driver.handle_bus_up(bus.id, now);
                let message = format!("connected to the bus {}", bus.address);
                self.log_line(Level::Info, &message);
            }
            BusEvent::Frame(frame) => {
                self.metrics.received(frame.len());
                // What nobody of a fleet sends is counted, and shown.
                let _ = self.driver.handle_bus_frame(bus.id, &frame, now);
            }
            BusEvent::Values(event) => self.handle_value_event(number, event, now),
            BusEvent::Down(error) => {
                bus.since_ms = None;
                self.driver.handle_bus_down(bus.id, now);
                let message = format!("the bus {} is not reached: {}", bus.address, worded(&error));
                if bus.told.as_ref() != Some(&message) {
                    bus.told = Some(message.clone());
                    self.log_line(Level::Warning, &message);
                }
            }
        }
    }

    pub(super) fn publish_on_bus(&self, publish: Publish) {
        self.metrics.sent(publish.bytes.len());
        let line = self.buses.iter().find(|bus| bus.id == publish.bus).and_then(|bus| bus.line.as_ref());
        if let Some(line) = line {
            line.publish(publish.to, publish.bytes);
        }
    }

    pub(super) fn bus_statuses(&self, now: Now) -> Vec<BusStatus> {
        let status = |bus: &Bus| {
            let (state, last_error, retry_in) = match bus.line.as_ref().map_or(LineState::Connecting, Line::state) {
                LineState::Connecting => ("connecting", None, None),
                LineState::Up => ("connected", None, None),
                LineState::Waiting { error, retry_in } => ("waiting", Some(error), Some(retry_in)),
            };
            let (url, fleet) = (bus.address.to_string(), self.driver.fleet(bus.id, now));
            let values = self.value_status(bus);
            BusStatus { url, state, since_ms: bus.since_ms, last_error, retry_in, fleet, values }
        };
        self.buses.iter().map(status).collect()
    }
}

impl BusStatus {
    /// Why writes do not go over it.
    pub(super) fn problem(&self) -> Option<Error> {
        match (self.state, &self.last_error) {
            // The last frames of a process that was killed are no copy.
            ("connected", _) if self.fleet.copied > 3 => {
                let message = format!("another process says on the bus {} that it is this instance", self.url);
                let hint = "its data directory was copied: stop the copy, and start it without `instance.key`";
                Some(Error::new(Code::Protocol, message).with_hint(hint))
            }
            ("connected", _) => self.values.as_ref().and_then(|values| values.last_error.clone()),
            (_, Some(error)) => Some(error.clone()),
            _ => Some(Error::new(Code::Unreachable, format!("the bus {} is not reached yet", self.url))),
        }
    }

    pub(super) fn to_value(&self) -> Value {
        let number = |count: usize| Value::from(u64::try_from(count).unwrap_or(u64::MAX));
        let mut fields = vec![
            ("url", self.url.as_str().into()),
            ("state", self.state.into()),
            ("instances", number(self.fleet.instances)),
            ("links", number(self.fleet.links)),
            ("missed_frames", self.fleet.missed.into()),
            ("refused_frames", self.fleet.refused.into()),
        ];
        fields.extend(self.since_ms.map(|since| ("connected_since", rfc3339(since).into())));
        fields.extend(self.last_error.as_ref().map(|error| ("last_error", error.to_value())));
        let retry_ms = self.retry_in.map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX));
        fields.extend(retry_ms.map(|wait| ("retry_in_ms", wait.into())));
        fields.extend(self.values.as_ref().map(|values| ("values", values.to_value())));
        fields.into_iter().collect()
    }
}
