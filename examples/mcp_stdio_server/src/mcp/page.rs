//! Web pages that the user has to visit before a tool can do its work, such as a consent page.
//!
//! Some clients open pages themselves (*URL elicitation*). All other clients get the address as text.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::lock;
use super::message::{Failure, URL_ELICITATION_REQUIRED, member};

/// The key of the page in `inputRequests` and `inputResponses`.
const KEY: &str = "visit";

/// A page to visit. Clones are handles to the same page.
#[derive(Clone)]
pub(crate) struct Page {
    id: String,
    url: String,
    message: String,
    end: Arc<Mutex<End>>,
}

#[derive(Default)]
struct End {
    is_finished: bool,
    on_finish: Option<Box<dyn FnOnce() + Send>>,
}

/// The client's report of the user's visit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Visit {
    /// The user opened the page, but may not have completed it.
    Accepted,
    Declined,
    Cancelled,
    /// The client repeated the call without a report.
    Unanswered,
}

impl Page {
    /// `id` identifies the page to the client. `message` is a sentence that tells the user the reason for the visit.
    pub(crate) fn new(id: &str, url: &str, message: &str) -> Self {
        Self {
            id: id.to_owned(),
            url: url.to_owned(),
            message: message.to_owned(),
            end: Arc::default(),
        }
    }

    /// Marks the page as finished, successfully or not, and runs the closure of [`Self::on_finish`].
    pub(crate) fn finish(&self) {
        let mut end = lock(&self.end);
        end.is_finished = true;
        if let Some(tell) = end.on_finish.take() {
            tell();
        }
    }

    /// Runs `tell` when the page is finished. If another closure already waits, `tell` is dropped, because the client
    /// is told only once.
    pub(super) fn on_finish(&self, tell: impl FnOnce() + Send + 'static) {
        let mut end = lock(&self.end);
        if end.is_finished {
            return tell();
        }
        end.on_finish.get_or_insert(Box::new(tell));
    }

    /// The text for clients that cannot open pages, and for models whose clients only claim that they can.
    pub(crate) fn text(&self) -> String {
        let Self { url, message, .. } = self;
        format!("{message}\nBefore you call the tool again, ask the user to open this page: {url}")
    }

    /// The error that sends the user to the page, for clients of the protocol revision 2025-11-25.
    pub(super) fn failure(&self) -> Failure {
        Failure::new(URL_ELICITATION_REQUIRED, self.text())
            .with_data(json!({"elicitations": [self.params()]}))
    }

    /// The notification that the user has finished with the page.
    pub(super) fn completion(&self) -> String {
        let method = "notifications/elicitation/complete";
        let params = json!({"elicitationId": self.id});
        json!({"jsonrpc": "2.0", "method": method, "params": params}).to_string()
    }

    /// The result that sends the user to the page, for clients of the protocol revision 2026-07-28. It has no
    /// `requestState`, because the server itself keeps the state.
    pub(super) fn question(&self) -> Value {
        let request = json!({"method": "elicitation/create", "params": self.params()});
        json!({"resultType": "input_required", "inputRequests": {KEY: request}})
    }

    /// Revision 2026-07-28 has no `elicitationId`. It is included all the same, because versions 3.0 to 3.8 of the Rust
    /// client cannot read a request without it.
    fn params(&self) -> Value {
        json!({
            "mode": "url",
            "elicitationId": self.id,
            "url": self.url,
            "message": self.message,
        })
    }
}

/// Reads the client's report from `inputResponses`.
pub(super) fn visit(responses: &Value) -> Visit {
    match member(member(responses, KEY), "action").as_str() {
        Some("accept") => Visit::Accepted,
        Some("decline") => Visit::Declined,
        Some("cancel") => Visit::Cancelled,
        _ => Visit::Unanswered,
    }
}

/// Returns whether a client with these capabilities opens pages. With an empty `elicitation`, the client shows only
/// forms.
pub(super) fn opens_pages(capabilities: &Value) -> bool {
    member(member(capabilities, "elicitation"), "url").is_object()
}
