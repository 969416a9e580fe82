//! How synchronization performs: counters, latencies and rates of what a program tells it.
//!
//! Time is an argument, in milliseconds of a clock that never goes back. What an instance counts itself is the operation
//! `metrics`.
//!
//! ```
//! use confmesh::monitor::SyncPerformanceMonitor;
//! let mut monitor = SyncPerformanceMonitor::new(300_000, 0)?;
//! monitor.record_sync_event("config_change", 0.100, true, 500);
//! monitor.record_sync_event("config_change", 0.200, false, 900);
//! let metrics = monitor.current_metrics(2_000);
//! assert_eq!(metrics.child("success_rate"), Some(&50.into()));
//! assert_eq!(monitor.event_rates(2_000).child("config_change"), Some(&1.into()));
//! # Ok::<(), confmesh::Error>(())
//! ```
use std::collections::{BTreeMap, VecDeque};

use crate::error::{Code, Error, Result};
use crate::value::{Number, Str, Value};

/// How many latencies are kept, the newest.
pub const SAMPLES: usize = 1_000;
/// How many types of events are told apart; further ones are counted as `other`.
pub const MAX_TYPES: usize = 256;
const OTHER: &str = "other";

/// What was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SyncMetrics {
    /// All events.
    pub total_events: u64,
    /// Those that succeeded.
    pub successful_syncs: u64,
    /// Those that failed.
    pub failed_syncs: u64,
    /// Conflicts that were found.
    pub conflicts_detected: u64,
    /// Those of them that were settled.
    pub conflicts_resolved: u64,
    /// Connections that are there now.
    pub websocket_connections: u64,
    /// Messages by transport and direction.
    pub kafka_messages_sent: u64,
    /// See above.
    pub kafka_messages_received: u64,
    /// See above.
    pub mqtt_messages_sent: u64,
    /// See above.
    pub mqtt_messages_received: u64,
    /// What Redis was asked for.
    pub redis_operations: u64,
    /// Locks that were got.
    pub locks_acquired: u64,
    /// Locks that were given back.
    pub locks_released: u64,
    /// Locks that were asked for and not got.
    pub lock_contentions: u64,
}

/// Counts what it is told, and rates of a window of time.
#[derive(Clone, Debug)]
pub struct SyncPerformanceMonitor {
    window_ms: u64,
    started_ms: u64,
    metrics: SyncMetrics,
    /// In seconds.
    samples: VecDeque<f64>,
    errors: BTreeMap<Str, u64>,
    /// By type, a count for each second: however many events there are, the window is no longer.
    seconds: BTreeMap<Str, VecDeque<(u64, u64)>>,
}

impl SyncPerformanceMonitor {
    /// Nothing was counted yet. Rates are of the last `window_ms` milliseconds.
    ///
    /// # Errors
    /// [`Code::Usage`] for a window of nothing.
    pub fn new(window_ms: u64, now_ms: u64) -> Result<SyncPerformanceMonitor> {
        if window_ms == 0 {
            return Err(Error::new(Code::Usage, "a window is longer than nothing").with_hint("300 seconds are usual"));
        }
        Ok(SyncPerformanceMonitor {
            window_ms,
            started_ms: now_ms,
            metrics: SyncMetrics::default(),
            samples: VecDeque::new(),
            errors: BTreeMap::new(),
            seconds: BTreeMap::new(),
        })
    }

    /// What was counted.
    pub fn metrics(&self) -> SyncMetrics {
        self.metrics
    }

    /// An event of a type that took so many seconds. What is no time counts as none.
    pub fn record_sync_event(&mut self, event_type: &str, latency_s: f64, success: bool, now_ms: u64) {
        self.metrics.total_events += 1;
        let is_known = self.seconds.contains_key(event_type) || self.seconds.len() < MAX_TYPES;
        let event_type = if is_known { event_type } else { OTHER };
        if success {
            self.metrics.successful_syncs += 1;
        } else {
            self.metrics.failed_syncs += 1;
            *self.errors.entry(event_type.into()).or_default() += 1;
        }
        if self.samples.len() == SAMPLES {
            self.samples.pop_front();
        }
        self.samples.push_back(if latency_s.is_finite() { latency_s.max(0.0) } else { 0.0 });
        let (second, window_ms) = (now_ms / 1_000, self.window_ms);
        let seconds = self.seconds.entry(event_type.into()).or_default();
        match seconds.back_mut().filter(|(last, _)| *last >= second) {
            Some((_, count)) => *count += 1,
            None => seconds.push_back((second, 1)),
        }
        forget(seconds, now_ms, window_ms);
    }

