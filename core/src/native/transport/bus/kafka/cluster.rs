//! A connection to a cluster: who we are there, whom we trust, and what its errors mean to somebody who reads them.
use std::time::Duration;

use krafka::auth::{AuthConfig, TlsConfig};
use krafka::error::{ErrorCode, KrafkaError};
use krafka::{BrokerInfo, Compression, Kafka};

use super::super::address::{Cluster, Packing, Sasl, Server};
use crate::error::{Error, Result};
use crate::native::net::tls;

const CONNECT_WITHIN: Duration = Duration::from_secs(5);
pub(super) const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// What a broker may answer with at most: some times what is asked for.
const MAX_ANSWER: usize = 32 << 20;

impl Cluster {
    /// Connects to one of the brokers and asks it for the others. What is said over one such connection is answered in order, so
    /// whoever waits for records has one of his own.
    pub(super) async fn connect(&self) -> Result<Kafka> {
        self.connect_within(None).await
    }

    /// The same, with so much time for each answer.
    pub(super) async fn connect_within(&self, answer: Option<Duration>) -> Result<Kafka> {
        let answer = answer.unwrap_or(ANSWER_WITHIN);
        for (host, _) in &self.brokers {
            self.check_private(host).await?;
        }
        let brokers: Vec<String> = self.brokers.iter().map(|(host, port)| at(host, *port)).collect();
        let mut builder = Kafka::builder(brokers.join(","))
            .client_id("confmesh")
            .connect_timeout(CONNECT_WITHIN.min(answer))
            .request_timeout(answer)
            .max_response_size(MAX_ANSWER);
        if let Some(security) = self.security()? {
            builder = builder.security(security);
        }
        builder.connect().await.map_err(|error| self.told(&error))
    }

    /// Whether what is said may go to the brokers that were named by the first one.
    pub(super) async fn check_all(&self, brokers: &[BrokerInfo]) -> Result<()> {
        for broker in brokers {
            self.check_private(broker.host()).await?;
        }
        Ok(())
    }

    async fn check_private(&self, host: &str) -> Result<()> {
        Server { host: host.to_owned(), ..self.server.clone() }.check_private("kafka").await
    }

    fn security(&self) -> Result<Option<AuthConfig>> {
        let Server { is_secure, user, password, ca, .. } = &self.server;
        let trusted = match (is_secure, ca) {
            (false, _) => None,
            (true, None) => Some(TlsConfig::new().with_native_roots()),
            (true, Some(ca)) => {
                tls::trusted(Some(ca))?; // says what is wrong with the file
                Some(TlsConfig::new().with_ca_cert(ca.display().to_string()))
            }
        };
        let login = match (user, password.read()?) {
            (None, None) => return Ok(trusted.map(AuthConfig::ssl)),
            (user, password) => (user.clone().unwrap_or_default(), password.unwrap_or_default()),
        };
        let proof = match self.manner.sasl {
            Sasl::Plain => AuthConfig::sasl_plain(login.0, login.1),
            Sasl::Scram256 => AuthConfig::sasl_scram_sha256(login.0, login.1),
            Sasl::Scram512 => AuthConfig::sasl_scram_sha512(login.0, login.1),
        };
        Ok(Some(match trusted {
            Some(trusted) => proof.with_tls(trusted),
            None => proof,
        }))
    }

    pub(super) fn told(&self, error: &KrafkaError) -> Error {
        let text = error.to_string();
        let hint = match error {
            KrafkaError::Auth { .. } if text.contains("certificate") => {
                "is the certificate for this name, and `ca=` whoever signed it?"
            }
            KrafkaError::Auth { .. } => "are user, password and `sasl=` right? see `password-file` and `password-env`",
            KrafkaError::Broker {
                code: ErrorCode::TopicAuthorizationFailed | ErrorCode::ClusterAuthorizationFailed,
                ..
            } => "the user has to read, write and describe the topics that begin with `PREFIX`, or to create them",
            KrafkaError::Network(_) | KrafkaError::Timeout { .. } => {
                "is Kafka listening there, and what it advertises reached from here?"
            }
            _ => "is the address right, and Kafka 3.9 or newer?",
        };
        self.server.unreachable(&text).with_hint(hint)
    }
}

fn at(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

pub(super) fn is_unknown(error: &KrafkaError) -> bool {
    matches!(
        error,
        KrafkaError::UnknownTopic { .. } | KrafkaError::Broker { code: ErrorCode::UnknownTopicOrPartition, .. }
    )
}

pub(super) fn packed(how: Packing) -> Compression {
    match how {
        Packing::None => Compression::None,
        Packing::Gzip => Compression::Gzip,
        Packing::Snappy => Compression::Snappy,
        Packing::Lz4 => Compression::Lz4,
    }
}
