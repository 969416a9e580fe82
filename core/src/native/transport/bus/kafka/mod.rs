//! Kafka, without a group: everybody reads everything from where it ended. What is for all is in the topic `PREFIX.DOCUMENT`;
//! inboxes share `PREFIX-inbox.DOCUMENT`, each of them in the partition of its owner's id.
//!
//! A frame to oneself every moment would be read by all who share the partition. So only the first one, and then one of some,
//! is a record; the others come back here, as long as reading and writing are known to go on.
mod cluster;
mod records;

pub use records::{KafkaReader, KafkaReading, KafkaRecord, KafkaWriter, KafkaWriting};

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use krafka::Record;
use krafka::admin::{AdminClient, CreateTopicsOptions, DescribeTopicsOptions, NewTopic};
use krafka::consumer::{AutoOffsetReset, Consumer};
use krafka::error::{ErrorCode, KrafkaError};
use krafka::producer::{Producer, murmur2};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

use super::address::Cluster;
use super::{Broker, Carried, Channels, Outgoing};
use crate::bus::To;
use crate::error::{Error, Result};
use cluster::{ANSWER_WITHIN, is_unknown, packed};

/// How long a broker holds an answer back until there is something to read.
const READ_FOR: Duration = Duration::from_millis(250);
/// How much one answer holds, for each partition.
const READ_BYTES: i32 = 1 << 20;
/// How often a frame to oneself is a record.
const PROVE_EVERY: u64 = 12;
/// How many records wait for their acknowledgement.
const UNSETTLED: usize = 1_024;
/// Over how many partitions inboxes are spread.
const INBOXES: i32 = 16;
/// How long what was said is kept at most. Whoever comes later asks the others, not the broker.
const KEEP_MS: &str = "600000";
/// How long topics may take to be there once they are made.
const MADE_WITHIN: Duration = Duration::from_secs(5);

pub(super) struct Kafka(pub(super) Cluster);

impl Broker for Kafka {
    async fn carry(&self, carried: Carried) -> Error {
        match self.run(carried).await {
            Ok(()) => self.0.server.unreachable("the connection ended"),
            Err(error) => error,
        }
    }
}

/// What one reader has come to.
#[derive(Default)]
struct Pulse {
    /// Answers of the broker, also those without records.
    answers: AtomicU64,
    /// What came by itself to the own inbox.
    own: AtomicU64,
}

impl Pulse {
    fn beats(&self) -> u64 {
        self.answers.load(Ordering::Relaxed)
    }
}

impl Kafka {
    async fn run(&self, carried: Carried) -> Result<()> {
        let Carried { channels, incoming, outgoing } = carried;
        let (all, inbox) = topics(&channels).map_err(|why| self.0.server.unreachable(&why))?;
        let own = channels.own.to_string();
        let (writing, reading, listening) = tokio::try_join!(self.0.connect(), self.0.connect(), self.0.connect())?;
        let told = |error: KrafkaError| self.0.told(&error);
        let admin = writing.admin();
        let of_all = self.partitions(&admin, &all, 1).await?;
        let of_inbox = self.partitions(&admin, &inbox, INBOXES).await?;
        let mine = i32::try_from((murmur2(own.as_bytes()) & 0x7fff_ffff) % of_inbox.unsigned_abs().max(1)).unwrap_or(0);
        let reader = self.reader(&reading, &all, (0..of_all).collect()).await?;
        let listener = self.reader(&listening, &inbox, vec![mine]).await?;
        let known = reader.fetch_metadata(None).await.map_err(told)?;
        self.0.check_all(&known.brokers).await?;
        let producer = writing
            .producer()
            .compression(packed(self.0.manner.compression))
            .batch_size(self.0.manner.batch_bytes)
            .linger(self.0.manner.linger)
            .delivery_timeout(ANSWER_WITHIN + Duration::from_secs(1))
            .max_block(ANSWER_WITHIN)
            .build()
            .await
            .map_err(told)?;
        let (read, heard) = (Pulse::default(), Pulse::default());
        tokio::select! {
            ended = self.listen(&reader, &read, &incoming, |key| key != own) => ended,
            ended = self.listen(&listener, &heard, &incoming, |key| key == own) => ended,
            ended = self.speak(&producer, (&all, &inbox, &own), (&read, &heard), &incoming, outgoing) => ended,
        }
    }

    /// How many partitions a topic has, which is made where it is missing.
    async fn partitions(&self, admin: &AdminClient, topic: &str, wanted: i32) -> Result<i32> {
        let told = |error: KrafkaError| self.0.told(&error);
        let begun = Instant::now();
        let mut is_made = false;
        loop {
            let options = DescribeTopicsOptions::default().timeout(ANSWER_WITHIN);
            let found = admin.describe_topics([topic], options).await.map_err(told)?;
            let error = match found.into_values().next() {
                Some(Ok(topic)) => return Ok(i32::try_from(topic.partitions.len()).unwrap_or(1)),
                Some(Err(error)) => error,
                None => return Err(self.0.server.unreachable("it says nothing of a topic")),
            };
            if !is_unknown(&error) || begun.elapsed() > MADE_WITHIN {
                return Err(told(error));
            }
            if !std::mem::replace(&mut is_made, true) {
                self.make(admin, topic, wanted).await?;
            }
            sleep(Duration::from_millis(50)).await; // until all of the cluster know of it
        }
    }