    /// A conflict that was found, and perhaps settled.
    pub fn record_conflict(&mut self, resolved: bool) {
        self.metrics.conflicts_detected += 1;
        self.metrics.conflicts_resolved += u64::from(resolved);
    }

    /// So many connections more, or fewer; only those called `websocket` are counted.
    pub fn record_connection_change(&mut self, connection_type: &str, delta: i64) {
        if connection_type == "websocket" {
            self.metrics.websocket_connections = self.metrics.websocket_connections.saturating_add_signed(delta);
        }
    }

    /// A message of `kafka` or `mqtt` that was `sent`; with any other direction, received.
    pub fn record_message(&mut self, transport: &str, direction: &str) {
        let metrics = &mut self.metrics;
        let counter = match (transport, direction == "sent") {
            ("kafka", true) => &mut metrics.kafka_messages_sent,
            ("kafka", false) => &mut metrics.kafka_messages_received,
            ("mqtt", true) => &mut metrics.mqtt_messages_sent,
            ("mqtt", false) => &mut metrics.mqtt_messages_received,
            _ => return,
        };
        *counter += 1;
    }

    /// A lock that was asked for (`acquire`) or given back (`release`); what was not given back counts nowhere.
    pub fn record_lock_operation(&mut self, operation: &str, success: bool) {
        match (operation, success) {
            ("acquire", true) => self.metrics.locks_acquired += 1,
            ("acquire", false) => self.metrics.lock_contentions += 1,
            ("release", true) => self.metrics.locks_released += 1,
            _ => {}
        }
    }

    /// Something that Redis was asked for.
    pub fn record_redis_operation(&mut self) {
        self.metrics.redis_operations += 1;
    }

    /// Everything as one map; latencies in milliseconds, rates in percent, but for events, which are a second.
    pub fn current_metrics(&self, now_ms: u64) -> Value {
        let metrics = &self.metrics;
        let uptime_s = now_ms.saturating_sub(self.started_ms) as f64 / 1_000.0;
        let rate = if uptime_s > 0.0 { metrics.total_events as f64 / uptime_s } else { 0.0 };
        let average_s = match self.samples.len() {
            0 => 0.0,
            count => self.samples.iter().sum::<f64>() / count as f64,
        };
        let mut ordered: Vec<f64> = self.samples.iter().copied().collect();
        ordered.sort_by(f64::total_cmp);
        let at = |share: f64| float(percentile(&ordered, share) * 1_000.0);
        let map = |fields: &[(&str, Value)]| -> Value { fields.iter().cloned().collect() };
        let tries = metrics.locks_acquired + metrics.lock_contentions;
        let syncs = metrics.successful_syncs + metrics.failed_syncs;
        map(&[
            ("uptime_seconds", float(uptime_s)),
            ("total_events", metrics.total_events.into()),
            ("event_rate_per_second", float(rate)),
            ("success_rate", percent(metrics.successful_syncs, syncs, 100.0)),
            ("average_latency_ms", float(average_s * 1_000.0)),
            ("percentile_latencies", map(&[("p50", at(0.5)), ("p95", at(0.95)), ("p99", at(0.99))])),
            ("conflict_resolution_rate", percent(metrics.conflicts_resolved, metrics.conflicts_detected, 100.0)),
            ("active_connections", map(&[("websocket", metrics.websocket_connections.into())])),
            (
                "message_throughput",
                map(&[
                    ("kafka_sent", metrics.kafka_messages_sent.into()),
                    ("kafka_received", metrics.kafka_messages_received.into()),
                    ("mqtt_sent", metrics.mqtt_messages_sent.into()),
                    ("mqtt_received", metrics.mqtt_messages_received.into()),
                ]),
            ),
            (
                "lock_statistics",
                map(&[
                    ("acquired", metrics.locks_acquired.into()),
                    ("released", metrics.locks_released.into()),
                    ("contentions", metrics.lock_contentions.into()),
                    ("contention_rate", percent(metrics.lock_contentions, tries, 0.0)),
                ]),
            ),
            ("error_breakdown", self.errors.iter().map(|(name, count)| (name.clone(), Value::from(*count))).collect()),
            ("redis_operations", metrics.redis_operations.into()),
        ])
    }

