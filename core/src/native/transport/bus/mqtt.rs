//! MQTT 5: the topics `PREFIX/DOCUMENT` and `PREFIX/DOCUMENT/INSTANCE`, of which nothing is retained, and
//! `PREFIX/DOCUMENT/status/INSTANCE`, where it is retained whether an instance is there.
use std::time::Duration;

use rumqttc::{
    AsyncClient, ConnectReturnCode, ConnectionError, Event, Incoming, IncomingPacketSizeLimit, LastWill, MqttOptions,
    PublishOptions, QoS, SubscribeFilter, SubscribeReasonCode, TlsConfiguration, Transport,
};

use super::address::{Delivery, Server};
use super::{Broker, Carried, Channels, Outgoing};
use crate::bus::To;
use crate::error::{Error, Result};
use crate::native::net::tls;

const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// How long a frame may be: a piece of a message, sealed.
const MAX_FRAME: u32 = 1 << 20;
/// How many frames wait for the connection.
pub(super) const QUEUE: usize = 64;
/// What is retained of an instance.
pub(super) const ONLINE: &str = "online";
pub(super) const OFFLINE: &str = "offline";

pub(super) struct Mqtt(pub(super) Server, pub(super) Delivery);

impl Broker for Mqtt {
    async fn carry(&self, carried: Carried) -> Error {
        match self.run(carried).await {
            Ok(()) => self.0.unreachable("the connection ended"),
            Err(error) => error,
        }
    }
}

impl Mqtt {
    async fn run(&self, carried: Carried) -> Result<()> {
        let Carried { channels, incoming, mut outgoing } = carried;
        // Whoever comes with a name that is there sends the other one away: so each connection has its own.
        let name = format!("confmesh-{}-{:016x}", channels.own, getrandom::u64().unwrap_or_default());
        let will = Some((status(&channels), OFFLINE.to_owned()));
        let options = options(&self.0, self.1, name, will).await?;
        let ended = |_| self.0.unreachable("the connection ended");
        let built = AsyncClient::builder(options).capacity(QUEUE).try_build();
        let (client, mut events) = built.map_err(|error| self.0.unreachable(&error.to_string()))?;
        let qos = quality(self.1.qos);
        let (status, retained) = (status(&channels), PublishOptions::at_least_once().retained());
        let mut all = SubscribeFilter::new(topic(&channels, To::All), qos);
        // The inbox hears its owner: that is how a connection is known to be one.
        all.nolocal = true;
        let inbox = SubscribeFilter::new(topic(&channels, To::One(channels.own)), qos);
        let mut presence = SubscribeFilter::new(status.clone(), QoS::AtLeastOnce);
        presence.nolocal = true;
        client.subscribe_many([all, inbox, presence]).await.map_err(ended)?;
        client.publish(status.clone(), ONLINE, retained.clone()).await.map_err(ended)?;
        let listen = async {
            loop {
                match events.poll().await.map_err(|error| told(&self.0, &error))? {
                    // The broker found out late that an earlier connection of this instance has ended.
                    Event::Incoming(Incoming::Publish(publish)) if publish.topic == status.as_bytes() => {
                        let is_late = publish.payload != ONLINE.as_bytes();
                        // Only the loop here empties the queue: it must not wait for room in it.
                        let again = is_late.then(|| client.try_publish(status.clone(), ONLINE, retained.clone()));
                        again.transpose().map_err(|_| self.0.unreachable("what is said does not get to the broker"))?;
                    }
                    Event::Incoming(Incoming::Publish(publish))
                        if incoming.send(publish.payload.to_vec()).await.is_err() =>
                    {
                        return Ok(());
                    }
                    Event::Incoming(Incoming::SubAck(answer)) => {
                        let is_refused = |code: &SubscribeReasonCode| !matches!(code, SubscribeReasonCode::Success(_));
                        if let Some(code) = answer.return_codes.iter().find(|code| is_refused(code)) {
                            let hint = "the user has to publish and subscribe to `PREFIX/#`";
                            return Err(self.0.unreachable(&format!("it may not listen: {code:?}")).with_hint(hint));
                        }
                    }
                    Event::Incoming(Incoming::Disconnect(goodbye)) => {
                        return Err(self.0.unreachable(&format!("the broker says {:?}", goodbye.reason_code)));
                    }
                    _ => {}
                }
            }
        };
        let speak = async {
            while let Some(out) = outgoing.recv().await {
                match out {
                    Outgoing::Frame(to, frame) => {
                        client.publish(topic(&channels, to), frame, PublishOptions::new(qos)).await.map_err(ended)?;
                    }
                    // Asked for at the end: what is taken back here is so that nobody waits for the will.
                    Outgoing::Flush(done) => {
                        let gone = client.publish_tracked(status.clone(), OFFLINE, retained.clone());
                        let sent = gone.await.map_err(ended)?;
                        let _ = sent.wait_async().await; // what fails here is over anyway
                        let _ = done.send(()); // nobody may wait any more
                    }
                }
            }
            Ok(())
        };
        tokio::select! {
            ended = listen => ended,
            ended = speak => ended,
        }
    }
}

/// How to connect under a name, and what the broker says at a topic for a client that is gone.
pub(super) async fn options(
    server: &Server,
    delivery: Delivery,
    client_id: String,
    will: Option<(String, String)>,
) -> Result<MqttOptions> {
    let Server { host, port, is_secure, user, password, ca, .. } = server;
    server.check_private("mqtt").await?;
    let mut options = MqttOptions::new(client_id, (host.as_str(), *port));
    options.set_keep_alive(delivery.keep_alive);
    if let Some((topic, word)) = will {
        options.set_last_will(LastWill::new(topic, word, QoS::AtLeastOnce, true, None));
    }
    options.set_connect_timeout(CONNECT_WITHIN);
    options.set_clean_start(true);
    options.set_incoming_packet_size_limit(IncomingPacketSizeLimit::Bytes(MAX_FRAME));
    match (user, password.read()?) {
        (user, Some(password)) => drop(options.set_credentials(user.clone().unwrap_or_default(), password)),
        (Some(user), None) => drop(options.set_username(user)),
        (None, None) => {}
    }
    if *is_secure {
        let config = tls::client(ca.as_deref(), None)?;
        options.set_transport(Transport::tls_with_config(TlsConfiguration::Rustls(config)));
    }
    Ok(options)
}

/// What is wrong with a connection, for people.
pub(super) fn told(server: &Server, error: &ConnectionError) -> Error {
    let hint = match error {
        ConnectionError::ConnectionRefused(
            ConnectReturnCode::BadUserNamePassword | ConnectReturnCode::NotAuthorized,
        ) => "are user and password right? see `password-file` and `password-env`",
        ConnectionError::ConnectionRefused(_) => "does the broker speak MQTT 5?",
        ConnectionError::Io(_) => "is an MQTT broker listening there?",
        _ => "is the address right, and the network up?",
    };
    server.unreachable(&error.to_string()).with_hint(hint)
}

/// A channel as a topic: its parts are levels.
fn topic(channels: &Channels, to: To) -> String {
    channels.name(to).replace(':', "/")
}

/// Where it is retained whether this instance is there.
fn status(channels: &Channels) -> String {
    format!("{}/status/{}", topic(channels, To::All), channels.own)
}

pub(super) fn quality(qos: u8) -> QoS {
    match qos {
        0 => QoS::AtMostOnce,
        1 => QoS::AtLeastOnce,
        _ => QoS::ExactlyOnce,
    }
}
