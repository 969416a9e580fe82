//! Records of a program's own: values that it writes to topics and reads from them. Documents and instances are not concerned.
use std::time::Duration;

use krafka::admin::{CreateTopicsOptions, DescribeTopicsOptions, NewTopic};
use krafka::consumer::{AutoOffsetReset, Consumer, ConsumerRecord};
use krafka::error::{ErrorCode, KrafkaError};
use krafka::producer::{Acks, Producer};
use krafka::{CloseOptions, Kafka, Record};
use tokio::runtime::{Builder, Runtime};

use super::super::address::{BusAddress, Cluster, Kind, Packing};
use super::cluster::{is_unknown, packed};
use crate::error::{Code, Error, Result};

/// How long leaving may take.
const LEAVE_WITHIN: Duration = Duration::from_secs(10);

/// A record.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct KafkaRecord {
    /// Where it is written, or was read.
    pub topic: String,
    /// Records with the same key are in one partition, in order.
    pub key: Option<Vec<u8>>,
    /// What it says; none takes the key back.
    pub value: Option<Vec<u8>>,
    /// What is said about it.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
    /// Of what was read.
    pub partition: i32,
    /// Of what was read.
    pub offset: i64,
}

/// How records are written.
#[derive(Clone, Debug, PartialEq)]
pub struct KafkaWriting {
    /// Whether all replicas in step have to have it before it counts as written; else one, the leader, has.
    pub acks_all: bool,
    /// Whether what is sent again is there once; needs `acks_all`.
    pub idempotent: bool,
    /// `none`, `gzip`, `snappy` or `lz4`.
    pub compression: String,
    /// How many bytes are sent at once.
    pub batch_bytes: usize,
    /// How long a record waits for others.
    pub linger: Duration,
    /// How large a request may be.
    pub max_request_bytes: usize,
    /// How long one request may take.
    pub request_timeout: Duration,
    /// How long to wait before it is tried again.
    pub retry_backoff: Duration,
    /// How often that wait may come: with the time for one request, it bounds how long a record may take.
    pub retries: u32,
}

impl Default for KafkaWriting {
    fn default() -> KafkaWriting {
        KafkaWriting {
            acks_all: true,
            idempotent: true,
            compression: "gzip".to_owned(),
            batch_bytes: 16 << 10,
            linger: Duration::ZERO,
            max_request_bytes: 10 << 20,
            request_timeout: Duration::from_secs(30),
            retry_backoff: Duration::from_secs(1),
            retries: 5,
        }
    }
}

/// How records are read.
#[derive(Clone, Debug, PartialEq)]
pub struct KafkaReading {
    /// Those of a group share what is read between them; without one everything is read.
    pub group: Option<String>,
    /// Where to start that has no place yet: at the first record that there is, or after the last one.
    pub from_earliest: bool,
    /// Whether what was handed out is committed by itself.
    pub auto_commit: bool,
    /// How often.
    pub auto_commit_interval: Duration,
    /// How many records are handed out at once.
    pub max_records: i32,
    /// After how long a silence the group goes on without us.
    pub session_timeout: Duration,
    /// How often the group hears of us.
    pub heartbeat_interval: Duration,
}

impl Default for KafkaReading {
    fn default() -> KafkaReading {
        KafkaReading {
            group: None,
            from_earliest: false,
            auto_commit: true,
            auto_commit_interval: Duration::from_secs(1),
            max_records: 100,
            session_timeout: Duration::from_secs(30),
            heartbeat_interval: Duration::from_secs(10),
        }
    }
}

/// A connection, and what drives it.
struct Connected {
    runtime: Runtime,
    cluster: Cluster,
    kafka: Kafka,
}

impl Connected {
    fn to(address: &BusAddress, within: Option<Duration>) -> Result<Connected> {
        let Kind::Kafka(cluster) = address.kind.clone() else {
            let hint = "write `kafka://host:port`";
            return Err(Error::new(Code::Usage, format!("`{address}` is no Kafka")).with_hint(hint));
        };
        let runtime = Builder::new_multi_thread().worker_threads(1).thread_name("confmesh-kafka").enable_all().build();
        let runtime = runtime.map_err(|error| Error::new(Code::Internal, format!("cannot start a thread: {error}")))?;
        let kafka = runtime.block_on(cluster.connect_within(within))?;
        Ok(Connected { runtime, cluster, kafka })
    }

    fn told(&self, error: &KrafkaError) -> Error {
        self.cluster.told(error)
    }

    /// Makes the topics that are missing, with as many partitions as the broker gives.
    fn make(&self, topics: &[String]) -> Result<()> {
        let told = |error: KrafkaError| self.told(&error);
        self.runtime.block_on(async {
            let admin = self.kafka.admin();
            let found = admin.describe_topics(topics, DescribeTopicsOptions::default()).await.map_err(told)?;
            let mut missing = Vec::new();
            for (name, found) in found {
                match found {
                    Err(error) if is_unknown(&error) => missing.push(NewTopic::new(name, -1, -1).map_err(told)?),
                    found => drop(found.map_err(told)?),
                }
            }
            if missing.is_empty() {
                return Ok(());
            }
            let made = admin.create_topics(missing, CreateTopicsOptions::default()).await.map_err(told)?;
            for made in made.into_values() {
                match made {
                    // Somebody else was quicker.
                    Ok(()) | Err(KrafkaError::Broker { code: ErrorCode::TopicAlreadyExists, .. }) => {}
                    Err(error) => return Err(told(error)),
                }
            }
            Ok(())
        })
    }
}

/// Writes records.
pub struct KafkaWriter {
    producer: Producer,
    connected: Connected,
}

