//! Counters, in the Prometheus text format. Names and labels never hold an id, an address or a text.
//!
//! A label's value is a word of the program itself or a value of a closed type: what a stranger sends cannot become one, so
//! no stranger can make the registry grow.

use std::fmt;

use http::{Method, StatusCode};
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::Supervision;

/// One label.
type L1 = [(&'static str, &'static str); 1];
/// Two labels.
type L2 = [(&'static str, &'static str); 2];

/// The method of a request, as it is counted and logged: what Frontdesk does not know is `other`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MethodLabel(&'static str);

impl From<&Method> for MethodLabel {
    fn from(method: &Method) -> Self {
        Self(match *method {
            Method::GET => "GET",
            Method::HEAD => "HEAD",
            Method::POST => "POST",
            Method::PUT => "PUT",
            Method::PATCH => "PATCH",
            Method::DELETE => "DELETE",
            Method::OPTIONS => "OPTIONS",
            _ => "other",
        })
    }
}

impl fmt::Display for MethodLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl EncodeLabelValue for MethodLabel {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        self.0.encode(encoder)
    }
}

/// The labels of a request. A status is one of Frontdesk's own answers.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RequestLabels {
    /// The pattern of the route, not the path.
    pub route: &'static str,
    /// The method.
    pub method: MethodLabel,
    /// The status.
    pub status: u16,
}

impl RequestLabels {
    /// The labels of a request to `route`.
    #[must_use]
    pub fn new(route: &'static str, method: &Method, status: StatusCode) -> Self {
        Self { route, method: method.into(), status: status.as_u16() }
    }
}

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
    pub requests: Family<RequestLabels, Counter>,
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
    /// From the begin of a run to its first delta, in seconds. The visitor of a turn that waited for another one, or was
    /// begun again, has waited longer.
    pub first_delta_seconds: Histogram,
    /// Tokens by `direction` (`prompt`, `completion`), estimated where the provider does not count.
    pub tokens: Family<L1, Counter>,
    /// Calls to models by `step` (`main`, `smaller`), `result`.
    pub model_calls: Family<L2, Counter>,
    /// Searches that wanted vectors and went on with words alone, by `reason` (`no_model`, `failed`, `none`).
    pub searches_stepped_down: Family<L1, Counter>,
    /// Listeners of rooms.
    pub listeners: Gauge,
    /// Jobs that ended, by `kind`, `result`.
    pub jobs: Family<L2, Counter>,
    /// Jobs that are due and that no worker has.
    pub jobs_waiting: Gauge,
    /// How long the first of them has waited, in seconds.
    pub jobs_oldest_seconds: Gauge,
    /// Jobs that were given up and are kept.
    pub jobs_dead: Gauge,
    /// Open jobs of kinds that this version does not know.
    pub jobs_unknown: Gauge,
    /// State of each circuit breaker by `service`: 0 closed, 1 half open, 2 open.
    pub breaker: Family<L1, Gauge>,
    /// Look-ups in caches by `cache`, `result` (`hit`, `miss`).
    pub cache: Family<L2, Counter>,
    /// Database round trips by `kind` (`query`, `batch`).
    pub database: Family<L1, Counter>,
    /// What died and was begun again, by `name`.
    pub supervision: Supervision,
    /// What could not be read of documents that are ready all the same, by `part` (`NotRead::kind`).
    pub unread_parts: Family<L1, Counter>,
    /// Guardrails that stepped in, by `guard`, `side` (`in`, `out`).
    pub guards: Family<L2, Counter>,
    /// Open connections, on a host that has them.
    pub connections: Gauge,
    /// Connections that were ended by Frontdesk or got no more than a refusal, by `reason`.
    pub connections_cut: Family<L1, Counter>,
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
        let supervision = Supervision::default();
        registry.register("deaths", "Loops, tasks and requests that died", supervision.counter());
        Self {
            supervision,
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
                "From the begin of a run to its first delta",
                Unit::Seconds,
                Buckets.new_metric()
            ),
            tokens: register!("model_tokens", "Tokens of calls to models", Family::default()),
            model_calls: register!("model_calls", "Calls to models, by how they ended", Family::default()),
            searches_stepped_down: register!(
                "searches_stepped_down",
                "Searches that wanted vectors and went on with words alone",
                Family::default()
            ),
            listeners: register!("room_listeners", "Listeners of rooms", Gauge::default()),
            jobs: register!("jobs", "Steps of jobs that ended", Family::default()),
            jobs_waiting: register!("jobs_waiting", "Jobs that are due", Gauge::default()),
            jobs_oldest_seconds: register!(
                "jobs_oldest_due",
                "How long the first job has been due",
                Unit::Seconds,
                Gauge::default()
            ),
            jobs_dead: register!("jobs_dead", "Jobs that were given up and are kept", Gauge::default()),
            jobs_unknown: register!(
                "jobs_unknown",
                "Open jobs of kinds that this version does not know",
                Gauge::default()
            ),
            breaker: register!("breaker_state", "0 closed, 1 half open, 2 open", Family::default()),
            cache: register!("cache_lookups", "Look-ups in caches", Family::default()),
            database: register!("database_round_trips", "Database round trips", Family::default()),
            unread_parts: register!(
                "document_warnings",
                "What could not be read of documents that are ready",
                Family::default()
            ),
            guards: register!("guardrails", "Guardrails that stepped in", Family::default()),
            connections: register!("connections", "Open connections", Gauge::default()),
            connections_cut: register!(
                "connections_cut",
                "Connections that were ended by Frontdesk or got no more than a refusal",
                Family::default()
            ),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thousand_methods_are_one_line() {
        let metrics = Metrics::default();
        for number in 0..1000 {
            let method = Method::from_bytes(format!("STRANGE{number}").as_bytes()).unwrap();
            let labels = RequestLabels::new("unmatched", &method, StatusCode::NOT_FOUND);
            metrics.requests.get_or_create(&labels).inc();
        }
        let text = metrics.text();
        let lines: Vec<&str> = text.lines().filter(|line| line.contains("http_requests_total")).collect();
        assert_eq!(
            lines,
            [r#"frontdesk_http_requests_total{route="unmatched",method="other",status="404"} 1000"#]
        );
    }
}
