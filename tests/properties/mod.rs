//! Properties that hold whatever a gateway, an upstream or a caller writes: one function for each target of
//! `tests/fuzz`. The unit test runs the same on the seeds and on simple mutations of them.
//!
//! Inputs are text as far as possible, so that a seed can be read and written by hand. What another
//! library makes of an input is passed in, so that this crate needs none.

mod dates;
mod errors;
mod redirects;
mod responses;
mod strategies;
mod tokens;
mod urls;

#[cfg(all(test, differential))]
pub(crate) mod by_jiff;
#[cfg(all(test, differential))]
mod by_url;
#[cfg(test)]
mod mutated;
#[cfg(test)]
mod tests;

pub use dates::{expires_at, http_date};
pub use errors::error_body;
pub use redirects::redirect;
pub use responses::response;
pub use strategies::strategy;
pub use tokens::token;
pub use urls::url;

use std::fmt::Debug;

use crate::error::NexusError;
use crate::json::Object;

/// The text that all secrets in seeds contain. No text that is shown may contain it.
const CANARY: &str = "canary";

/// The origin to which another library takes a reference that stands in a URL.
pub type Origin = fn(base: &str, reference: &str) -> Option<String>;

/// The first line of an input, and the rest.
fn split(data: &[u8]) -> (String, &[u8]) {
    let end = data.iter().position(|byte| *byte == b'\n');
    let (line, rest) = data.split_at(end.unwrap_or(data.len()));
    let line = String::from_utf8_lossy(line).into_owned();
    (line, rest.get(1..).unwrap_or_default())
}

/// A text that is shown as one line.
fn assert_line(text: &str) {
    assert!(!text.trim().is_empty(), "nothing is shown");
    assert!(!text.chars().any(char::is_control), "{text:?}");
}

/// An error says what it has to say in one line, without a secret.
fn assert_clean(error: &NexusError) {
    assert_clean_beside(error, "");
}

/// The same, where it may show these names; nothing can be said if they hold the canary themselves.
fn assert_clean_beside(error: &NexusError, names: &str) {
    assert_line(error.code());
    assert_line(error.message());
    let all = format!("{error} {error:?}");
    assert!(names.contains(CANARY) || !all.contains(CANARY), "{all}");
}

/// Asserts that `Debug` shows no secret. These fields, which it shows, may contain the canary themselves.
fn assert_hides(value: &impl Debug, fields: &str) {
    let text = format!("{value:?}");
    assert!(fields.contains(CANARY) || !text.contains(CANARY), "{text}");
}

/// The names in a strategy, which errors show.
fn strategy_names(response: &Object) -> String {
    let strategy = response.get("strategy");
    strategy.map(ToString::to_string).unwrap_or_default()
}
