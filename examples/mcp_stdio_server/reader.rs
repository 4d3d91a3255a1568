//! From lines to what they ask for. What needs no tool is answered at once, by the thread that reads.

use std::io::{self, BufRead, Stdin};

use serde_json::Value;

use crate::output::{Output, note};
use crate::protocol::{Session, Step};
use crate::raw;
use crate::reply::{Batch, Reply};
use crate::rpc::{self, Failure, INVALID_REQUEST, Id, Message};
use crate::tools::{Cancelled, Tools};
use crate::turns::Call;

const LONGEST_LINE: u64 = 64 << 20;

pub(crate) struct Reader {
    input: Stdin,
    line: Vec<u8>,
    session: Session,
}

/// What the other threads have to know of.
#[derive(Default)]
pub(crate) struct Work {
    pub(crate) calls: Vec<Call>,
    pub(crate) cancelled: Vec<Id>,
}

impl Default for Reader {
    fn default() -> Self {
        Self {
            input: io::stdin(),
            line: Vec::new(),
            session: Session::default(),
        }
    }
}

impl Reader {
    /// Reads and answers until there is work; `None` at the end of stdin.
    pub(crate) fn next(&mut self, tools: &Tools, output: &Output) -> Option<Work> {
        loop {
            let text = read(self.input.lock(), &mut self.line)?;
            let work = take(&mut self.session, text, tools, output);
            if !work.calls.is_empty() || !work.cancelled.is_empty() {
                return Some(work);
            }
        }
    }
}

/// Answers what a line asks for, and returns what is left to do.
pub(crate) fn take(session: &mut Session, text: &str, tools: &Tools, output: &Output) -> Work {
    let mut desk = Desk {
        session,
        tools,
        output,
        work: Work::default(),
    };
    match serde_json::from_str(text) {
        Ok(Value::Array(messages)) => desk.batch(messages, text),
        Ok(value) => desk.receive(Message::new(value, text), text, &Reply::Line),
        Err(_) if text.trim().is_empty() => {}
        Err(error) => note(format_args!("a line is no JSON: {error}")),
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
    /// One answer for all; where the revision has no batches, each message is refused for itself.
    fn batch(&mut self, messages: Vec<Value>, text: &str) {
        let messages: Vec<_> = messages
            .into_iter()
            .zip(raw::pieces(text))
            .map(|(value, text)| (Message::new(value, text), text))
            .collect();
        let allowed = self.session.has_batches();
        let answers = messages
            .iter()
            .filter(|(message, _)| message.has_answer())
            .count();
        let reply = if allowed {
            Reply::Batch(Batch::new(answers))
        } else {
            Reply::Line
        };
        for (message, text) in messages {
            let message = if allowed {
                in_batch(message)
            } else {
                refused(message)
            };
            self.receive(message, text, &reply);
        }
    }

    fn receive(&mut self, message: Message, text: &str, reply: &Reply) {
        match message {
            Message::Request { id, method, params } => self.request(id, &method, params, reply),
            Message::Notification { method, params } if method == "notifications/cancelled" => {
                let written = || raw::member(raw::member(text, "params")?, "requestId");
                let id = params.get("requestId");
                self.work
                    .cancelled
                    .extend(id.and_then(|id| Id::new(id, written)));
            }
            Message::Notification { .. } | Message::Answer => {}
            Message::Invalid {
                id: Some(id),
                problem,
            } => {
                let failure = Err(Failure::new(INVALID_REQUEST, problem));
                reply.give(self.output, Some(rpc::answer(&id, &failure)));
            }
            Message::Invalid { id: None, problem } => {
                note(format_args!(
                    "a message without an id is invalid: {problem}"
                ));
            }
        }
    }

    fn request(&mut self, id: Id, method: &str, params: Value, reply: &Reply) {
        match self.session.handle(self.tools, method, params) {
            Step::Answer(outcome) => reply.give(self.output, Some(rpc::answer(&id, &outcome))),
            Step::Run(invocation) => {
                let (reply, cancelled) = (reply.clone(), Cancelled::default());
                self.work.calls.push(Call {
                    id,
                    invocation,
                    reply,
                    cancelled,
                });
            }
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
        Message::Notification { .. } | Message::Answer => Message::Invalid { id: None, problem },
    }
}

/// The next line, empty where it is unusable; `None` at the end of the input.
pub(crate) fn read(input: impl BufRead, line: &mut Vec<u8>) -> Option<&str> {
    line.clear();
    let mut input = input.take(LONGEST_LINE);
    match input.read_until(b'\n', line) {
        Ok(0) => return None,
        Ok(_) => {}
        Err(error) => {
            note(format_args!("stdin failed: {error}"));
            return None;
        }
    }
    if input.limit() == 0 && !line.ends_with(b"\n") {
        note("a line is longer than 64 MiB; it is skipped");
        *line = Vec::new();
        input.into_inner().skip_until(b'\n').ok()?;
    }
    let text = std::str::from_utf8(line);
    Some(text.unwrap_or_else(|error| {
        note(format_args!("a line is no UTF-8: {error}"));
        ""
    }))
}
