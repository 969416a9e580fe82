//! The addresses of buses that users write.
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::values::{ValueOptions, ValueWords};
use crate::error::{Code, Error, Result};
use crate::native::net::Token;

/// A checked address of a bus: `redis://[user@]host[:port][/db]`, `rediss://` with TLS, `mqtt://[user@]host[:port]`, `mqtts://`
/// with TLS, `kafka://[user@]host[:port][,host[:port]…]`, `kafka+tls://` with TLS, or `memory://name` within one process. After a
/// `?` it takes options, joined by `&`:
///
/// - `password-file=PATH`, `password-env=NAME`: where the password is;
/// - `key-file=PATH`: the key file (`confmesh key new`) that seals every frame, so that the broker and its other users neither
///   read them nor write;
/// - `prefix=NAME`: how the channels begin; `confmesh`;
/// - `ca=PATH`: whose certificates are trusted; those of the system;
/// - `plain=yes`: without TLS also where the broker is not on this machine;
/// - `keepalive=SECONDS`, MQTT: after how long a silence the broker may count us as gone, and say so; 10;
/// - `qos=0`, `1` or `2`, MQTT: how surely the broker delivers frames; 0, as what is lost is found out anyway;
/// - `sasl=plain`, `scram-256` or `scram-512`, Kafka: how a user proves to be one; `plain`;
/// - `compression=none`, `gzip`, `snappy` or `lz4`, Kafka: `lz4`;
/// - `batch-bytes=N`, `linger-ms=N`, Kafka: how many bytes are sent at once, 16384, and how long a frame waits for others, 0;
/// - `values=publish`, `take` or `both`: single values for programs that are no instances, as plain JSON, with
///   `values-prefix=NAME`, `values-paths=PATTERN,…`, `tenant=NAME`, `retain=no` and `principal=NAME`.
#[derive(Clone)]
pub struct BusAddress {
    shown: String,
    pub(super) kind: Kind,
    pub(super) key_file: Option<PathBuf>,
    pub(super) prefix: String,
    values: Option<ValueOptions>,
}

#[derive(Clone)]
pub(super) enum Kind {
    Memory(String),
    #[cfg(feature = "redis")]
    Redis(Server),
    #[cfg(feature = "mqtt")]
    Mqtt(Server, Delivery),
    #[cfg(feature = "kafka")]
    Kafka(Cluster),
}

/// How an MQTT broker is to treat us.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(not(feature = "mqtt"), allow(dead_code, reason = "no broker is built in"))]
pub(super) struct Delivery {
    /// After how many seconds of silence we count as gone.
    pub(super) keep_alive: u16,
    pub(super) qos: u8,
}

impl Default for Delivery {
    fn default() -> Delivery {
        Delivery { keep_alive: 10, qos: 0 }
    }
}

/// Where a broker is, and who we are there.
#[derive(Clone)]
#[cfg_attr(
    not(any(feature = "redis", feature = "mqtt", feature = "kafka")),
    allow(dead_code, reason = "no broker is built in")
)]
pub(super) struct Server {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) is_secure: bool,
    /// Whether it may be far away without TLS.
    pub(super) is_plain: bool,
    pub(super) path: String,
    pub(super) user: Option<String>,
    pub(super) password: Token,
    pub(super) ca: Option<PathBuf>,
}

/// Where a cluster is: the brokers that are asked for the others.
#[derive(Clone)]
#[cfg_attr(not(feature = "kafka"), allow(dead_code, reason = "it is not built in"))]
pub(super) struct Cluster {
    /// The first broker, and who we are.
    pub(super) server: Server,
    /// All of them, as `host:port`.
    pub(super) brokers: Vec<(String, u16)>,
    pub(super) manner: Manner,
}

/// How it is spoken to.
#[derive(Clone)]
#[cfg_attr(not(feature = "kafka"), allow(dead_code, reason = "it is not built in"))]
pub(super) struct Manner {
    pub(super) sasl: Sasl,
    pub(super) compression: Packing,
    pub(super) batch_bytes: usize,
    /// How long a record waits for others.
    pub(super) linger: Duration,
}

impl Default for Manner {
    fn default() -> Manner {
        Manner { sasl: Sasl::Plain, compression: Packing::Lz4, batch_bytes: 16 << 10, linger: Duration::ZERO }
    }
}

