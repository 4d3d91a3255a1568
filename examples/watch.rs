//! Counts the failures of a gateway by workspace, provider and code, as a program that runs for weeks would do for its
//! metrics, and prints the counters in the text format of Prometheus.
//!
//! The program starts a gateway in its own process, and makes some of its responses fail.
#![allow(clippy::print_stdout)]

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nexus_sdk::testing::{DevGateway, Fault};
use nexus_sdk::{GatewayCall, LogLevel, NexusClient, NexusClientOptions, RetryPolicy, TokenCache};

/// Counters by their labels.
#[derive(Clone, Default)]
struct Failures(Arc<Mutex<BTreeMap<String, u64>>>);

impl Failures {
    /// Counts a call, if it failed. Quickly, because a call to the gateway waits for this function.
    fn count(&self, call: &GatewayCall<'_>) {
        let Some(error) = call.error else { return };
        let labels = format!(
            "operation={:?},workspace={:?},provider={:?},code={:?}",
            call.operation,
            call.workspace_id.unwrap_or_default(),
            call.provider.unwrap_or_default(),
            error.code(),
        );
        let mut counters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let counter = counters.entry(labels).or_default();
        *counter = counter.saturating_add(1);
    }

    /// The response to a scrape.
    fn text(&self) -> String {
        let counters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut text = "# TYPE nexus_gateway_failures_total counter\n".to_owned();
        for (labels, count) in &*counters {
            let _ = writeln!(text, "nexus_gateway_failures_total{{{labels}}} {count}");
        }
        text
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let gateway = DevGateway::start()?;
    gateway.connect("acme", "github")?;

    let failures = Failures::default();
    let counted = failures.clone();
    let policy = RetryPolicy::default()
        .retries(2)
        .min_delay(Duration::from_millis(1));
    let options = NexusClientOptions::new(gateway.url())
        .retry_policy(policy)
        .log_level(LogLevel::Off)
        .on_call(move |call| counted.count(call));
    let client = NexusClient::new(options)?;
    let cache = TokenCache::new();

    // Two attempts fail, and the third succeeds.
    gateway.fail_next(2, Fault::Status(503));
    client.get_cached_token(&cache, "acme", "github")?;
    // A mistake in a provider's name.
    if let Err(error) = client.get_cached_token(&cache, "acme", "githb") {
        println!("# {error}");
    }
    print!("{}", failures.text());
    Ok(())
}