    /// Events a second, by type, in the window, or since the start where that is later.
    pub fn event_rates(&mut self, now_ms: u64) -> Value {
        let window_ms = self.window_ms;
        let length_s = (now_ms.saturating_sub(self.started_ms).min(window_ms) as f64 / 1_000.0).max(1.0);
        self.seconds.values_mut().for_each(|seconds| forget(seconds, now_ms, window_ms));
        let rate =
            |seconds: &VecDeque<(u64, u64)>| seconds.iter().map(|(_, count)| count).sum::<u64>() as f64 / length_s;
        self.seconds.iter().map(|(name, seconds)| (name.clone(), float(rate(seconds)))).collect()
    }

    /// Begins anew; connections that are there stay counted.
    pub fn reset(&mut self, now_ms: u64) {
        let websocket_connections = self.metrics.websocket_connections;
        self.metrics = SyncMetrics { websocket_connections, ..SyncMetrics::default() };
        self.samples.clear();
        self.seconds.clear();
        self.errors.clear();
        self.started_ms = now_ms;
    }
}

fn forget(seconds: &mut VecDeque<(u64, u64)>, now_ms: u64, window_ms: u64) {
    while seconds
        .front()
        .is_some_and(|(second, _)| (second + 1).saturating_mul(1_000).saturating_add(window_ms) <= now_ms)
    {
        seconds.pop_front();
    }
}

/// Nothing that is counted is without an end, so this is always the number.
fn float(number: f64) -> Value {
    Number::from_f64(number).map_or(Value::from(0), Value::Number)
}

fn percent(part: u64, whole: u64, of_nothing: f64) -> Value {
    float(if whole == 0 { of_nothing } else { part as f64 / whole as f64 * 100.0 })
}

