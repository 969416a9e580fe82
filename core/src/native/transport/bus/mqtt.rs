//! MQTT 5: the topics `PREFIX/DOCUMENT` and `PREFIX/DOCUMENT/INSTANCE`, at most once, and nothing retained.
use std::time::Duration;

use rumqttc::{
    AsyncClient, ConnectReturnCode, ConnectionError, Event, Incoming, IncomingPacketSizeLimit, MqttOptions,
    PublishOptions, QoS, SubscribeFilter, SubscribeReasonCode, TlsConfiguration, Transport,
};

use super::address::Server;
use super::{Broker, Carried, Channels, Outgoing};
use crate::bus::To;
use crate::error::{Error, Result};
use crate::native::net::tls;

/// After how many seconds of silence the broker may count us as gone.
const KEEP_ALIVE: u16 = 10;
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// How long a frame may be: a piece of a message, sealed.
const MAX_FRAME: u32 = 1 << 20;
/// How many frames wait for the connection.
const QUEUE: usize = 64;

pub(super) struct Mqtt(pub(super) Server);

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
        let options = self.options(&channels).await?;
        let ended = |_| self.0.unreachable("the connection ended");
        let built = AsyncClient::builder(options).capacity(QUEUE).try_build();
        let (client, mut events) = built.map_err(|error| self.0.unreachable(&error.to_string()))?;
        let mut all = SubscribeFilter::new(topic(&channels, To::All), QoS::AtMostOnce);
        // The inbox hears its owner: that is how a connection is known to be one.
        all.nolocal = true;
        let inbox = SubscribeFilter::new(topic(&channels, To::One(channels.own)), QoS::AtMostOnce);
        client.subscribe_many([all, inbox]).await.map_err(ended)?;
        let listen = async {
            loop {
                match events.poll().await.map_err(|error| self.told(&error))? {
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
                let once = PublishOptions::at_most_once();
                match out {
                    Outgoing::Frame(to, frame) => {
                        client.publish(topic(&channels, to), frame, once).await.map_err(ended)?;
                    }
                    Outgoing::Flush(done) => {
                        let own = topic(&channels, To::One(channels.own));
                        let sent = client.publish_tracked(own, Vec::new(), once).await.map_err(ended)?;
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

    async fn options(&self, channels: &Channels) -> Result<MqttOptions> {
        let Server { host, port, is_secure, user, password, ca, .. } = &self.0;
        self.0.check_private("mqtt").await?;
        // Whoever comes with a name that is there sends the other one away: so each connection has its own.
        let number = getrandom::u64().unwrap_or_default();
        let mut options = MqttOptions::new(format!("confmesh-{}-{number:016x}", channels.own), (host.as_str(), *port));
        options.set_keep_alive(KEEP_ALIVE);
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

    fn told(&self, error: &ConnectionError) -> Error {
        let hint = match error {
            ConnectionError::ConnectionRefused(
                ConnectReturnCode::BadUserNamePassword | ConnectReturnCode::NotAuthorized,
            ) => "are user and password right? see `password-file` and `password-env`",
            ConnectionError::ConnectionRefused(_) => "does the broker speak MQTT 5?",
            ConnectionError::Io(_) => "is an MQTT broker listening there?",
            _ => "is the address right, and the network up?",
        };
        self.0.unreachable(&error.to_string()).with_hint(hint)
    }
}

/// A channel as a topic: its parts are levels.
fn topic(channels: &Channels, to: To) -> String {
    channels.name(to).replace(':', "/")
}
