#![no_main]

#[path = "../../../examples/mcp_stdio_server/tests/mcp_lines/lines.rs"]
mod lines;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| lines::lines(data));
