//! Redis (and what speaks its protocol): channels of publish and subscribe, one connection for each direction.
use std::time::Duration;

use futures_util::StreamExt;
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ErrorKind, IntoConnectionInfo, RedisConnectionInfo, RedisError,
    TlsCertificates,
};

use super::address::Server;
use super::{Broker, Carried, Outgoing};
use crate::error::{Error, Result};
use crate::native::file;

/// How long a connection may take, and an answer.
pub(super) const CONNECT_WITHIN: Duration = Duration::from_secs(5);
pub(super) const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// How many frames go to the broker at once.
const BATCH: usize = 64;

pub(super) struct Redis(pub(super) Server);

impl Broker for Redis {
    async fn carry(&self, carried: Carried) -> Error {
        match self.run(carried).await {
            Ok(()) => self.0.unreachable("the connection ended"),
            Err(error) => error,
        }
    }
}

impl Redis {
    async fn run(&self, carried: Carried) -> Result<()> {
        let Carried { channels, incoming, mut outgoing } = carried;
        let client = self.client().await?;
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_WITHIN))
            .set_response_timeout(Some(ANSWER_WITHIN));
        let told = |error: RedisError| self.told(&error);
        let mut publisher = client.get_multiplexed_async_connection_with_config(&config).await.map_err(told)?;
        let subscribe = async {
            let mut subscriber = client.get_async_pubsub().await?;
            subscriber.subscribe(&[channels.all.clone(), channels.inbox()]).await?;
            Ok(subscriber)
        };
        let subscriber = tokio::time::timeout(CONNECT_WITHIN, subscribe).await;
        let subscriber = subscriber.map_err(|_| self.0.unreachable("no answer"))?.map_err(told)?;
        let (_sink, mut heard) = subscriber.split();
        let listen = async {
            while let Some(message) = heard.next().await {
                if incoming.send(message.get_payload_bytes().to_vec()).await.is_err() {
                    break;
                }
            }
            Ok(())
        };
        let speak = async {
            let mut batch = Vec::new();
            while outgoing.recv_many(&mut batch, BATCH).await > 0 {
                let mut pipe = redis::pipe();
                let mut flushes = Vec::new();
                for out in batch.drain(..) {
                    match out {
                        Outgoing::Frame(to, frame) => {
                            pipe.cmd("PUBLISH").arg(channels.name(to)).arg(frame).ignore();
                        }
                        Outgoing::Flush(done) => flushes.push(done),
                    }
                }
                pipe.query_async::<()>(&mut publisher).await.map_err(told)?;
                flushes.into_iter().for_each(|done| _ = done.send(())); // nobody may wait any more
            }
            Ok(())
        };
        tokio::select! {
            ended = listen => ended,
            ended = speak => ended,
        }
    }

    pub(super) async fn client(&self) -> Result<Client> {
        let Server { host, port, is_secure, path, user, password, ca, .. } = &self.0;
        self.0.check_private("redis").await?;
        let address = if *is_secure {
            ConnectionAddr::TcpTls { host: host.clone(), port: *port, insecure: false, tls_params: None }
        } else {
            ConnectionAddr::Tcp(host.clone(), *port)
        };
        let mut login = RedisConnectionInfo::default().set_db(path.parse().unwrap_or(0));
        if let Some(user) = user {
            login = login.set_username(user);
        }
        if let Some(password) = password.read()? {
            login = login.set_password(password);
        }
        let told = |error: RedisError| self.told(&error);
        let info = address.into_connection_info().map_err(told)?.set_redis_settings(login);
        let root_cert = match ca.as_deref() {
            Some(ca) => file::read(ca)?.map(String::into_bytes),
            None => None,
        };
        match root_cert.is_some() || *is_secure {
            true => Client::build_with_tls(info, TlsCertificates { client_tls: None, root_cert }).map_err(told),
            false => Client::open(info).map_err(told),
        }
    }

    pub(super) fn told(&self, error: &RedisError) -> Error {
        let hint = match error.kind() {
            ErrorKind::AuthenticationFailed => "are user and password right? see `password-file` and `password-env`",
            ErrorKind::Server(redis::ServerErrorKind::NoPerm) => {
                "the user needs `+publish +subscribe` and `&PREFIX:*` (`ACL SETUSER`)"
            }
            _ if error.to_string().contains("NOAUTH") => "the broker wants a password: see `password-file`",
            _ if error.is_connection_refusal() => "is Redis listening there?",
            _ => "is the address right, and the network up?",
        };
        self.0.unreachable(&error.to_string()).with_hint(hint)
    }
}
