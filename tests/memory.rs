//! Responses of a gateway take a bounded amount of memory.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

mod support;

use nexus_sdk::NexusClient;
use support::{Server, bytes, options, text};

/// In memory, these empty lists are twenty-five times as long.
#[test]
fn a_gateways_response_costs_a_bounded_amount_of_memory() {
    const MIB: usize = 1 << 20;
    let table = [
        ("too long", 200, 99 * MIB, 8 * MIB),
        ("too long an error", 500, 99 * MIB, 8 * MIB),
        ("within the bound", 200, 19 * MIB / 10, 64 * MIB),
        ("an error within the bound", 500, 19 * MIB / 10, 8 * MIB),
    ];
    for (case, status, length, most) in table {
        let head = format!("HTTP/1.1 {status} Reason\r\n\r\n");
        let body = format!("{head}[{}[]]", "[],".repeat(length / 3));
        let gateway = Server::play(vec![bytes(body)]);
        let client = NexusClient::new(options(&gateway)).unwrap();
        let counted = allocation_counter::measure(|| assert!(client.providers().is_err()));
        assert!(counted.bytes_max < most as u64, "{case}: {counted:?}");
    }
}

/// A small response may have 4,600 objects with one field, which take a hundred times their text.
#[test]
fn sixty_four_small_responses_fit_into_256_mib() {
    let object: fn(usize) -> String = |n| format!(r#""{n}":{{"":0}}"#);
    let list = |n: usize| format!(r#""{n}":[0]"#);
    let number = |n: usize| format!(r#""{n}":0"#);
    let long = |n: usize| format!(r#""{n}":"{}""#, "x".repeat(10_000));
    let table = [
        ("objects", 4600, object, true),
        ("lists", 5400, list, true),
        ("numbers", 16_380, number, true),
        ("texts", 25, long, true),
        ("too many objects", 4700, object, false),
    ];
    for (case, count, field, is_read) in table {
        let fields: Vec<String> = (0..count).map(field).collect();
        let body = format!("{{{}}}", fields.join(","));
        let gateway = Server::play(vec![text(200, &body)]);
        let client = NexusClient::new(options(&gateway)).unwrap();
        let counted = allocation_counter::measure(|| {
            let error = client.get_agent_session("s").unwrap_err();
            let is_refused = error.message().contains("too many values");
            // A response that has been read lacks a session.
            assert_eq!(is_refused, !is_read, "{case}: {error}");
        });
        assert!(64 * counted.bytes_max < 256 << 20, "{case}: {counted:?}");
    }
}
