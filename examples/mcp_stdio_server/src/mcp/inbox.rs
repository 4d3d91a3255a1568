//! Turns a line from the client into responses, tool calls and cancellations.

use std::sync::{Arc, Mutex};

use serde_json::Value;

use super::jobs::Job;
use super::lock;
use super::message::{self, Failure, INVALID_REQUEST};
use super::protocol::{Session, Step};
use super::scan::Scan;
use super::tool::Tools;

/// The work that results from a line.
#[derive(Default)]
pub(crate) struct Work {
    /// Lines for stdout.
    pub(crate) lines: Vec<String>,
    pub(crate) jobs: Vec<Job>,
    /// The ids of the requests that the client has cancelled.
    pub(crate) cancelled: Vec<Value>,
    /// The first problem that no response with an id reports. Only this problem goes to stderr, because one line can
    /// contain thousands of invalid messages.
    pub(crate) problem: Option<String>,
    /// True if the line was cut: it is the last line, has no line break, and cannot be read.
    pub(crate) is_cut: bool,
}

impl Work {
    /// The work for a line whose messages cannot be read. The error that the client gets has no id, and some clients do
    /// not report it, so the problem goes to stderr as well.
    pub(crate) fn unparsed(problem: String, is_cut: bool) -> Self {
        Self {
            lines: vec![message::unparsed(&problem)],
            problem: Some(problem),
            is_cut,
            ..Self::default()
        }
    }
}

/// Handles a line. Responds to all of its requests that need no tool.
pub(crate) fn take(session: &mut Session, text: &str, tools: &Tools) -> Work {
    let scan = Scan::of(text);
    let limits = scan.check();
    let mut inbox = Inbox {
        session,
        tools,
        limits,
        work: Work::default(),
    };
    let parsed = match limits {
        Ok(()) => {
            serde_json::from_str(text).map_err(|error| format!("a line is not JSON: {error}"))
        }
        Err(problem) => scan.outline().ok_or_else(|| problem.to_owned()),
    };
    match parsed {
        Ok(Value::Array(messages)) if !messages.is_empty() => inbox.batch(messages),
        Ok(value) => inbox.receive(value, &Destination::Line),
        Err(_) if text.trim().is_empty() => {}
        Err(problem) => return Work::unparsed(problem, !text.ends_with('\n')),
    }
    inbox.work
}

struct Inbox<'a> {
    session: &'a mut Session,
    tools: &'a Tools,
    /// An error if the line exceeds a limit, so that all of its requests are refused.
    limits: Result<(), &'static str>,
    work: Work,
}

impl Inbox<'_> {
    /// In revision 2025-03-26, a batch gets one line with all its responses. In other revisions, each message of a batch
    /// is refused.
    fn batch(&mut self, messages: Vec<Value>) {
        let requests = messages.iter().filter_map(message::response_id).count();
        let batch = Batch {
            missing: requests,
            responses: Vec::new(),
        };
        let destination = Destination::Batch(Arc::new(Mutex::new(batch)));
        for message in messages {
            if self.session.has_batches() {
                self.receive(message, &destination);
            } else {
                let problem = "this revision does not support batches; send one message per line";
                let id = message::response_id(&message);
                self.refuse(id.as_ref(), problem, &Destination::Line);
            }
        }
    }

    fn receive(&mut self, mut message: Value, destination: &Destination) {
        if message::is_response(&message) {
            return;
        }
        let id = message::response_id(&message);
        if let Err(problem) = self.limits.and_then(|()| message::check(&message)) {
            return self.refuse(id.as_ref(), problem, destination);
        }
        let params = message::take(&mut message, "params");
        let method = message::member(&message, "method").as_str();
        match (method.unwrap_or_default(), id) {
            ("initialize", Some(id)) if matches!(destination, Destination::Batch(_)) => {
                let problem = "\"initialize\" cannot be in a batch";
                self.refuse(Some(&id), problem, destination);
            }
            (method, Some(id)) => self.request(id, method, params, destination),
            ("notifications/cancelled", None) => {
                let id = message::member(&params, "requestId");
                self.work.cancelled.push(message::id(id));
            }
            (method, None) if !method.starts_with("notifications/") => {
                self.refuse(None, "a request must have an \"id\"", destination);
            }
            _ => {}
        }
    }

    fn request(&mut self, id: Value, method: &str, params: Value, destination: &Destination) {
        match self.session.handle(self.tools, method, params) {
            Ok(Step::Respond(result)) => self.respond(&id, &Ok(result), destination),
            Ok(Step::Run(invocation)) => {
                self.work.jobs.push(Job {
                    id,
                    invocation,
                    destination: destination.clone(),
                });
            }
            Err(failure) => self.respond(&id, &Err(failure), destination),
        }
    }

    fn refuse(&mut self, id: Option<&Value>, problem: &str, destination: &Destination) {
        if id.is_none_or(Value::is_null) {
            let problem = || format!("an invalid message: {problem}");
            self.work.problem.get_or_insert_with(problem);
        }
        if let Some(id) = id {
            let failure = Failure::new(INVALID_REQUEST, problem);
            self.respond(id, &Err(failure), destination);
        }
    }

    fn respond(&mut self, id: &Value, outcome: &Result<Value, Failure>, to: &Destination) {
        let response = message::response(id, outcome);
        self.work.lines.extend(to.line(Some(response)));
    }
}

/// The destination of a response: its own line, or the array of responses to a batch.
#[derive(Clone)]
pub(crate) enum Destination {
    Line,
    Batch(Arc<Mutex<Batch>>),
}

pub(crate) struct Batch {
    missing: usize,
    responses: Vec<String>,
}

impl Destination {
    /// Adds a response, or `None` for a cancelled request, and returns the line if it is complete. A batch whose
    /// requests were all cancelled gets no line.
    pub(crate) fn line(&self, response: Option<String>) -> Option<String> {
        let Self::Batch(batch) = self else {
            return response;
        };
        let mut batch = lock(batch);
        batch.responses.extend(response);
        batch.missing = batch.missing.saturating_sub(1);
        let is_complete = batch.missing == 0 && !batch.responses.is_empty();
        is_complete.then(|| format!("[{}]", batch.responses.join(",")))
    }
}
