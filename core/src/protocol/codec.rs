//! Messages to and from JSON text frames.

use super::{Greeting, LockNews, MAX_GIVEN_UP, Message, Offer, Part, Pulse, Standing, VERSION};
use crate::canonical::canonical;
use crate::clock::{Stamp, VersionVector, parse_rfc3339, rfc3339};
use crate::diff::Change;
use crate::error::{Code, Error, Result};
use crate::format::LeftOut;
use crate::format::{Format, parse};
use crate::id::{DocumentName, Genesis, InstanceId, ReplicaId};
use crate::identity::{Introduction, PublicKey};
use crate::limits::MAX_FRAME_BYTES;
use crate::merge::Withheld;
use crate::path::Path;
use crate::policy::ConflictStrategy;
use crate::replica::{Delta, MadeOn, REPLICATES};
use crate::value::{Str, Value};

/// What surrounds every message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// Unique per message of an instance.
    pub event_id: String,
    /// Who sends it.
    pub instance: InstanceId,
    /// When, in milliseconds since 1970; for people, never for ordering.
    pub wall_ms: u64,
    /// The sender's logical clock.
    pub hlc: Stamp,
}

pub(super) type Fields = Vec<(&'static str, Value)>;

/// Encodes a message as one JSON text frame.
pub fn encode(message: &Message, envelope: &Envelope) -> String {
    let (kind, mut fields) = body(message);
    fields.extend([
        ("v", VERSION.into()),
        ("type", kind.into()),
        ("event_id", envelope.event_id.as_str().into()),
        ("instance_id", envelope.instance.to_string().into()),
        ("timestamp", rfc3339(envelope.wall_ms).into()),
        ("hlc", envelope.hlc.as_u64().to_string().into()),
    ]);
    canonical(&fields.into_iter().collect())
}

/// Decodes a frame; the second part is the sender, where it names itself.
///
/// # Errors
/// [`Code::TooLarge`], [`Code::Message`] with what is wrong, or what the names and paths in it bring; the connection can
/// go on.
pub fn decode(frame: &str) -> Result<(Message, Option<InstanceId>)> {
    if frame.len() > MAX_FRAME_BYTES {
        let message = format!("a message has {} bytes, at most {MAX_FRAME_BYTES} are allowed", frame.len());
        return Err(Error::new(Code::TooLarge, message));
    }
    let value = parse(frame, Format::Json)
        .map_err(|error| Error::new(Code::Message, format!("a message is no JSON: {}", error.message())))?;
    let reader = Reader { value: &value };
    let instance =
        reader.optional_text("instance_id").or(reader.optional_text("source_node")).and_then(InstanceId::parse);
    let kind = reader.optional_text("type").or(reader.optional_text("action"));
    let kind = kind.ok_or_else(|| malformed("it has no `type`"))?;
    Ok((message(kind, &reader)?, instance))
}

/// When a frame was sent, in milliseconds since 1970, where it says so.
pub fn sent_ms(frame: &str) -> Option<u64> {
    let value = parse(frame, Format::Json).ok()?;
    parse_rfc3339(value.child("timestamp")?.as_str()?)
}

fn body(message: &Message) -> (&'static str, Fields) {
    match message {
        Message::Hello { .. }
        | Message::Delta { .. }
        | Message::Part { .. }
        | Message::Pull { .. }
        | Message::Ack { .. }
        | Message::Heartbeat { .. } => replica_body(message),
        Message::ConnectionEstablished { connection_id } => (
            "connection_established",
            vec![
                ("connection_id", connection_id.as_str().into()),
                ("server", "confmesh".into()),
                ("protocol", VERSION.into()),
            ],
        ),
        Message::Subscribe { patterns } => {
            let patterns: Vec<Value> = patterns.iter().map(|p| p.as_str().into()).collect();
            ("subscribe", vec![("patterns", patterns.into())])
        }
        Message::ConfigRequest { document, follow, hash } => {
            let hash = hash.then_some(("hash", Value::from(true)));
            ("config_request", named(document, [("follow", (*follow).into())]).into_iter().chain(hash).collect())
        }
        Message::ConfigResponse { document, revision, hash, value, seen } => (
            "config_response",
            named(
                document,
                [
                    ("version", (*revision).into()),
                    ("config_hash", hash.as_str().into()),
                    ("config_data", value.clone()),
                ],
            )
            .into_iter()
            .chain(seen_field(seen.as_ref()))
            .collect(),
        ),
        Message::ConfigUpdate { document, base, revision, hash, changes, seen } => {
            let changes: Vec<Value> = changes.iter().map(Change::to_value).collect();
            let fields =
                [("base_version", (*base).into()), ("version", (*revision).into()), ("changes", changes.into())];
            let hash = hash.as_deref().map(|hash| ("config_hash", Value::from(hash)));
            let fields = named(document, fields).into_iter().chain(hash).chain(seen_field(seen.as_ref()));
            ("config_update", fields.collect())
        }
        Message::ConfigChange { document, key, value, user, request_id, made_on, after } => {
            let mut fields = named(document, [("config_key", key.as_str().into())]);
            fields.extend(value.clone().map(|value| ("new_value", value)));
            if value.is_none() {
                fields.push(("remove", true.into()));
            }
            fields.extend(text("user_id", user));
            fields.extend(text("request_id", request_id));
            if let Some(made_on) = made_on {
                fields.extend(seen_field(Some(&made_on.seen)));
                fields.extend(made_on.old.clone().map(|old| ("old_value", old)));
                fields.push(("age_ms", made_on.age_ms.into()));
            }
            fields.extend(text("after", after));
            ("config_change", fields)
        }
        Message::ConfigReplace { document, value, hash, base_hash, user, request_id } => {
            let mut fields = named(document, [("config_data", value.clone())]);
            for (name, value) in
                [("config_hash", hash), ("base_hash", base_hash), ("user_id", user), ("request_id", request_id)]
            {
                fields.extend(text(name, value));
            }
            ("config_update", fields)
        }
        Message::ConfigChangeResponse { key, result, unchanged, shadowed_by, withheld, left_out, request_id } => {
            let mut fields = vec![("config_key", key.as_str().into()), ("success", result.is_ok().into())];
            match result {
                Ok(revision) => fields.push(("version", (*revision).into())),
                Err(error) => fields.extend(error_fields(error, "error")),
            }
            fields.extend(unchanged.then_some(("unchanged", true.into())));
            fields.extend(text("shadowed_by", shadowed_by));
            if !withheld.is_empty() {
                fields.push(("withheld", withheld.iter().map(Withheld::to_value).collect::<Vec<_>>().into()));
            }
            if !left_out.is_empty() {
                fields.push(("left_out", left_out.iter().map(LeftOut::to_value).collect::<Vec<_>>().into()));
            }
            fields.extend(text("request_id", request_id));
            ("config_change_response", fields)
        }
        Message::ConfigSync { document, revision, change, seen } => {
            let mut fields = named(
                document,
                [
                    ("config_key", change.path.to_string().into()),
                    ("version", (*revision).into()),
                    ("event_type", if change.new.is_some() { "config_changed" } else { "config_deleted" }.into()),
                ],
            );
            fields.extend(change.old.clone().map(|old| ("old_value", old)));
            fields.extend(change.new.clone().map(|new| ("new_value", new)));
            fields.extend(seen_field(seen.as_ref()));
            ("config_sync", fields)
        }
        Message::Call { document, operation, arguments, request_id } => {
            let fields = [("operation", operation.as_str().into()), ("arguments", arguments.clone())];
            let fields = named(document, fields).into_iter().chain([("request_id", request_id.as_str().into())]);
            ("call", fields.collect())
        }
        Message::Answer { request_id, result } => {
            let what = match result {
                Ok(reply) => ("result", reply.clone()),
                Err(error) => ("error", error.to_value()),
            };
            ("answer", vec![("request_id", request_id.as_str().into()), what])
        }
        Message::Lock(news) => news.body(),
        Message::Ping => ("ping", Fields::new()),
        Message::Pong => ("pong", Fields::new()),
        Message::Error { error, request_id } => {
            let mut fields = error_fields(error, "message");
            fields.extend(text("request_id", request_id));
            ("error", fields)
        }
    }
}

fn message(kind: &str, r: &Reader<'_>) -> Result<Message> {
    Ok(match kind {
        "hello" | "delta" | "delta_part" | "pull" | "ack" | "heartbeat" => replica_message(kind, r)?,
        "connection_established" => {
            Message::ConnectionEstablished { connection_id: r.text("connection_id")?.to_owned() }
        }
        "subscribe" => {
            let texts = r.list("patterns")?.iter().map(|p| p.as_str().map(str::to_owned));
            let patterns: Option<Vec<String>> = texts.collect();
            Message::Subscribe { patterns: patterns.ok_or_else(|| malformed("`patterns` is a list of strings"))? }
        }
        "config_request" => {
            let follow = r.value.child("follow").and_then(Value::as_bool).unwrap_or(false);
            let hash = r.value.child("hash").and_then(Value::as_bool).unwrap_or(false);
            Message::ConfigRequest { document: r.document()?, follow, hash }
        }
        "config_response" => Message::ConfigResponse {
            document: r.document()?,
            revision: r.number("version")?,
            hash: r.text("config_hash")?.to_owned(),
            value: r.field("config_data")?.clone(),
            seen: r.optional_seen()?,
        },
        "config_update" if r.value.child("config_data").is_some_and(|data| *data != Value::Null) => config_replace(r)?,
        "config_update" => Message::ConfigUpdate {
            document: r.document()?,
            base: r.number("base_version")?,
            revision: r.number("version")?,
            hash: r.owned("config_hash"),
            changes: r.list("changes")?.iter().map(Change::from_value).collect::<Result<_>>()?,
            seen: r.optional_seen()?,
        },
        "config_change" => config_change(r)?,
        "config_change_response" => Message::ConfigChangeResponse {
            key: r.text("config_key")?.to_owned(),
            result: match r.value.child("success").and_then(Value::as_bool) {
                Some(true) => Ok(r.value.child("version").and_then(Value::as_u64).unwrap_or(0)),
                _ => Err(received_error(r, "error")),
            },
            unchanged: r.value.child("unchanged").and_then(Value::as_bool).unwrap_or(false),
            shadowed_by: r.owned("shadowed_by"),
            withheld: r.readable("withheld", Withheld::from_value),
            left_out: r.readable("left_out", LeftOut::from_value),
            request_id: r.owned("request_id"),
        },
        "config_sync" => Message::ConfigSync {
            document: r.document()?,
            revision: r.number("version")?,
            change: Change {
                path: Path::parse(r.text("config_key")?)?,
                old: r.value.child("old_value").cloned(),
                new: r.value.child("new_value").cloned(),
            },
            seen: r.optional_seen()?,
        },
        "call" => Message::Call {
            document: r.document()?,
            operation: r.text("operation")?.to_owned(),
            arguments: r.value.child("arguments").cloned().unwrap_or_default(),
            request_id: r.text("request_id")?.to_owned(),
        },
        "answer" => Message::Answer {
            request_id: r.text("request_id")?.to_owned(),
            result: match r.value.child("error") {
                Some(error) => Err(received_error(&Reader { value: error }, "message")),
                None => Ok(r.field("result")?.clone()),
            },
        },
        "config_locked" | "config_unlocked" => LockNews::read(kind == "config_locked", r)?,
        "ping" => Message::Ping,
        "pong" => Message::Pong,
        "error" => Message::Error { error: received_error(r, "message"), request_id: r.owned("request_id") },
        other => {
            return Err(Error::new(Code::Message, format!("unknown message type `{}`", shorten(other))));
        }
    })
}

/// What replicas say to each other. To a build without them it means nothing.
fn replica_message(kind: &str, r: &Reader<'_>) -> Result<Message> {
    if !REPLICATES {
        return Ok(Message::Heartbeat { documents: Vec::new() });
    }
    Ok(match kind {
        "hello" => Message::Hello {
            offer: Offer {
                versions: r.list("versions")?.iter().filter_map(Value::as_u64).collect(),
                codecs: r.texts("codecs"),
                compress: r.texts("compress"),
            },
            documents: r.list("documents")?.iter().map(|v| greeting(&Reader { value: v })).collect::<Result<_>>()?,
            introduction: introduction(r),
        },
        "delta" => Message::Delta {
            document: r.document()?,
            genesis: r.genesis()?,
            delta: Delta::from_value(r.field("delta")?)?,
        },
        "delta_part" => {
            let part = Part { number: r.number("part")?, count: r.number("parts")? };
            if !part.is_possible() {
                return Err(malformed("there is no such part"));
            }
            let delta = Delta::from_value(r.field("delta")?)?;
            Message::Part { document: r.document()?, genesis: r.genesis()?, part, delta }
        }
        "pull" => Message::Pull { document: r.document()?, seen: r.seen()? },
        "ack" => Message::Ack { document: r.document()?, seen: r.seen()? },
        _ => Message::Heartbeat {
            // Heartbeats of other programs carry no documents.
            documents: match r.list("documents") {
                Ok(list) => list.iter().map(|v| pulse(&Reader { value: v })).collect::<Result<_>>()?,
                Err(_) => Vec::new(),
            },
        },
    })
}

fn config_replace(r: &Reader<'_>) -> Result<Message> {
    // Which rule decides is chosen by path here; a sender that wants one which does not exist is told.
    if let Some(strategy) = r.optional_text("conflict_resolution") {
        strategy.parse::<ConflictStrategy>()?;
    }
    Ok(Message::ConfigReplace {
        document: r.document()?,
        value: r.field("config_data")?.clone(),
        hash: r.owned("config_hash"),
        base_hash: r.owned("base_hash"),
        user: r.owned("user_id"),
        request_id: r.owned("request_id"),
    })
}

fn config_change(r: &Reader<'_>) -> Result<Message> {
    let remove = r.value.child("remove").and_then(Value::as_bool).unwrap_or(false);
    let value = if remove { None } else { Some(r.field("new_value")?.clone()) };
    Ok(Message::ConfigChange {
        document: r.document()?,
        key: r.text("config_key")?.to_owned(),
        value,
        user: r.owned("user_id"),
        request_id: r.owned("request_id"),
        made_on: r.optional_seen()?.map(|seen| MadeOn {
            seen,
            old: r.value.child("old_value").cloned(),
            age_ms: r.value.child("age_ms").and_then(Value::as_u64).unwrap_or(0),
        }),
        after: r.owned("after"),
    })
}

/// The body of what replicas say to each other; a build without them sends none of it.
fn replica_body(message: &Message) -> (&'static str, Fields) {
    match message {
        _ if !REPLICATES => ("heartbeat", Fields::new()),
        Message::Hello { offer, documents, introduction } => {
            let versions: Vec<Value> = offer.versions.iter().map(|v| Value::from(*v)).collect();
            let texts = |texts: &[String]| Value::from(texts.iter().map(|t| t.as_str().into()).collect::<Vec<Value>>());
            let documents: Vec<Value> = documents.iter().map(greeting_value).collect();
            let mut fields = vec![("versions", versions.into()), ("documents", documents.into())];
            for (name, names) in [("codecs", &offer.codecs), ("compress", &offer.compress)] {
                if !names.is_empty() {
                    fields.push((name, texts(names)));
                }
            }
            if let Some(introduction) = introduction {
                fields.push(("key", introduction.key.to_string().into()));
                fields.push(("nonce", digits(&introduction.nonce).into()));
                fields.extend(introduction.proof.map(|proof| ("proof", digits(&proof).into())));
            }
            ("hello", fields)
        }
        Message::Delta { document, genesis, delta } => {
            ("delta", named(document, [("genesis", genesis.to_string().into()), ("delta", delta.to_value())]))
        }
        Message::Part { document, genesis, part, delta } => {
            let fields = [
                ("genesis", genesis.to_string().into()),
                ("part", part.number.into()),
                ("parts", part.count.into()),
                ("delta", delta.to_value()),
            ];
            // Not a `delta`: who does not know parts must not take one for the whole.
            ("delta_part", named(document, fields))
        }
        Message::Pull { document, seen } => ("pull", named(document, [("seen", seen.to_value())])),
        Message::Ack { document, seen } => ("ack", named(document, [("seen", seen.to_value())])),
        Message::Heartbeat { documents } => {
            let documents: Vec<Value> = documents.iter().map(pulse_value).collect();
            ("heartbeat", vec![("status", "online".into()), ("documents", documents.into())])
        }
        _ => ("heartbeat", Fields::new()),
    }
}

pub(super) fn named<const N: usize>(document: &DocumentName, fields: [(&'static str, Value); N]) -> Fields {
    let mut all: Fields = vec![("name", document.name().into()), ("tenant_id", document.tenant().into())];
    all.extend(fields);
    all
}

fn seen_field(seen: Option<&VersionVector>) -> Option<(&'static str, Value)> {
    seen.map(|seen| ("seen", seen.to_value()))
}

fn text(name: &'static str, text: &Option<String>) -> Option<(&'static str, Value)> {
    text.as_ref().map(|text| (name, text.as_str().into()))
}

fn error_fields(error: &Error, message: &'static str) -> Fields {
    let mut fields = vec![(message, error.message().into()), ("code", error.code().as_str().into())];
    fields.extend(error.hint().map(|hint| ("hint", hint.into())));
    fields
}

fn received_error(r: &Reader<'_>, message: &str) -> Error {
    let code = r.optional_text("code").unwrap_or_default();
    let code = Code::ALL.iter().find(|known| known.as_str() == code).copied().unwrap_or(Code::Message);
    let error = Error::new(code, r.optional_text(message).unwrap_or("the other side reported an error"));
    match r.optional_text("hint") {
        Some(hint) => error.with_hint(hint),
        None => error,
    }
}

fn greeting_value(greeting: &Greeting) -> Value {
    let standing = &greeting.standing;
    let fields = [
        // What instances go by that know no standing.
        ("alone", (greeting.genesis.is_some() && !standing.old).into()),
        ("seen", greeting.seen.to_value()),
        ("genesis", greeting.genesis.map_or(Value::Null, |g| g.to_string().into())),
    ];
    let id = |name: &'static str, id: Option<ReplicaId>| id.map(|id| (name, Value::from(id.to_string())));
    let ids = id("replica", greeting.replica).into_iter().chain(id("former", greeting.former));
    let more = (*standing != implied(greeting.genesis, !standing.old)).then(|| ("standing", standing_value(standing)));
    let rules = greeting.rules.map(|rules| ("rules", format!("{rules:016x}").into()));
    named(&greeting.document, fields).into_iter().chain(ids).chain(more).chain(rules).collect()
}

fn greeting(r: &Reader<'_>) -> Result<Greeting> {
    let genesis = match r.value.child("genesis") {
        None | Some(Value::Null) => None,
        Some(_) => Some(r.genesis()?),
    };
    let alone = r.value.child("alone").and_then(Value::as_bool).unwrap_or(false);
    let standing = r.value.child("standing").map_or_else(|| implied(genesis, alone), |value| standing(value, !alone));
    let id = |name: &str| r.optional_text(name).and_then(ReplicaId::parse);
    let (replica, former) = (id("replica"), id("former"));
    // What is no such name is one of another version, and compares to nothing.
    let rules = r.optional_text("rules").filter(|rules| rules.len() == 16);
    let rules = rules.and_then(|rules| u64::from_str_radix(rules, 16).ok());
    Ok(Greeting { document: r.document()?, genesis, standing, seen: r.seen()?, replica, former, rules })
}

/// What a greeting without a standing says: a document that met others never gave way.
fn implied(genesis: Option<Genesis>, alone: bool) -> Standing {
    Standing { old: genesis.is_some() && !alone, ..Standing::default() }
}

fn standing_value(standing: &Standing) -> Value {
    let mut fields: Vec<(&str, Value)> = vec![("loaded", standing.loaded.into()), ("content", standing.content.into())];
    let given_up: Vec<Value> = standing.given_up.iter().map(|genesis| genesis.to_string().into()).collect();
    if standing.born_ms > 0 {
        fields.push(("born", standing.born_ms.into()));
    }
    if !given_up.is_empty() {
        fields.push(("given_up", given_up.into()));
    }
    fields.into_iter().collect()
}

fn standing(value: &Value, old: bool) -> Standing {
    let mark = |name: &str| value.child(name).and_then(Value::as_bool).unwrap_or(false);
    let given_up = value.child("given_up").and_then(Value::as_list).map(|list| list.as_slice()).unwrap_or_default();
    let given_up = given_up.iter().filter_map(|genesis| Genesis::parse(genesis.as_str()?)).take(MAX_GIVEN_UP).collect();
    let born_ms = value.child("born").and_then(Value::as_u64).unwrap_or(0);
    Standing { old, loaded: mark("loaded"), content: mark("content"), born_ms, given_up }
}

/// Who a hello is from. What is no key is none: names are then not believed.
fn introduction(r: &Reader<'_>) -> Option<Introduction> {
    let key = PublicKey::from_bytes(bytes(r.optional_text("key")?)?);
    let proof = r.optional_text("proof").and_then(bytes);
    Some(Introduction { key, nonce: bytes(r.optional_text("nonce")?)?, proof })
}

fn digits(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Reads hexadecimal digits, exactly as many as it takes.
fn bytes<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    if text.len() != 2 * N || !text.is_ascii() {
        return None;
    }
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(bytes)
}

fn pulse_value(pulse: &Pulse) -> Value {
    let fields = [
        ("genesis", Value::from(pulse.genesis.to_string())),
        ("seen", pulse.seen.to_value()),
        ("view_digest", pulse.view_digest.as_str().into()),
    ];
    let floor = Some(&pulse.floor).filter(|floor| !floor.is_empty()).map(|floor| ("floor", floor.to_value()));
    named(&pulse.document, fields).into_iter().chain(floor).collect()
}

fn pulse(r: &Reader<'_>) -> Result<Pulse> {
    let view_digest = r.text("view_digest")?.to_owned();
    let floor = r.value.child("floor").map(VersionVector::from_value).transpose()?.unwrap_or_default();
    Ok(Pulse { document: r.document()?, genesis: r.genesis()?, seen: r.seen()?, floor, view_digest })
}

/// Reads fields of a message with errors that name them.
pub(super) struct Reader<'a> {
    pub(super) value: &'a Value,
}

impl<'a> Reader<'a> {
    fn field(&self, name: &str) -> Result<&'a Value> {
        self.value.child(name).ok_or_else(|| malformed(&format!("it has no `{name}`")))
    }

    fn optional_text(&self, name: &str) -> Option<&'a str> {
        self.value.child(name).and_then(Value::as_str)
    }

    fn owned(&self, name: &str) -> Option<String> {
        self.optional_text(name).map(str::to_owned)
    }

    /// What of a list can be read.
    fn readable<T>(&self, name: &str, read: impl Fn(&Value) -> Option<T>) -> Vec<T> {
        self.value.child(name).and_then(Value::as_list).into_iter().flatten().filter_map(read).collect()
    }

    pub(super) fn text(&self, name: &str) -> Result<&'a str> {
        self.field(name)?.as_str().ok_or_else(|| malformed(&format!("`{name}` is a string")))
    }

    fn number(&self, name: &str) -> Result<u64> {
        self.field(name)?.as_u64().ok_or_else(|| malformed(&format!("`{name}` is a whole number")))
    }

    fn list(&self, name: &str) -> Result<&'a [Value]> {
        let list = self.field(name)?.as_list().ok_or_else(|| malformed(&format!("`{name}` is a list")))?;
        Ok(list.as_slice())
    }

    /// A list of names; one that is missing is empty.
    fn texts(&self, name: &str) -> Vec<String> {
        let items = self.value.child(name).and_then(Value::as_list).map(|list| list.as_slice()).unwrap_or_default();
        items.iter().filter_map(|item| item.as_str().map(str::to_owned)).collect()
    }

    /// The document that the message is about; the default one where it names none.
    pub(super) fn document(&self) -> Result<DocumentName> {
        match (self.optional_text("tenant_id"), self.optional_text("name")) {
            (_, None) => Ok(DocumentName::default_name()),
            (Some(tenant), Some(name)) if !name.contains('/') => DocumentName::parse(&format!("{tenant}/{name}")),
            (_, Some(name)) => DocumentName::parse(name),
        }
    }

    fn genesis(&self) -> Result<Genesis> {
        Genesis::parse(self.text("genesis")?).ok_or_else(|| malformed("`genesis` is 32 hexadecimal digits"))
    }

    fn optional_seen(&self) -> Result<Option<VersionVector>> {
        self.value.child("seen").map(VersionVector::from_value).transpose()
    }

    fn seen(&self) -> Result<VersionVector> {
        VersionVector::from_value(self.field("seen")?)
    }
}

fn malformed(why: &str) -> Error {
    Error::new(Code::Message, format!("malformed message: {why}"))
}

fn shorten(text: &str) -> Str {
    Str::from(text.chars().take(40).collect::<String>())
}