    async fn make(&self, admin: &AdminClient, topic: &str, partitions: i32) -> Result<()> {
        let told = |error: KrafkaError| self.0.told(&error);
        let new = NewTopic::new(topic, partitions, -1).map_err(told)?;
        let new = new.with_config("retention.ms", KEEP_MS).with_config("segment.ms", KEEP_MS);
        let options = CreateTopicsOptions::default().timeout(ANSWER_WITHIN);
        let made = admin.create_topics([new], options).await.map_err(told)?;
        match made.into_values().next() {
            Some(Err(KrafkaError::Broker { code: ErrorCode::TopicAlreadyExists, .. })) | Some(Ok(())) | None => Ok(()),
            Some(Err(error)) => {
                let why = format!("there is no topic `{topic}`, and it cannot be made: {error}");
                let hint = "make it, or let the user make topics that begin with the prefix";
                Err(self.0.server.unreachable(&why).with_hint(hint))
            }
        }
    }

    /// Somebody who reads these partitions from their end.
    async fn reader(&self, kafka: &krafka::Kafka, topic: &str, partitions: Vec<i32>) -> Result<Consumer> {
        let told = |error: KrafkaError| self.0.told(&error);
        // What was thrown away before it was read is a gap, and must not be passed over.
        let reader = kafka
            .consumer_without_group()
            .auto_offset_reset(AutoOffsetReset::None)
            .enable_auto_commit(false)
            .fetch_max_wait(READ_FOR)
            .fetch_max_bytes(READ_BYTES)
            .max_partition_fetch_bytes(READ_BYTES)
            .max_decompressed_size(8 << 20)
            .build()
            .await
            .map_err(told)?;
        reader.assign(topic, partitions.clone()).await.map_err(told)?;
        for partition in partitions {
            reader.seek_to_end(topic, partition).await.map_err(told)?;
            if reader.position(topic, partition).await.is_none() {
                return Err(self
                    .0
                    .server
                    .unreachable(&format!("nobody says where partition {partition} of `{topic}` ends")));
            }
        }
        Ok(reader)
    }

    async fn listen(
        &self,
        reader: &Consumer,
        pulse: &Pulse,
        incoming: &mpsc::Sender<Vec<u8>>,
        is_for_us: impl Fn(&str) -> bool,
    ) -> Result<()> {
        let told = |error: KrafkaError| self.0.told(&error);
        let mut before = reader.metrics().consumer;
        loop {
            let records = reader.poll(READ_FOR).await.map_err(told)?;
            let now = reader.metrics().consumer;
            if now.errors != before.errors && records.is_empty() {
                // It only logs what failed; asking once more tells the reason.
                for (topic, partitions) in reader.assignment().await {
                    for partition in partitions {
                        reader.fetch_watermarks(&topic, partition).await.map_err(told)?;
                    }
                }
            } else if now.fetches != before.fetches || !records.is_empty() {
                pulse.answers.fetch_add(1, Ordering::Relaxed);
            }
            before = now;
            for record in records {
                let key = record.key_str().unwrap_or_default();
                if !is_for_us(key) {
                    continue;
                }
                let Some(value) = record.value else { continue };
                pulse.own.fetch_add(1, Ordering::Relaxed);
                if incoming.send(value.to_vec()).await.is_err() {
                    return Ok(());
                }
            }
        }
    }

    async fn speak(
        &self,
        producer: &Producer,
        (all, inbox, own): (&str, &str, &str),
        (read, heard): (&Pulse, &Pulse),
        incoming: &mpsc::Sender<Vec<u8>>,
        mut outgoing: mpsc::Receiver<Outgoing>,
    ) -> Result<()> {
        let told = |error: KrafkaError| self.0.told(&error);
        let mut unsettled = FuturesUnordered::new();
        let (mut settled, mut asked) = (0_u64, 0_u64);
        // How far reading and writing were when a frame to oneself came back last.
        let mut last = (0, 0, 0, 0);
        loop {
            let out = tokio::select! {
                done = unsettled.next(), if !unsettled.is_empty() => {
                    done.transpose().map_err(told)?;
                    settled += 1;
                    continue;
                }
                out = outgoing.recv(), if unsettled.len() < UNSETTLED => out,
            };
            let record = match out {
                None => return Ok(()),
                Some(Outgoing::Flush(done)) => {
                    producer.flush().await.map_err(told)?;
                    let _ = done.send(()); // nobody may wait any more
                    continue;
                }
                Some(Outgoing::Frame(To::All, frame)) => Record::new(all, frame).key(own.to_owned()),
                Some(Outgoing::Frame(To::One(to), frame)) if to.to_string() != own => {
                    Record::new(inbox, frame).key(to.to_string())
                }
                Some(Outgoing::Frame(To::One(_), frame)) => {
                    asked += 1;
                    let is_proved = settled > 0 && heard.own.load(Ordering::Relaxed) > 0;
                    if is_proved && asked % PROVE_EVERY != 0 {
                        let now = (read.beats(), heard.beats(), settled, unsettled.len());
                        let is_written = now.3 == 0 || now.2 != last.2 || last.3 == 0;
                        let goes_on = now.0 != last.0 && now.1 != last.1 && is_written;
                        last = now;
                        if goes_on && incoming.send(frame).await.is_err() {
                            return Ok(());
                        }
                        continue;
                    }
                    Record::new(inbox, frame).key(own.to_owned())
                }
            };
            unsettled.push(producer.enqueue(record).await.map_err(told)?);
        }
    }
}

/// The topic of all, and that of inboxes.
fn topics(channels: &Channels) -> Result<(String, String), String> {
    let (prefix, document) = channels.all.split_once(':').unwrap_or(("", &channels.all));
    // No name holds what stands for the border between tenant and name.
    if document.contains("..") || document.contains("./") {
        return Err(format!("Kafka has no topic for the document `{document}`: rename it, without `..`"));
    }
    let document = document.replace('/', "..");
    Ok((format!("{prefix}.{document}"), format!("{prefix}-inbox.{document}")))
}
