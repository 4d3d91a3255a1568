//! Tools that touch nothing: to measure the server with, and to see that it survives a panic.

use std::time::Duration;

use serde_json::json;

use crate::tools::Tool;

pub(crate) fn tools() -> [Tool; 2] {
    let ms = json!({"type": "integer", "minimum": 0, "maximum": 60_000});
    [
        Tool::new("echo", "Answers its text.")
            .required("text", json!({"type": "string"}))
            .run(|arguments, _| Ok(arguments.text("text").unwrap_or_default().to_owned())),
        Tool::new("slow", "Answers after so many milliseconds.")
            .required("ms", ms)
            .run(|arguments, cancelled| {
                let ms = arguments.integer("ms").unwrap_or_default();
                cancelled.wait(Duration::from_millis(ms));
                Ok(format!("slept {ms} ms"))
            }),
    ]
}

#[allow(clippy::panic, reason = "what the tool is for")]
pub(crate) fn panics() -> Tool {
    Tool::new("panic", "Panics.").run(|_, _| panic!("the tool was told to"))
}
