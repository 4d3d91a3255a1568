//! Tools for benchmarks and tests of the server. They need no gateway.

use std::thread;
use std::time::Duration;

use nexus_sdk::ureq;
use serde_json::{Value, json};

use crate::mcp::Tool;

/// Returns the tools. `url` is the URL that `get_user` fetches.
pub(crate) fn tools(url: String) -> [Tool; 4] {
    let ms = json!({"type": "integer", "minimum": 0, "maximum": 60_000});
    [
        Tool::new("echo", "Returns the given text.")
            .required("text", json!({"type": "string"}))
            .run(|call| Ok(call.text("text").unwrap_or_default().into())),
        Tool::new("slow", "Returns after the given number of milliseconds.")
            .required("ms", ms)
            .run(|call| {
                let ms = call.integer("ms").unwrap_or_default();
                let has_time = || call.received.elapsed() < Duration::from_millis(ms);
                while has_time() && !call.is_cancelled() {
                    thread::sleep(Duration::from_millis(1));
                }
                Ok(format!("slept {ms} ms").into())
            }),
        panics(),
        bare(url),
    ]
}

/// Sends the request of `get_user` with bare ureq and a fixed credential. The tool works only with an API that checks
/// no credentials, such as the server of the benchmarks.
fn bare(url: String) -> Tool {
    let agent = ureq::Agent::new_with_defaults();
    let text = move || {
        let request = agent.get(&url).header("Authorization", "Bearer bench");
        request.call()?.body_mut().read_to_string()
    };
    Tool::new("bare", "Sends get_user's request with a sample credential.")
        .optional("note", note())
        .returns(json!({"type": "object", "properties": {"login": {"type": "string"}}}))
        .run(move |_| {
            let text = text().map_err(|error| format!("bare failed: {error}"))?;
            Ok(serde_json::from_str(&text).map_err(|error| error.to_string())?)
        })
}

#[allow(clippy::panic, reason = "this tool exists to panic")]
fn panics() -> Tool {
    Tool::new("panic", "Panics.")
        .optional("note", note())
        .run(|_| panic!("the tool `panic` was called"))
}

/// An argument for a tool that needs none.
fn note() -> Value {
    json!({"type": "string", "description": "unused"})
}
