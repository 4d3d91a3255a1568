//! From lines to what they ask for. What needs no tool is responded to at once, by the thread that reads.

use std::io;

use serde_json::Value;

use super::jsonrpc::{self, Failure, INVALID_REQUEST, Id, Message};
use super::lines::{self, Batch, Destination, Output};
use super::protocol::{Session, Step};
use super::tool::Tools;
use super::turns::Job;

/// What is known of stdin between two lines.
#[derive(Default)]
pub(crate) struct Reader {
    line: Vec<u8>,
    session: Session,
}

/// What the other threads have to know of.
#[derive(Default)]
pub(crate) struct Work {
    pub(crate) jobs: Vec<Job>,
    pub(crate) cancelled: Vec<Id>,
}

impl Reader {
    /// Reads and responds until there is work; `None` at the end of stdin.
    pub(crate) fn next(&mut self, tools: &Tools, output: &Output) -> Option<Work> {
        loop {
            let text = lines::read(io::stdin().lock(), &mut self.line, output)?;
            let work = take(&mut self.session, text, tools, output);
            if !work.jobs.is_empty() || !work.cancelled.is_empty() {
                return Some(work);
            }
        }
    }
}

/// Responds to what a line asks for, and returns what is left to do.
pub(crate) fn take(session: &mut Session, text: &str, tools: &Tools, output: &Output) -> Work {
    let mut desk = Desk {
        session,
        tools,
        output,
        work: Work::default(),
    };
    match serde_json::from_str(text) {
        Ok(Value::Array(messages)) => desk.batch(messages, text),
        Ok(value) => desk.receive(Message::new(value, text), text, &Destination::Line),
        Err(_) if text.trim().is_empty() => {}
        Err(error) => output.note(format_args!("a line is not JSON: {error}")),
    }
    desk.work
}

/// Where one line is dealt with.
struct Desk<'a> {
    session: &'a mut Session,
    tools: &'a Tools,
    output: &'a Output,
    work: Work,
}

impl Desk<'_> {
    /// One response for all; where the revision has no batches, each message is refused for itself.
    fn batch(&mut self, messages: Vec<Value>, text: &str) {
        let allowed = self.session.has_batches();
        let checked = if allowed { in_batch } else { refused };
        let pieces = messages.into_iter().zip(jsonrpc::pieces(text));
        let messages: Vec<_> = pieces
            .map(|(value, text)| (checked(Message::new(value, text)), text))
            .collect();
        let expected = messages.iter().filter(|(it, _)| it.has_response());
        let destination = if allowed {
            Destination::Batch(Batch::new(expected.count()))
        } else {
            Destination::Line
        };
        for (message, text) in messages {
            self.receive(message, text, &destination);
        }
    }

    fn receive(&mut self, message: Message, text: &str, destination: &Destination) {
        match message {
            Message::Request { id, method, params } => {
                self.request(id, &method, params, destination);
            }
            Message::Notification { method, params } if method == "notifications/cancelled" => {
                let written = || jsonrpc::member(jsonrpc::member(text, "params")?, "requestId");
                let id = params.get("requestId");
                self.work
                    .cancelled
                    .extend(id.and_then(|id| Id::new(id, written)));
            }
            Message::Notification { .. } | Message::Response => {}
            Message::Invalid {
                id: Some(id),
                problem,
            } => {
                let failure = Err(Failure::new(INVALID_REQUEST, problem));
                destination.give(self.output, Some(jsonrpc::response(&id, &failure)));
            }
            Message::Invalid { id: None, problem } => {
                self.output.note(format_args!(
                    "a message without an id is invalid: {problem}"
                ));
            }
        }
    }

    fn request(&mut self, id: Id, method: &str, params: Value, destination: &Destination) {
        match self.session.handle(self.tools, method, params) {
            Step::Respond(outcome) => {
                destination.give(self.output, Some(jsonrpc::response(&id, &outcome)));
            }
            Step::Run(invocation) => self.work.jobs.push(Job {
                id,
                invocation,
                destination: destination.clone(),
            }),
        }
    }
}

fn in_batch(message: Message) -> Message {
    match message {
        Message::Request { id, method, .. } if method == "initialize" => Message::Invalid {
            id: Some(id),
            problem: "\"initialize\" cannot be in a batch",
        },
        message => message,
    }
}

fn refused(message: Message) -> Message {
    let problem = "this protocol version has no batches; send one message a line";
    match message {
        Message::Request { id, .. } => Message::Invalid {
            id: Some(id),
            problem,
        },
        Message::Invalid { id, .. } => Message::Invalid { id, problem },
        Message::Notification { .. } | Message::Response => Message::Invalid { id: None, problem },
    }
}
