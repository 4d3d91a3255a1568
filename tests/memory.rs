//! Responses of a gateway take a bounded amount of memory.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

mod support;

use std::io;

use nexus_sdk::{FetchOptions, NexusClient};
use support::{End, Server, bytes, fetcher, in_chunks, options, text};

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

/// A download takes the same memory whatever its size is, and an error the same whatever its body is.
#[test]
fn a_download_takes_a_constant_amount_of_memory() {
    const MIB: usize = 1 << 20;
    let body = |length: usize| vec![b'x'; length];
    let endless = bytes("HTTP/1.1 500 Oops\r\n\r\n").then(End::Flood(&[b'x'; 8192]));
    let table = [
        ("small", text(200, "small"), true),
        ("large", bytes(in_chunks("", &body(24 * MIB), MIB)), true),
        #[cfg(feature = "gzip")]
        (
            "compressed",
            bytes(in_chunks(
                "Content-Encoding: gzip\r\n",
                &support::gzip(&body(48 * MIB)),
                MIB,
            )),
            true,
        ),
        ("an endless error", endless, false),
    ];
    for (case, answer, is_success) in table {
        let server = Server::play(vec![answer]);
        let fetcher = fetcher(options(&server).max_body_bytes(1000));
        let url = server.url("/");
        let counted = allocation_counter::measure(|| {
            let ended = fetcher.download(&url, FetchOptions::default(), &mut io::sink());
            assert_eq!(ended.is_ok(), is_success, "{case}");
        });
        assert!(counted.bytes_max < MIB as u64, "{case}: {counted:?}");
    }
}
