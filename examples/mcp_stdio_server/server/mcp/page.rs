//! A web page that the user has to visit before a tool can do its work, and the ways to send them there.
//!
//! For what must not pass through the client, such as an OAuth consent. Clients that open pages themselves say so
//! (*URL elicitation*); all others get the address as text.

use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};

use super::jsonrpc::{Failure, URL_ELICITATION_REQUIRED};

/// The name of the question in `inputRequests` and `inputResponses`.
const KEY: &str = "visit";

/// A page to visit. Its clones are the same page.
#[derive(Clone)]
pub(crate) struct Page(Arc<Inner>);

struct Inner {
    id: String,
    url: String,
    message: String,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    done: bool,
    /// Tells the client; there is at most one.
    tell: Option<Box<dyn FnOnce() + Send>>,
    promised: bool,
}

/// What became of the visit, as the client says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Visit {
    /// The user went there, which does not mean that they did what the page asks for.
    Accepted,
    Declined,
    Cancelled,
    /// The client sent the call again, but no answer to this question.
    Unanswered,
}

impl Page {
    /// `id` names it for the client; `message` says in a sentence what it is for.
    pub(crate) fn new(
        id: impl Into<String>,
        url: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Self(Arc::new(Inner {
            id: id.into(),
            url: url.into(),
            message: message.into(),
            state: Mutex::default(),
        }))
    }

    /// What the page was for is over, whatever came of it: a client that waits for that is told.
    pub(crate) fn finish(&self) {
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.done = true;
        let tell = state.tell.take();
        drop(state);
        if let Some(tell) = tell {
            tell();
        }
    }

    /// Has the client told, once, when the page is finished.
    pub(super) fn promise(&self, tell: impl FnOnce() + Send + 'static) {
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.promised {
            return;
        }
        state.promised = true;
        if !state.done {
            state.tell = Some(Box::new(tell));
            return;
        }
        drop(state);
        tell();
    }

    /// For a client that cannot open pages, and for a model whose client only says that it can.
    pub(crate) fn text(&self) -> String {
        let Inner { url, message, .. } = &*self.0;
        format!("{message}\nAsk the user to open this page, and call the tool again then: {url}")
    }

    /// The error that sends a 2025-11-25 client there.
    pub(super) fn failure(&self) -> Failure {
        let Inner {
            id, url, message, ..
        } = &*self.0;
        let elicitation =
            json!({"mode": "url", "elicitationId": id, "url": url, "message": message});
        Failure::new(URL_ELICITATION_REQUIRED, self.text())
            .with_data(json!({"elicitations": [elicitation]}))
    }

    /// What tells such a client that it may call again.
    pub(super) fn completion(&self) -> Value {
        json!({"elicitationId": self.0.id})
    }

    /// The result that sends a 2026-07-28 client there. It has no `requestState`: nothing depends on what comes back.
    pub(super) fn question(&self) -> Value {
        let Inner { url, message, .. } = &*self.0;
        let params = json!({"mode": "url", "url": url, "message": message});
        let request = json!({"method": "elicitation/create", "params": params});
        json!({"resultType": "input_required", "inputRequests": {KEY: request}})
    }
}

/// The client's answer in `inputResponses`.
pub(super) fn visit(responses: &Value) -> Visit {
    let action = responses
        .get(KEY)
        .and_then(|response| response.get("action"));
    match action.and_then(Value::as_str) {
        Some("accept") => Visit::Accepted,
        Some("decline") => Visit::Declined,
        Some("cancel") => Visit::Cancelled,
        _ => Visit::Unanswered,
    }
}

/// Whether a client's capabilities say that it opens pages. An empty `elicitation` means forms only.
pub(super) fn opens_pages(capabilities: Option<&Value>) -> bool {
    let url = capabilities.and_then(|capabilities| capabilities.get("elicitation")?.get("url"));
    url.is_some_and(Value::is_object)
}
