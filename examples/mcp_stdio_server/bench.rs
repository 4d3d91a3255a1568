//! Tools that touch nothing: to measure the server with, and to see that it survives a panic.

use std::time::Duration;

use serde_json::json;

use crate::tools::{Arguments, Cancelled, Tool};

pub(crate) fn tools() -> [Tool; 2] {
    let echo = Tool {
        name: "echo",
        description: "Answers its text.",
        properties: json!({"text": {"type": "string"}}),
        required: &["text"],
        read_only: true,
        run: Box::new(|arguments: &Arguments, _| {
            Ok(arguments.text("text").unwrap_or_default().to_owned())
        }),
    };
    let slow = Tool {
        name: "slow",
        description: "Answers after so many milliseconds.",
        properties: json!({"ms": {"type": "integer", "minimum": 0, "maximum": 60_000}}),
        required: &["ms"],
        read_only: true,
        run: Box::new(|arguments: &Arguments, cancelled: &Cancelled| {
            let ms = arguments.integer("ms").unwrap_or_default();
            cancelled.wait(Duration::from_millis(ms));
            Ok(format!("slept {ms} ms"))
        }),
    };
    [echo, slow]
}

#[allow(clippy::panic, reason = "what the tool is for")]
pub(crate) fn panics() -> Tool {
    Tool {
        name: "panic",
        description: "Panics.",
        properties: json!({}),
        required: &[],
        read_only: true,
        run: Box::new(|_, _| panic!("the tool was told to")),
    }
}
