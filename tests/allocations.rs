//! A hit costs no allocation.
#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects)]

use std::time::{Duration, SystemTime};

use nexus_sdk::{CachedToken, NexusClient, NexusClientOptions, TokenCache};

#[test]
fn a_hit_allocates_nothing() {
    let client = NexusClient::new(NexusClientOptions::new("http://localhost:1")).unwrap();
    let cache = TokenCache::new();
    let expires_at = SystemTime::now() + Duration::from_secs(3600);
    cache.set(
        "ws",
        "p",
        CachedToken::new("t", "Bearer", expires_at, "Authorization", "Bearer "),
    );

    let counted = allocation_counter::measure(|| {
        for _ in 0..100 {
            assert!(client.get_cached_token(&cache, "ws", "p").is_ok());
            assert!(cache.get("ws", "p").is_some());
        }
    });
    assert_eq!(counted.count_total, 0);

    let made = allocation_counter::measure(|| drop("counted".to_owned()));
    assert_eq!(made.count_total, 1, "the counter counts");
}
