//! Counters, in the Prometheus text format. Names and labels never hold an id, an address or a text.

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

/// One label.
type L1 = [(&'static str, String); 1];
/// Two labels.
type L2 = [(&'static str, String); 2];
/// Three labels.
type L3 = [(&'static str, String); 3];

/// Seconds, from 1 ms to 60 s.
#[derive(Clone, Copy, Debug)]
pub struct Buckets;

impl MetricConstructor<Histogram> for Buckets {
    fn new_metric(&self) -> Histogram {
        Histogram::new([
            0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
        ])
    }
}

/// Every metric of Frontdesk.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    /// Requests by `route` (the pattern, not the path), `method`, `status`.
    pub requests: Family<L3, Counter>,
    /// Time to the response's head by `route`, in seconds.
    pub request_seconds: Family<L1, Histogram, Buckets>,
    /// Verdicts of the rate limiter by `rule`, `verdict` (`allowed`, `refused`, `error`).
    pub limiter: Family<L2, Counter>,
    /// Finished turns by `outcome`.
    pub turns: Family<L1, Counter>,
    /// Turns in progress.
    pub turns_open: Gauge,
    /// Runs of turns that died or were taken up from another worker.
    pub turns_begun_again: Counter,
    /// Logs of one conversation that say different things.
    pub log_conflicts: Counter,
    /// From the visitor's message to the first delta, in seconds.
    pub first_delta_seconds: Histogram,
    /// Tokens by `direction` (`prompt`, `completion`).
    pub tokens: Family<L1, Counter>,
    /// Listeners of rooms.
    pub listeners: Gauge,
    /// Jobs that ended, by `kind`, `result`.
    pub jobs: Family<L2, Counter>,
    /// Jobs that wait.
    pub jobs_waiting: Gauge,
    /// State of each circuit breaker by `service`: 0 closed, 1 half open, 2 open.
    pub breaker: Family<L1, Gauge>,
    /// Look-ups in caches by `cache`, `result` (`hit`, `miss`).
    pub cache: Family<L2, Counter>,
    /// Database round trips by `kind` (`query`, `batch`).
    pub database: Family<L1, Counter>,
    /// Guardrails that stepped in, by `guard`, `side` (`in`, `out`).
    pub guards: Family<L2, Counter>,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("frontdesk");
        macro_rules! register {
            ($name:literal, $help:literal, $metric:expr) => {{
                let metric = $metric;
                registry.register($name, $help, metric.clone());
                metric
            }};
            ($name:literal, $help:literal, $unit:expr, $metric:expr) => {{
                let metric = $metric;
                registry.register_with_unit($name, $help, $unit, metric.clone());
                metric
            }};
        }
        Self {
            requests: register!("http_requests", "Requests", Family::default()),
            request_seconds: register!(
                "http_request_duration",
                "Time to the response's head",
                Unit::Seconds,
                Family::<L1, Histogram, Buckets>::new_with_constructor(Buckets)
            ),
            limiter: register!("rate_limit_verdicts", "Verdicts of the rate limiter", Family::default()),
            turns: register!("turns", "Finished turns", Family::default()),
            turns_open: register!("turns_open", "Turns in progress", Gauge::default()),
            turns_begun_again: register!(
                "turns_begun_again",
                "Runs of turns that died or were taken up from another worker",
                Counter::default()
            ),
            log_conflicts: register!(
                "log_conflicts",
                "Logs of one conversation that say different things",
                Counter::default()
            ),
            first_delta_seconds: register!(
                "turn_first_delta",
                "From the message to the first delta",
                Unit::Seconds,
                Buckets.new_metric()
            ),
            tokens: register!("model_tokens", "Tokens as the provider counts them", Family::default()),
            listeners: register!("room_listeners", "Listeners of rooms", Gauge::default()),
            jobs: register!("jobs", "Steps of jobs that ended", Family::default()),
            jobs_waiting: register!("jobs_waiting", "Jobs that wait", Gauge::default()),
            breaker: register!("breaker_state", "0 closed, 1 half open, 2 open", Family::default()),
            cache: register!("cache_lookups", "Look-ups in caches", Family::default()),
            database: register!("database_round_trips", "Database round trips", Family::default()),
            guards: register!("guardrails", "Guardrails that stepped in", Family::default()),
            registry,
        }
    }
}

impl Metrics {
    /// The text that `/metrics` answers.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}
