//! `Broker`: plain messages at a broker, and where values are found there.

use std::mem;
use std::time::Duration;

use confmesh::bus::values;
use confmesh::native::transport::bus::{ClientOptions, LineState, Messages, Plain};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::convert::to_path;
use crate::error::run;
use crate::fork::Process;

/// A client of a broker.
#[pyclass(frozen, module = "confmesh._native")]
pub struct Broker {
    messages: Option<Messages>,
    born: Process,
}

impl Drop for Broker {
    fn drop(&mut self) {
        if !self.born.is_this() {
            // Its thread runs in the parent: ending it would wait for it in vain.
            mem::forget(self.messages.take());
        }
    }
}

impl Broker {
    fn messages(&self) -> confmesh::Result<&Messages> {
        let gone = || confmesh::Error::new(confmesh::Code::Closed, "the connection was made in another process");
        self.messages.as_ref().filter(|_| self.born.is_this()).ok_or_else(gone)
    }
}

fn seconds(within: f64) -> Duration {
    Duration::try_from_secs_f64(within.max(0.0)).unwrap_or(Duration::MAX)
}

#[pymethods]
impl Broker {
    #[new]
    #[pyo3(signature = (url, *, client_id = None, status = None))]
    fn new(py: Python<'_>, url: &str, client_id: Option<String>, status: Option<String>) -> PyResult<Broker> {
        let options = ClientOptions { client_id, status, filters: Vec::new() };
        run(py, || {
            let messages = Messages::connect(url, options)?;
            Ok(Broker { messages: Some(messages), born: Process::this() })
        })
    }

    /// Publishes, and waits until it is at the broker.
    #[pyo3(signature = (topic, payload, *, qos = 1, retain = false, within = 10.0))]
    fn publish(
        &self,
        py: Python<'_>,
        topic: String,
        payload: Vec<u8>,
        qos: u8,
        retain: bool,
        within: f64,
    ) -> PyResult<()> {
        run(py, || self.messages()?.publish(Plain { topic, payload, qos, retain }, seconds(within)))
    }

    /// Listens to a filter.
    fn subscribe(&self, py: Python<'_>, filter: String) -> PyResult<()> {
        run(py, || self.messages()?.subscribe(filter))
    }

    /// The next message: topic, payload, and whether the broker kept it; None where the time is up.
    fn next<'py>(&self, py: Python<'py>, within: f64) -> PyResult<Option<(String, Bound<'py, PyBytes>, bool)>> {
        let heard = run(py, || self.messages()?.next(seconds(within)))?;
        Ok(heard.map(|heard| (heard.topic, PyBytes::new(py, &heard.payload), heard.is_retained)))
    }

    /// Whether the broker is reached.
    #[getter]
    fn connected(&self) -> bool {
        self.messages().is_ok_and(|messages| messages.state() == LineState::Up)
    }

    /// Says goodbye, and ends the connection.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        run(py, || {
            if let Ok(messages) = self.messages() {
                messages.close();
            }
            Ok(())
        })
    }
}

/// The topic of a path's value.
#[pyfunction]
#[pyo3(signature = (prefix, tenant, key))]
pub fn value_topic(py: Python<'_>, prefix: &str, tenant: Option<&str>, key: &str) -> PyResult<String> {
    let path = to_path(py, key)?;
    run(py, || values::topic(prefix, tenant, &path))
}

/// Tenant and path of a topic; None where it is that of no value.
#[pyfunction]
pub fn value_place(py: Python<'_>, prefix: &str, topic: &str) -> PyResult<Option<(Option<String>, String)>> {
    let found = run(py, || values::place(prefix, topic))?;
    Ok(found.map(|(tenant, path)| (tenant, path.to_string())))
}

/// The filter for what a pattern matches, of every tenant.
#[pyfunction]
pub fn value_filter(prefix: &str, pattern: &str) -> String {
    values::filter(prefix, None, pattern)
}