impl KafkaWriter {
    /// Connects.
    ///
    /// # Errors
    /// Why it cannot, or [`Code::Usage`] where an option is none.
    pub fn connect(address: &BusAddress, writing: &KafkaWriting) -> Result<KafkaWriter> {
        let compression = packed(Packing::parse(&writing.compression)?);
        let connected = Connected::to(address, Some(writing.request_timeout))?;
        let within = writing.linger + writing.request_timeout + writing.retry_backoff * writing.retries;
        let builder = connected
            .kafka
            .producer()
            .acks(if writing.acks_all { Acks::All } else { Acks::Leader })
            .idempotent(writing.idempotent)
            .compression(compression)
            .batch_size(writing.batch_bytes)
            .linger(writing.linger)
            .max_request_size(writing.max_request_bytes)
            .retry_backoff(writing.retry_backoff)
            .delivery_timeout(within)
            .max_block(within);
        let producer = connected.runtime.block_on(builder.build()).map_err(|error| connected.told(&error))?;
        Ok(KafkaWriter { producer, connected })
    }

    /// Makes topics that are missing.
    ///
    /// # Errors
    /// Why it cannot.
    pub fn make(&self, topics: &[String]) -> Result<()> {
        self.connected.make(topics)
    }

    /// Writes a record, and gives its partition and offset once it counts as written; none where the broker had it already, or
    /// does not say.
    ///
    /// # Errors
    /// Why it is not known to be written.
    pub fn write(&self, record: KafkaRecord) -> Result<(i32, Option<i64>)> {
        let mut new = Record::new(record.topic, record.value.clone().unwrap_or_default());
        if record.value.is_none() {
            new = new.without_value();
        }
        if let Some(key) = record.key {
            new = new.key(key);
        }
        for (name, value) in record.headers {
            new = match value {
                Some(value) => new.header(name, value),
                None => new.null_header(name),
            };
        }
        let written = self.connected.runtime.block_on(self.producer.send(new));
        let written = written.map_err(|error| self.connected.told(&error))?;
        Ok((written.partition, written.is_success().then_some(written.offset)))
    }

    /// Ends the connection once all is written.
    ///
    /// # Errors
    /// What was not.
    pub fn close(&self) -> Result<()> {
        let end = self.producer.close_with(CloseOptions::new().timeout(LEAVE_WITHIN));
        self.connected.runtime.block_on(end).map_err(|error| self.connected.told(&error))
    }
}

/// Reads records.
pub struct KafkaReader {
    consumer: Consumer,
    connected: Connected,
}

impl KafkaReader {
    /// Connects, makes the topics that are missing if asked to, and reads from them.
    ///
    /// # Errors
    /// Why it cannot.
    pub fn connect(
        address: &BusAddress,
        topics: &[String],
        reading: &KafkaReading,
        makes: bool,
    ) -> Result<KafkaReader> {
        let connected = Connected::to(address, None)?;
        if makes {
            connected.make(topics)?;
        }
        let builder = match &reading.group {
            None => connected.kafka.consumer_without_group().enable_auto_commit(false),
            Some(group) => connected
                .kafka
                .consumer(group.clone())
                .enable_auto_commit(reading.auto_commit)
                .auto_commit_interval(reading.auto_commit_interval)
                .session_timeout(reading.session_timeout)
                .heartbeat_interval(reading.heartbeat_interval),
        };
        let from = if reading.from_earliest { AutoOffsetReset::Earliest } else { AutoOffsetReset::Latest };
        let builder = builder.auto_offset_reset(from).max_poll_records(reading.max_records);
        let told = |error: KrafkaError| connected.told(&error);
        let consumer = connected.runtime.block_on(async {
            let consumer = builder.build().await.map_err(told)?;
            consumer.subscribe(topics).await.map_err(told)?;
            if reading.group.is_none() {
                // What is written from now on is read.
                for (topic, partitions) in consumer.assignment().await {
                    for partition in partitions {
                        consumer.position(&topic, partition).await;
                    }
                }
            }
            Ok(consumer)
        })?;
        Ok(KafkaReader { consumer, connected })
    }

    /// What was written, waiting for it so long.
    ///
    /// # Errors
    /// Why nothing more can be read by this reader.
    pub fn read(&self, within: Duration) -> Result<Vec<KafkaRecord>> {
        let read = self.connected.runtime.block_on(self.consumer.poll(within));
        let read = read.map_err(|error| self.connected.told(&error))?;
        Ok(read.into_iter().map(record_of).collect())
    }

    /// Whether it has something to read, which it has once the group gave it a part.
    pub fn is_assigned(&self) -> bool {
        !self.connected.runtime.block_on(self.consumer.assignment()).is_empty()
    }

    /// How many records lie before it.
    pub fn lag(&self) -> u64 {
        self.consumer.metrics().consumer.lag
    }

    /// Commits what was handed out.
    ///
    /// # Errors
    /// Why it cannot.
    pub fn commit(&self) -> Result<()> {
        self.connected.runtime.block_on(self.consumer.commit()).map_err(|error| self.connected.told(&error))
    }

    /// Commits, where that is done by itself, and leaves the group.
    ///
    /// # Errors
    /// What was not done.
    pub fn close(&self) -> Result<()> {
        let end = self.consumer.close_with(CloseOptions::new().timeout(LEAVE_WITHIN));
        self.connected.runtime.block_on(end).map_err(|error| self.connected.told(&error))
    }
}

fn record_of(record: ConsumerRecord) -> KafkaRecord {
    KafkaRecord {
        topic: record.topic.to_string(),
        key: record.key.map(Into::into),
        value: record.value.map(Into::into),
        headers: record.headers.into_iter().map(|(name, value)| (name, value.map(Into::into))).collect(),
        partition: record.partition,
        offset: record.offset,
    }
}
