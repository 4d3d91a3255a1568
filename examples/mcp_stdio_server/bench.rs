//! Tools that need no gateway: to measure the server with, and to see that it survives a panic.

use std::time::Duration;

use serde_json::json;

use crate::server::mcp::{Content, Tool};

/// `user` is the URL that `get_user` fetches.
pub(crate) fn tools(user: String) -> [Tool; 4] {
    let ms = json!({"type": "integer", "minimum": 0, "maximum": 60_000});
    [
        Tool::new("echo", "Returns its text.")
            .required("text", json!({"type": "string"}))
            .run(|call| {
                let text = call.text("text").unwrap_or_default();
                Ok(Content::Text(text.to_owned()))
            }),
        Tool::new("slow", "Returns after so many milliseconds.")
            .required("ms", ms)
            .run(|call| {
                let ms = call.integer("ms").unwrap_or_default();
                call.wait(Duration::from_millis(ms));
                Ok(Content::Text(format!("slept {ms} ms")))
            }),
        panics(),
        bare(user),
    ]
}

/// What `get_user` costs without the SDK.
fn bare(url: String) -> Tool {
    let agent = ureq::Agent::new_with_defaults();
    let text = move || {
        let request = agent.get(&url).header("Authorization", "Bearer bench");
        request.call()?.body_mut().read_to_string()
    };
    Tool::new("bare", "Tells who the user is, with bare ureq.")
        .returns(json!({"type": "object"}))
        .run(move |_| {
            let text = text().map_err(|error| format!("bare failed: {error}"))?;
            let user = serde_json::from_str(&text);
            Ok(Content::Json(user.map_err(|error| error.to_string())?))
        })
}

#[allow(clippy::panic, reason = "what the tool is for")]
fn panics() -> Tool {
    Tool::new("panic", "Panics.").run(|_| panic!("the tool was told to"))
}