/// How what is said is made smaller.
#[derive(Clone, Copy)]
pub(super) enum Packing {
    None,
    Gzip,
    Snappy,
    Lz4,
}

impl Packing {
    pub(super) fn parse(name: &str) -> Result<Packing> {
        match name {
            "none" => Ok(Packing::None),
            "gzip" => Ok(Packing::Gzip),
            "snappy" => Ok(Packing::Snappy),
            "lz4" => Ok(Packing::Lz4),
            _ => {
                Err(usage(format!("`{name}` is no compression"))
                    .with_hint("there are `none`, `gzip`, `snappy` and `lz4`"))
            }
        }
    }
}

/// How a user proves to be one.
#[derive(Clone, Copy)]
pub(super) enum Sasl {
    Plain,
    Scram256,
    Scram512,
}

const FORM: &str = "write `redis://host:port`, `mqtt://host:port` or `kafka://host:port`, with TLS `rediss://`, `mqtts://` or `kafka+tls://`";

impl BusAddress {
    /// Reads an address.
    ///
    /// # Errors
    /// [`Code::Usage`] where it is none. What stands before an `@` is not told, as it may hold a password.
    pub fn parse(text: &str) -> Result<BusAddress> {
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(usage("this is no address of a bus").with_hint(FORM));
        };
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = place.split_once('/').unwrap_or((place, ""));
        let (login, server) = match authority.rsplit_once('@') {
            Some((login, server)) => (Some(login), server),
            None => (None, authority),
        };
        let (user, password) = match login.map(|login| login.split_once(':').unwrap_or((login, ""))) {
            Some((user, password)) => (Some(decoded(user)?), Some(decoded(password)?)),
            None => (None, None),
        };
        let user = user.filter(|user| !user.is_empty());
        let mut password = password.filter(|given| !given.is_empty()).map_or(Token::None, Token::Given);
        let (mut key_file, mut ca, mut is_plain, mut prefix) = (None, None, false, "confmesh".to_owned());
        let mut values = ValueWords::default();
        let (mut delivery, is_mqtt) = (Delivery::default(), matches!(scheme, "mqtt" | "mqtts"));
        let is_broker = is_mqtt || matches!(scheme, "redis" | "rediss");
        let (mut manner, is_kafka) = (Manner::default(), matches!(scheme, "kafka" | "kafka+tls"));
        for option in query.split('&').filter(|option| !option.is_empty()) {
            let (name, value) = option.split_once('=').unwrap_or((option, ""));
            let value = decoded(value)?;
            match name {
                _ if value.is_empty() => return Err(usage(format!("the option `{name}` of a bus needs a value"))),
                "password-file" => password = Token::File(value.into()),
                "password-env" => {
                    let given = std::env::var(&value).map_err(|_| {
                        usage(format!("the variable `{value}` holds no password"))
                            .with_hint("set it, or name another one")
                    })?;
                    password = Token::Given(given);
                }
                "key-file" => key_file = Some(value.into()),
                "ca" => ca = Some(value.into()),
                "prefix" => prefix = value,
                "plain" if value == "yes" => is_plain = true,
                "keepalive" if is_mqtt => delivery.keep_alive = seconds(&value)?,
                "qos" if is_mqtt => delivery.qos = quality(&value)?,
                "sasl" if is_kafka => manner.sasl = mechanism(&value)?,
                "compression" if is_kafka => manner.compression = Packing::parse(&value)?,
                "batch-bytes" if is_kafka => manner.batch_bytes = number(name, &value, 1..=1 << 20)?,
                "linger-ms" if is_kafka => {
                    manner.linger = Duration::from_millis(u64::try_from(number(name, &value, 0..=500)?).unwrap_or(0));
                }
                _ if is_broker && values.take(name, &value)? => {}
                _ => {
                    let hint = "there are `password-file`, `password-env`, `key-file`, `ca`, `prefix` and `plain=yes`, \
                                for MQTT `keepalive` and `qos`, for Kafka `sasl`, `compression`, `batch-bytes` and \
                                `linger-ms`, and for values for others `values`, `values-prefix`, `values-paths`, `tenant`, \
                                `retain` and `principal`";
                    return Err(usage(format!("a bus has no option `{option}`")).with_hint(hint));
                }
            }
        }
        let of_user = user.as_ref().map(|user| format!("{user}@")).unwrap_or_default();
        let of_path = if path.is_empty() { String::new() } else { format!("/{path}") };
        let shown = format!("{scheme}://{of_user}{server}{of_path}");
        let kind = match scheme {
            "memory" if !server.is_empty() => Kind::Memory(server.to_owned()),
            "redis" | "rediss" => {
                let (host, port) = host_and_port(server, 6_379)?;
                let (is_secure, path) = (scheme == "rediss", path.to_owned());
                redis(Server { host, port, is_secure, is_plain, path, user, password, ca })?
            }
            "mqtt" | "mqtts" => {
                let is_secure = scheme == "mqtts";
                let (host, port) = host_and_port(server, if is_secure { 8_883 } else { 1_883 })?;
                check_topic(&prefix)?;
                mqtt(Server { host, port, is_secure, is_plain, path: path.to_owned(), user, password, ca }, delivery)?
            }
            "kafka" | "kafka+tls" => {
                let brokers: Vec<_> = server.split(',').map(|one| host_and_port(one, 9_092)).collect::<Result<_>>()?;
                let Some((host, port)) = brokers.first().cloned() else { return Err(usage("no broker is named")) };
                let (is_secure, path) = (scheme == "kafka+tls", path.to_owned());
                let server = Server { host, port, is_secure, is_plain, path, user, password, ca };
                kafka(Cluster { server, brokers, manner }, &prefix)?
            }
            _ => return Err(usage(format!("`{scheme}://` is no kind of bus")).with_hint(FORM)),
        };
        let values = values.options(is_mqtt)?;
        Ok(BusAddress { shown, kind, key_file, prefix, values })
    }

    /// What is said there of single values, to programs that are no instances; nothing, unless it is asked for.
    pub fn values(&self) -> Option<&ValueOptions> {
        self.values.as_ref()
    }

    /// Whether single values have topics of their own there.
    pub fn has_topics(&self) -> bool {
        #[cfg(feature = "mqtt")]
        return matches!(self.kind, Kind::Mqtt(..));
        #[cfg(not(feature = "mqtt"))]
        false
    }

    /// Whether nobody else reads what is said there.
    pub fn seals(&self) -> bool {
        self.key_file.is_some() || matches!(self.kind, Kind::Memory(_))
    }
}