/// Between two samples where it falls between them: the median of two is their mean.
fn percentile(ordered: &[f64], share: f64) -> f64 {
    let Some(last) = ordered.len().checked_sub(1) else { return 0.0 };
    let place = share * last as f64;
    let below = place as usize;
    let at = |place: usize| ordered.get(place.min(last)).copied().unwrap_or_default();
    at(below) + (at(below + 1) - at(below)) * (place - below as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::Path;

    fn monitor() -> SyncPerformanceMonitor {
        SyncPerformanceMonitor::new(300_000, 0).unwrap()
    }

    fn number(metrics: &Value, path: &str) -> f64 {
        let found = metrics.at(&Path::parse(path).unwrap()).unwrap_or_else(|| panic!("{path} in {metrics:?}"));
        crate::canonical::canonical(found).parse().unwrap()
    }

    #[test]
    fn a_monitor_that_was_told_nothing_says_so_and_nothing_is_divided_by_nothing() {
        let metrics = monitor().current_metrics(0);
        for (path, expected) in [
            ("success_rate", 100.0),
            ("conflict_resolution_rate", 100.0),
            ("percentile_latencies.p99", 0.0),
            ("average_latency_ms", 0.0),
            ("lock_statistics.contention_rate", 0.0),
            ("event_rate_per_second", 0.0),
            ("uptime_seconds", 0.0),
        ] {
            assert_eq!(number(&metrics, path), expected, "{path}");
        }
        assert_eq!(monitor().event_rates(0), Value::empty_map());
        assert!(SyncPerformanceMonitor::new(0, 0).is_err());
    }

    #[test]
    fn each_thing_is_counted_where_it_belongs() {
        let mut monitor = monitor();
        for (latency, success) in [(0.1, true), (0.2, true), (0.3, false)] {
            monitor.record_sync_event("change", latency, success, 10);
        }
        [true, false].into_iter().for_each(|resolved| monitor.record_conflict(resolved));
        [("websocket", 2), ("websocket", -1), ("other", 5)]
            .into_iter()
            .for_each(|(kind, delta)| monitor.record_connection_change(kind, delta));
        for (transport, direction) in [("kafka", "sent"), ("kafka", "received"), ("mqtt", "sent"), ("smoke", "sent")] {
            monitor.record_message(transport, direction);
        }
        for (operation, success) in [("acquire", true), ("acquire", false), ("release", true), ("release", false)] {
            monitor.record_lock_operation(operation, success);
        }
        monitor.record_redis_operation();
        let metrics = monitor.current_metrics(2_000);
        for (path, expected) in [
            ("total_events", 3.0),
            ("uptime_seconds", 2.0),
            ("event_rate_per_second", 1.5),
            ("conflict_resolution_rate", 50.0),
            ("active_connections.websocket", 1.0),
            ("message_throughput.kafka_sent", 1.0),
            ("message_throughput.kafka_received", 1.0),
            ("message_throughput.mqtt_sent", 1.0),
            ("message_throughput.mqtt_received", 0.0),
            ("lock_statistics.acquired", 1.0),
            ("lock_statistics.released", 1.0),
            ("lock_statistics.contentions", 1.0),
            ("lock_statistics.contention_rate", 50.0),
            ("error_breakdown.change", 1.0),
            ("redis_operations", 1.0),
        ] {
            assert_eq!(number(&metrics, path), expected, "{path}");
        }
        assert!((number(&metrics, "success_rate") - 66.666).abs() < 0.01);
        assert!((number(&metrics, "average_latency_ms") - 200.0).abs() < 1e-9);
        monitor.record_connection_change("websocket", -9);
        assert_eq!(monitor.metrics().websocket_connections, 0, "there are never fewer than none");
    }

    #[test]
    fn percentiles_fall_between_samples_and_only_the_newest_thousand_count() {
        let mut monitor = monitor();
        monitor.record_sync_event("x", 0.1, true, 0);
        monitor.record_sync_event("x", 0.2, true, 0);
        assert!((number(&monitor.current_metrics(0), "percentile_latencies.p50") - 150.0).abs() < 1e-9);
        (0..SAMPLES).for_each(|_| monitor.record_sync_event("x", 1.0, true, 0));
        assert_eq!(number(&monitor.current_metrics(0), "percentile_latencies.p50"), 1_000.0);
        assert_eq!(number(&monitor.current_metrics(0), "average_latency_ms"), 1_000.0);
        for odd in [f64::NAN, f64::INFINITY, -1.0] {
            monitor.record_sync_event("x", odd, true, 0);
        }
        assert!(number(&monitor.current_metrics(0), "average_latency_ms") < 1_000.0);
    }

    #[test]
    fn rates_are_of_the_window_and_of_less_where_it_is_younger() {
        let mut monitor = SyncPerformanceMonitor::new(10_000, 0).unwrap();
        (0..5_000).for_each(|_| monitor.record_sync_event("busy", 0.0, true, 100));
        monitor.record_sync_event("rare", 0.0, true, 100);
        assert_eq!(number(&monitor.event_rates(500), "busy"), 5_000.0, "never of less than a second");
        assert_eq!(number(&monitor.event_rates(5_000), "busy"), 1_000.0);
        assert_eq!(number(&monitor.event_rates(10_000), "rare"), 0.1);
        assert_eq!(number(&monitor.event_rates(12_000), "busy"), 0.0, "they are out of the window");
        (0..1_000_u64).for_each(|second| monitor.record_sync_event("busy", 0.0, true, 12_000 + second * 1_000));
        assert!(monitor.seconds.values().all(|seconds| seconds.len() <= 12), "a window is no longer than it is");
    }

    #[test]
    fn who_counts_under_ever_new_names_costs_no_more_than_a_few() {
        let mut monitor = monitor();
        (0..10 * MAX_TYPES).for_each(|name| monitor.record_sync_event(&name.to_string(), 0.0, false, 0));
        assert!(monitor.seconds.len() <= MAX_TYPES + 1 && monitor.errors.len() <= MAX_TYPES + 1);
        assert_eq!(number(&monitor.event_rates(1_000), OTHER), (9 * MAX_TYPES) as f64);
    }

    #[test]
    fn beginning_anew_keeps_the_connections_that_are_there() {
        let mut monitor = monitor();
        monitor.record_connection_change("websocket", 3);
        monitor.record_sync_event("x", 1.0, false, 0);
        monitor.reset(5_000);
        let metrics = monitor.current_metrics(6_000);
        assert_eq!(number(&metrics, "active_connections.websocket"), 3.0);
        assert_eq!((number(&metrics, "total_events"), number(&metrics, "uptime_seconds")), (0.0, 1.0));
        assert_eq!(metrics.child("error_breakdown"), Some(&Value::empty_map()));
        monitor.record_connection_change("websocket", -1);
        assert_eq!(monitor.metrics().websocket_connections, 2);
    }
}
