//! With the feature `log`, diagnostics are the program's logger's to write.
#![cfg(feature = "log")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::sync::Mutex;

use log::{Level, LevelFilter, Log, Metadata, Record};
use nexus_sdk::testing::DevGateway;
use nexus_sdk::{LogLevel, NexusClient, NexusClientOptions, RetryPolicy};

static LINES: Mutex<Vec<(Level, String)>> = Mutex::new(Vec::new());

struct Collector;

impl Log for Collector {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "nexus_sdk"
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            let line = (record.level(), record.args().to_string());
            LINES.lock().unwrap().push(line);
        }
    }

    fn flush(&self) {}
}

fn lines_of(level: LogLevel) -> Vec<(Level, String)> {
    let gateway = DevGateway::builder().api_key("canary-key").start().unwrap();
    gateway.connect("acme", "github").unwrap();
    gateway.fail_next(1, nexus_sdk::testing::Fault::Status(503));
    let options = NexusClientOptions::new(gateway.url())
        .api_key("canary-key")
        .retry_policy(
            RetryPolicy::default()
                .retries(1)
                .min_delay(std::time::Duration::ZERO),
        )
        .log_level(level);
    let client = NexusClient::new(options).unwrap();
    let token = client.resolve_token("acme", "github").unwrap();
    let lines = std::mem::take(&mut *LINES.lock().unwrap());
    for (_, line) in &lines {
        assert!(
            !line.contains("canary-key") && !line.contains(&token.access_token),
            "{line}"
        );
        assert!(!line.contains("workspace_id"), "no query: {line}");
    }
    lines
}

#[test]
fn the_logger_decides_and_off_is_off() {
    log::set_logger(&Collector).unwrap();
    log::set_max_level(LevelFilter::Trace);
    let levels: Vec<Level> = lines_of(LogLevel::Warn)
        .into_iter()
        .map(|(level, _)| level)
        .collect();
    assert_eq!(levels, [Level::Debug, Level::Warn, Level::Debug]);
    log::set_max_level(LevelFilter::Warn);
    let lines = lines_of(LogLevel::Warn);
    assert_eq!(lines.len(), 1);
    assert!(lines[0].1.starts_with("attempt 1 failed"), "{lines:?}");
    log::set_max_level(LevelFilter::Trace);
    assert_eq!(lines_of(LogLevel::Off), []);
}