#[cfg(feature = "redis")]
fn redis(server: Server) -> Result<Kind> {
    if !server.path.is_empty() && server.path.parse::<i64>().is_err() {
        return Err(usage("what follows the host of a Redis bus is the number of a database").with_hint(FORM));
    }
    Ok(Kind::Redis(server))
}

#[cfg(not(feature = "redis"))]
fn redis(_: Server) -> Result<Kind> {
    Err(usage("this build knows no Redis").with_hint("build it with the feature `redis`"))
}

#[cfg(feature = "mqtt")]
fn mqtt(server: Server, delivery: Delivery) -> Result<Kind> {
    match server.path.is_empty() {
        true => Ok(Kind::Mqtt(server, delivery)),
        false => Err(usage("nothing follows the port of an MQTT broker").with_hint("`prefix=` says how topics begin")),
    }
}

#[cfg(not(feature = "mqtt"))]
fn mqtt(_: Server, _: Delivery) -> Result<Kind> {
    Err(usage("this build knows no MQTT").with_hint("build it with the feature `mqtt`"))
}

fn number(name: &str, value: &str, range: std::ops::RangeInclusive<usize>) -> Result<usize> {
    let (least, most) = range.clone().into_inner();
    let found = value.parse().ok().filter(|number| range.contains(number));
    found.ok_or_else(|| usage(format!("`{name}` of a bus is a number from {least} to {most}, not `{value}`")))
}

fn mechanism(name: &str) -> Result<Sasl> {
    match name {
        "plain" => Ok(Sasl::Plain),
        "scram-256" => Ok(Sasl::Scram256),
        "scram-512" => Ok(Sasl::Scram512),
        _ => Err(usage(format!("`{name}` is no way to log in at Kafka"))
            .with_hint("write `sasl=plain`, `sasl=scram-256` or `sasl=scram-512`")),
    }
}

