//! Counters of how synchronization performs, registered; the time is that of the process.
#![allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "the core is told the time by its bindings")]
use std::time::Instant;

use confmesh::monitor::SyncPerformanceMonitor;
use napi_derive::napi;

use crate::convert::shown;
use crate::error::run;

/// Counts what it is told.
#[napi]
pub struct NativeMonitor {
    monitor: SyncPerformanceMonitor,
    start: Instant,
}

#[napi]
impl NativeMonitor {
    /// Rates are of a window of so many milliseconds.
    #[napi(constructor)]
    pub fn new(window_ms: f64) -> napi::Result<NativeMonitor> {
        // What is no time is none, which is refused.
        let monitor = run(|| SyncPerformanceMonitor::new(window_ms as u64, 0))?;
        Ok(NativeMonitor { monitor, start: Instant::now() })
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// An event that took so many seconds.
    #[napi]
    pub fn sync_event(&mut self, event_type: String, latency: f64, success: bool) {
        let now_ms = self.now_ms();
        self.monitor.record_sync_event(&event_type, latency, success, now_ms);
    }

    /// A conflict.
    #[napi]
    pub fn conflict(&mut self, resolved: bool) {
        self.monitor.record_conflict(resolved);
    }

    /// Connections more, or fewer.
    #[napi]
    pub fn connection_change(&mut self, connection_type: String, delta: f64) {
        self.monitor.record_connection_change(&connection_type, delta as i64);
    }

    /// A message.
    #[napi]
    pub fn message(&mut self, transport: String, direction: String) {
        self.monitor.record_message(&transport, &direction);
    }

    /// A lock that was asked for or given back.
    #[napi]
    pub fn lock_operation(&mut self, operation: String, success: bool) {
        self.monitor.record_lock_operation(&operation, success);
    }

    /// Something that Redis was asked for.
    #[napi]
    pub fn redis_operation(&mut self) {
        self.monitor.record_redis_operation();
    }

    /// Everything as one map.
    #[napi]
    pub fn current_metrics(&self) -> String {
        shown(&self.monitor.current_metrics(self.now_ms()))
    }

    /// Events a second, by type.
    #[napi]
    pub fn event_rates(&mut self) -> String {
        let now_ms = self.now_ms();
        shown(&self.monitor.event_rates(now_ms))
    }

    /// Begins anew.
    #[napi]
    pub fn reset(&mut self) {
        let now_ms = self.now_ms();
        self.monitor.reset(now_ms);
    }
}
