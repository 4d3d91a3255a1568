//! Measures the SDK and a minimal implementation of the same task (the *floor*) alternately, and prints the rows of the
//! report.
#![allow(
    clippy::missing_panics_doc,
    clippy::must_use_candidate,
    clippy::return_self_not_must_use,
    reason = "used only by benchmarks"
)]

mod report;
pub mod server;

use std::hint::black_box;
use std::sync::{Barrier, Mutex};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use criterion::Criterion;
use nexus_sdk::{CachedToken, FetchOptions, NexusClient, NexusClientOptions, TokenCache};

pub use report::{Goal, Report, Unit};

/// The environment variable that makes the benchmarks run briefly, only to check that they work.
const QUICK: &str = "NEXUS_BENCH_QUICK";

pub fn criterion() -> Criterion {
    let full = Criterion::default().without_plots();
    let sized = if std::env::var_os(QUICK).is_some() {
        full.sample_size(10)
            .warm_up_time(Duration::from_millis(100))
            .measurement_time(Duration::from_millis(500))
    } else {
        full
    };
    sized.configure_from_args()
}

/// The measurements of the floor and of the SDK, whose turns alternate.
#[derive(Clone, Default)]
pub struct Pair {
    floor: Vec<f64>,
    ours: Vec<f64>,
}

impl Pair {
    pub fn record(&mut self, floor: f64, ours: f64) {
        self.floor.push(floor);
        self.ours.push(ours);
    }

    pub fn of(floor: Vec<f64>, ours: Vec<f64>) -> Self {
        Self { floor, ours }
    }

    pub fn map(&self, change: impl Fn(f64) -> f64) -> Self {
        let all = |values: &[f64]| values.iter().copied().map(&change).collect();
        Self::of(all(&self.floor), all(&self.ours))
    }

    pub fn is_empty(&self) -> bool {
        self.ours.is_empty()
    }

    pub fn medians(&self) -> (f64, f64) {
        (
            quantile(self.floor.clone(), 0.5),
            quantile(self.ours.clone(), 0.5),
        )
    }

    /// Returns the median of the ratios of neighbouring turns. If the machine is slow for a while, it slows both turns
    /// of a pair.
    pub fn ratio(&self) -> f64 {
        let turns = self.ours.iter().zip(&self.floor);
        quantile(turns.map(|(ours, floor)| ours / floor).collect(), 0.5)
    }
}

#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a place in a list"
)]
pub fn quantile(mut values: Vec<f64>, part: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let place = (values.len().saturating_sub(1) as f64 * part).round() as usize;
    values.get(place).copied().unwrap_or(f64::NAN)
}

/// Alternates turns of the floor and of the SDK, with `block` calls in each turn, until each side has made at least as
/// many calls as criterion asks for. Reports the SDK's time to criterion, scaled to the number that criterion asked
/// for. Returns the nanoseconds per call of each turn.
pub fn compare(
    criterion: &mut Criterion,
    name: &str,
    block: u64,
    mut floor: impl FnMut(u64) -> Duration,
    mut ours: impl FnMut(u64) -> Duration,
) -> Pair {
    let mut pair = Pair::default();
    let mut floor_first = false;
    criterion.bench_function(name, |bencher| {
        bencher.iter_custom(|calls| {
            let blocks = calls.div_ceil(block);
            let mut total = Duration::ZERO;
            for _ in 0..blocks {
                floor_first = !floor_first;
                let early = floor_first.then(|| floor(block));
                let our_time = ours(block);
                let floor_time = early.unwrap_or_else(|| floor(block));
                pair.record(per_call(floor_time, block), per_call(our_time, block));
                total += our_time;
            }
            share(total, calls, blocks * block)
        });
    });
    pair
}

#[allow(clippy::cast_precision_loss, reason = "numbers of calls")]
fn share(time: Duration, of: u64, calls: u64) -> Duration {
    time.mul_f64(of as f64 / calls as f64)
}

#[allow(clippy::cast_precision_loss, reason = "a measured time")]
pub fn nanos(time: Duration) -> f64 {
    time.as_nanos() as f64
}

#[allow(clippy::cast_precision_loss, reason = "a number of calls")]
pub fn per_call(time: Duration, calls: u64) -> f64 {
    nanos(time) / calls as f64
}

/// Makes the calls on this thread, and returns the time that they took.
pub fn repeat<T>(calls: u64, mut call: impl FnMut() -> T) -> Duration {
    let start = Instant::now();
    for _ in 0..calls {
        black_box(call());
    }
    start.elapsed()
}

/// Runs the work on this many threads at once. Returns the time from the start of the first thread's work to the end of
/// the last thread's work.
pub fn on_threads(threads: usize, work: impl Fn() + Sync) -> Duration {
    let barrier = Barrier::new(threads);
    let spans = Mutex::new(Vec::with_capacity(threads));
    let run = || {
        barrier.wait();
        let start = Instant::now();
        work();
        let end = Instant::now();
        // No thread ends before all have finished their work, because the end of a thread would slow down the others.
        barrier.wait();
        spans.lock().unwrap().push((start, end));
    };
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(run);
        }
    });
    let spans = spans.into_inner().unwrap();
    let start = spans.iter().map(|(start, _)| *start).min();
    let end = spans.iter().map(|(_, end)| *end).max();
    end.unwrap() - start.unwrap()
}

pub const SCHEMES: [&str; 2] = ["http", "https"];

/// Creates a ureq agent with ureq's defaults, except for the number of idle connections per host (3 by default), the
/// global timeout (none by default), and the root certificates, which are the system's. ureq's limit of 10 idle
/// connections in total stays.
pub fn bare_agent(idle: usize, timeout: Option<Duration>) -> ureq::Agent {
    let config = ureq::Agent::config_builder();
    let config = config
        .max_idle_connections_per_host(idle)
        .timeout_global(timeout);
    let config = config.tls_config(
        ureq::tls::TlsConfig::builder()
            .root_certs(ureq::tls::RootCerts::PlatformVerifier)
            .build(),
    );
    config.build().new_agent()
}

/// Returns a function that sends a request with bare ureq, with the credential and, if given, the timeout.
pub fn bare_fetch(idle: usize, timeout: Option<Duration>, url: String) -> impl Fn() + Sync {
    let agent = bare_agent(idle, timeout);
    move || {
        let request = agent.get(&url).header("Authorization", "Bearer t-1");
        let mut response = request.call().unwrap();
        let body = response.body_mut().read_to_vec().unwrap();
        assert!(response.status() == 200 && !body.is_empty());
        black_box(response.headers());
    }
}

/// Returns a function that sends the same request through the SDK, with a cached token and the default timeout.
pub fn our_fetch(url: String) -> impl Fn() + Sync {
    let options = NexusClientOptions::new("http://127.0.0.1:1");
    let client = NexusClient::new(options).unwrap();
    let cache = TokenCache::new();
    let expires = SystemTime::now() + Duration::from_secs(36_000);
    let token = CachedToken::new("t-1", "Bearer", expires);
    cache.set("workspace", "github", token);
    move || {
        let options = FetchOptions::default();
        let fetched = client.authenticated_fetch(&cache, "workspace", "github", &url, options);
        let (status, headers, body) = fetched.unwrap();
        assert!(status == 200 && !body.is_empty());
        black_box(headers);
    }
}
