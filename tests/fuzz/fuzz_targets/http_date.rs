#![no_main]

#[path = "../../properties/by_jiff.rs"]
#[allow(dead_code, reason = "each target needs a part")]
mod by_jiff;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| nexus_sdk::fuzzing::http_date(
    data,
    by_jiff::http_date,
    by_jiff::written
));
