#![no_main]

#[path = "../../properties/by_url.rs"]
mod by_url;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| nexus_sdk::fuzzing::strategy(data, by_url::origin));
