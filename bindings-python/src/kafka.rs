//! `KafkaWriter` and `KafkaReader`: records of a program's own, below `ConfigEventProducer` and `ConfigEventConsumer`.

use std::mem;
use std::time::Duration;

use confmesh::native::transport::bus::{
    BusAddress, KafkaReader as Reader, KafkaReading, KafkaRecord, KafkaWriter as Writer, KafkaWriting,
};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::error::run;
use crate::fork::Process;

/// A connection, which a child of a fork leaves alone.
struct Held<T> {
    it: Option<T>,
    born: Process,
}

impl<T> Held<T> {
    fn new(it: T) -> Held<T> {
        Held { it: Some(it), born: Process::this() }
    }

    fn get(&self) -> confmesh::Result<&T> {
        self.born.check()?;
        self.it.as_ref().ok_or_else(|| confmesh::Error::new(confmesh::Code::Usage, "it is closed"))
    }
}

impl<T> Drop for Held<T> {
    fn drop(&mut self) {
        if !self.born.is_this() {
            mem::forget(self.it.take());
        }
    }
}

fn seconds(given: f64) -> Duration {
    Duration::try_from_secs_f64(given).unwrap_or(Duration::ZERO)
}

/// Writes records to topics.
#[pyclass(frozen, module = "confmesh._native")]
pub struct KafkaWriter(Held<Writer>);

#[pymethods]
impl KafkaWriter {
    #[new]
    #[pyo3(signature = (
        url, *, acks_all=true, idempotent=true, compression="gzip", batch_bytes=16384, linger=0.0,
        max_request_bytes=10_485_760, request_timeout=30.0, retry_backoff=1.0, retries=5
    ))]
    #[allow(clippy::too_many_arguments, reason = "keywords of Python")]
    fn new(
        py: Python<'_>,
        url: &str,
        acks_all: bool,
        idempotent: bool,
        compression: &str,
        batch_bytes: usize,
        linger: f64,
        max_request_bytes: usize,
        request_timeout: f64,
        retry_backoff: f64,
        retries: u32,
    ) -> PyResult<KafkaWriter> {
        let writing = KafkaWriting {
            acks_all,
            idempotent,
            compression: compression.to_owned(),
            batch_bytes,
            linger: seconds(linger),
            max_request_bytes,
            request_timeout: seconds(request_timeout),
            retry_backoff: seconds(retry_backoff),
            retries,
        };
        let connect = || Writer::connect(&BusAddress::parse(url)?, &writing);
        run(py, connect).map(|writer| KafkaWriter(Held::new(writer)))
    }

    /// Makes topics that are missing.
    fn make(&self, py: Python<'_>, topics: Vec<String>) -> PyResult<()> {
        run(py, || self.0.get()?.make(&topics))
    }

    /// Writes a record and waits until it is; its partition, and its offset where that is told.
    fn write(
        &self,
        py: Python<'_>,
        topic: String,
        key: Option<Vec<u8>>,
        value: Option<Vec<u8>>,
        headers: Vec<(String, Option<Vec<u8>>)>,
    ) -> PyResult<(i32, Option<i64>)> {
        let record = KafkaRecord { topic, key, value, headers, ..KafkaRecord::default() };
        run(py, || self.0.get()?.write(record))
    }

    /// Ends the connection once all is written.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        run(py, || self.0.get()?.close())
    }
}

type Bytes<'py> = Option<Bound<'py, PyBytes>>;
/// Topic, partition, offset, key, value, headers.
type Told<'py> = (String, i32, i64, Bytes<'py>, Bytes<'py>, Vec<(String, Bytes<'py>)>);

/// Reads records from topics.
#[pyclass(frozen, module = "confmesh._native")]
pub struct KafkaReader(Held<Reader>);

#[pymethods]
impl KafkaReader {
    #[new]
    #[pyo3(signature = (
        url, topics, *, group=None, from_earliest=false, auto_commit=true, auto_commit_interval=1.0, max_records=100,
        session_timeout=30.0, heartbeat_interval=10.0, make_topics=true
    ))]
    #[allow(clippy::too_many_arguments, reason = "keywords of Python")]
    fn new(
        py: Python<'_>,
        url: &str,
        topics: Vec<String>,
        group: Option<String>,
        from_earliest: bool,
        auto_commit: bool,
        auto_commit_interval: f64,
        max_records: i32,
        session_timeout: f64,
        heartbeat_interval: f64,
        make_topics: bool,
    ) -> PyResult<KafkaReader> {
        let reading = KafkaReading {
            group,
            from_earliest,
            auto_commit,
            auto_commit_interval: seconds(auto_commit_interval),
            max_records,
            session_timeout: seconds(session_timeout),
            heartbeat_interval: seconds(heartbeat_interval),
        };
        let connect = || Reader::connect(&BusAddress::parse(url)?, &topics, &reading, make_topics);
        run(py, connect).map(|reader| KafkaReader(Held::new(reader)))
    }

    /// What was written, waiting for it so many seconds.
    fn read<'py>(&self, py: Python<'py>, within: f64) -> PyResult<Vec<Told<'py>>> {
        let read = run(py, || self.0.get()?.read(seconds(within)))?;
        let bytes = |bytes: Option<Vec<u8>>| bytes.map(|bytes| PyBytes::new(py, &bytes));
        let told = |record: KafkaRecord| {
            let headers = record.headers.into_iter().map(|(name, value)| (name, bytes(value))).collect();
            (record.topic, record.partition, record.offset, bytes(record.key), bytes(record.value), headers)
        };
        Ok(read.into_iter().map(told).collect())
    }

    /// Whether it has something to read, which it has once its group gave it a part.
    fn is_assigned(&self, py: Python<'_>) -> PyResult<bool> {
        run(py, || Ok(self.0.get()?.is_assigned()))
    }

    /// How many records lie before it.
    fn lag(&self, py: Python<'_>) -> PyResult<u64> {
        run(py, || Ok(self.0.get()?.lag()))
    }

    /// Commits what was handed out.
    fn commit(&self, py: Python<'_>) -> PyResult<()> {
        run(py, || self.0.get()?.commit())
    }

    /// Commits, where that is done by itself, and leaves the group.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        run(py, || self.0.get()?.close())
    }
}