#[cfg(feature = "kafka")]
fn kafka(cluster: Cluster, prefix: &str) -> Result<Kind> {
    if !cluster.server.path.is_empty() {
        return Err(usage("nothing follows the brokers of Kafka").with_hint("`prefix=` says how topics begin"));
    }
    if !prefix.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-')) {
        let hint = "use letters, digits, `.`, `_` and `-`";
        return Err(usage(format!("no topic of Kafka begins with `{prefix}`")).with_hint(hint));
    }
    Ok(Kind::Kafka(cluster))
}

#[cfg(not(feature = "kafka"))]
fn kafka(_: Cluster, _: &str) -> Result<Kind> {
    Err(usage("this build knows no Kafka").with_hint("build it with the feature `kafka`"))
}

#[cfg(any(feature = "redis", feature = "mqtt", feature = "kafka"))]
impl Server {
    pub(super) fn unreachable(&self, why: &str) -> Error {
        Error::new(Code::Unreachable, format!("cannot use the broker at `{}:{}`: {why}", self.host, self.port))
    }

    /// Without TLS only this machine is private, unless somebody says so.
    pub(super) async fn check_private(&self, scheme: &str) -> Result<()> {
        if self.is_secure || self.is_plain || is_here(&self.host).await {
            return Ok(());
        }
        let secure = if scheme == "kafka" { "kafka+tls".to_owned() } else { format!("{scheme}s") };
        let hint = format!(
            "write `{secure}://`; where the network is your own, add `plain=yes`, and `key-file=` to seal what is said"
        );
        let what = format!("everybody on the way could read what goes over `{scheme}://`");
        Err(self.unreachable(&what).with_hint(hint))
    }
}

/// Whether a broker is on this machine.
#[cfg(any(feature = "redis", feature = "mqtt", feature = "kafka"))]
async fn is_here(host: &str) -> bool {
    if let Ok(address) = host.parse::<std::net::IpAddr>() {
        return address.is_loopback();
    }
    let found = tokio::net::lookup_host((host, 0)).await;
    found.is_ok_and(|mut found| found.all(|address| address.ip().is_loopback()))
}

fn host_and_port(server: &str, default: u16) -> Result<(String, u16)> {
    let broken = || usage(format!("`{server}` is no host and port")).with_hint(FORM);
    let (host, port) = match server.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, port.parse().map_err(|_| broken())?),
        _ => (server, default),
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    if host.is_empty() || port == 0 { Err(broken()) } else { Ok((host.to_owned(), port)) }
}

/// What `keepalive` says: brokers take whole seconds, and a silence that is never noticed helps nobody.
fn seconds(value: &str) -> Result<u16> {
    let seconds = value.parse().ok().filter(|seconds| (1..=3_600).contains(seconds));
    seconds.ok_or_else(|| usage(format!("`keepalive={value}` is no number of seconds from 1 to 3600")))
}

fn quality(value: &str) -> Result<u8> {
    let quality = value.parse().ok().filter(|quality| *quality <= 2);
    quality.ok_or_else(|| usage(format!("`qos={value}` is none of 0 (at most once), 1 (at least once) and 2 (once)")))
}

/// What topics begin with holds no wildcard, and nothing that only brokers may publish.
pub(super) fn check_topic(prefix: &str) -> Result<()> {
    let is_wrong = |letter: char| matches!(letter, '+' | '#') || letter.is_control();
    if prefix.starts_with('$') || prefix.chars().any(is_wrong) {
        let hint = "leave out `+`, `#` and a `$` at the beginning";
        return Err(usage(format!("`{prefix}` is nothing that a topic may begin with")).with_hint(hint));
    }
    Ok(())
}

/// A part of an address without its `%`.
fn decoded(text: &str) -> Result<String> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || rest.next().and_then(|digit| char::from(digit).to_digit(16));
        let pair = digit().zip(digit()).and_then(|(high, low)| u8::try_from(16 * high + low).ok());
        bytes.push(pair.ok_or_else(|| usage("a `%` in the address of a bus is followed by two digits"))?);
    }
    String::from_utf8(bytes).map_err(|_| usage("a part of the address of a bus is no text"))
}

pub(super) fn usage(message: impl Into<String>) -> Error {
    Error::new(Code::Usage, message.into())
}

impl fmt::Display for BusAddress {
    /// Without passwords.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for BusAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BusAddress({self})")
    }
}
