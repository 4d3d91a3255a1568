//! What a tool is, and a call of it.

use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use super::page::{Page, Visit};
use super::schema;

/// A call that takes less is a quick one: it is not worth waking a thread.
pub(super) const QUICK: Duration = Duration::from_micros(50);

pub(crate) type Outcome = Result<Content, Problem>;

/// What a tool returns.
pub(crate) enum Content {
    Text(String),
    /// An object that fits the schema of [`Tool::returns`].
    Json(Value),
}

/// Why a tool returns nothing.
pub(crate) enum Problem {
    /// For the model: what happened, and what to do.
    Text(String),
    /// The user has to visit a page first; the client calls again then.
    Visit(Page),
}

impl From<String> for Problem {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

type Run = dyn Fn(&Call) -> Outcome + Send + Sync;

/// A name, what a model has to know about it, and the closure that runs.
pub(crate) struct Tool {
    name: &'static str,
    description: &'static str,
    /// JSON Schema, as far as [`schema::check`] knows it.
    input: Value,
    output: Option<Value>,
    read_only: bool,
    was_quick: AtomicBool,
    run: Box<Run>,
}

impl Tool {
    pub(crate) fn new(name: &'static str, description: &'static str) -> Self {
        let input = json!({
            "type": "object",
            "properties": {},
            "required": [],
            "additionalProperties": false,
        });
        Self {
            name,
            description,
            input,
            output: None,
            read_only: true,
            was_quick: AtomicBool::new(false),
            run: Box::new(|_| Err("this tool does nothing yet".to_owned().into())),
        }
    }

    /// Adds an argument that may be left out.
    pub(crate) fn optional(mut self, name: &'static str, schema: Value) -> Self {
        let properties = self.input.get_mut("properties");
        if let Some(properties) = properties.and_then(Value::as_object_mut) {
            properties.insert(name.to_owned(), schema);
        }
        self
    }

    /// Adds an argument that has to be given.
    pub(crate) fn required(mut self, name: &'static str, schema: Value) -> Self {
        let required = self.input.get_mut("required");
        if let Some(required) = required.and_then(Value::as_array_mut) {
            required.push(name.into());
        }
        self.optional(name, schema)
    }

    /// It returns [`Content::Json`] that fits this schema, which is one of an object.
    pub(crate) fn returns(mut self, schema: Value) -> Self {
        self.output = Some(schema);
        self
    }

    /// It changes something, so that clients may ask their user first.
    pub(crate) fn writes(mut self) -> Self {
        self.read_only = false;
        self
    }

    /// What the tool does; called by several threads at a time.
    pub(crate) fn run<F>(mut self, run: F) -> Self
    where
        F: Fn(&Call) -> Outcome + Send + Sync + 'static,
    {
        self.run = Box::new(run);
        self
    }

    pub(super) fn check(&self, arguments: &Value) -> Result<(), String> {
        schema::check(&self.input, arguments).map_err(|problem| format!("arguments: {problem}"))
    }

    /// Runs the tool. Its panic is its own: the hook has written it to stderr, the server goes on.
    pub(super) fn call(&self, call: &Call) -> Outcome {
        let start = Instant::now();
        let run = AssertUnwindSafe(|| (self.run)(call));
        let outcome = panic::catch_unwind(run).unwrap_or_else(|_| {
            let name = self.name;
            let problem = format!(
                "{name} failed inside the server, which is a bug in it; its stderr says where"
            );
            Err(problem.into())
        });
        self.was_quick.store(start.elapsed() < QUICK, Relaxed);
        outcome.and_then(|content| self.fitting(content))
    }

    /// Whether the last call was a quick one; so will the next be, mostly.
    pub(super) fn was_quick(&self) -> bool {
        self.was_quick.load(Relaxed)
    }

    /// Clients that know the schema refuse what does not fit it, with less to say about why.
    fn fitting(&self, content: Content) -> Outcome {
        let problem = match (&self.output, &content) {
            (None, _) => return Ok(content),
            (Some(schema), Content::Json(value)) => match schema::check(schema, value) {
                Ok(()) => return Ok(content),
                Err(problem) => problem,
            },
            (Some(_), Content::Text(_)) => "it is text".to_owned(),
        };
        let name = self.name;
        Err(format!("what the API returned is not what {name} promises: {problem}").into())
    }

    fn definition(&self, structured: bool) -> Value {
        let mut definition = json!({
            "name": self.name,
            "description": self.description,
            "inputSchema": self.input,
            "annotations": {"readOnlyHint": self.read_only},
        });
        let output = self.output.as_ref().filter(|_| structured);
        if let (Some(definition), Some(output)) = (definition.as_object_mut(), output) {
            definition.insert("outputSchema".to_owned(), output.clone());
        }
        definition
    }
}

/// The tools, in the order in which they are listed.
pub(crate) struct Tools(Vec<Arc<Tool>>);

impl Tools {
    pub(crate) fn new(tools: Vec<Tool>) -> Self {
        Self(tools.into_iter().map(Arc::new).collect())
    }

    /// As `tools/list` has them; `structured` for clients that know of an `outputSchema`.
    pub(super) fn definitions(&self, structured: bool) -> Value {
        let definitions = self.0.iter().map(|tool| tool.definition(structured));
        definitions.collect()
    }

    pub(super) fn find(&self, name: &str) -> Option<&Arc<Tool>> {
        self.0.iter().find(|tool| tool.name == name)
    }
}

/// A call of a tool, with arguments that fit it.
pub(crate) struct Call {
    received: Instant,
    arguments: Map<String, Value>,
    visit: Option<Visit>,
    is_cancelled: Mutex<bool>,
    cancelled: Condvar,
}

impl Call {
    pub(super) fn new(arguments: Map<String, Value>, visit: Option<Visit>) -> Self {
        Self {
            received: Instant::now(),
            arguments,
            visit,
            is_cancelled: Mutex::default(),
            cancelled: Condvar::new(),
        }
    }

    pub(crate) fn argument(&self, name: &str) -> Option<&Value> {
        self.arguments.get(name)
    }

    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.argument(name)?.as_str()
    }

    pub(crate) fn integer(&self, name: &str) -> Option<u64> {
        u64::try_from(schema::integer(self.argument(name)?)?).ok()
    }

    pub(crate) fn received(&self) -> Instant {
        self.received
    }

    /// What came of the page to which the same call was sent before.
    pub(crate) fn visit(&self) -> Option<Visit> {
        self.visit
    }

    /// Waits so long, or until the client no longer wants the response.
    #[allow(dead_code, reason = "for tools that wait")]
    pub(crate) fn wait(&self, time: Duration) {
        let waiting = |cancelled: &mut bool| !*cancelled;
        let waited = self
            .cancelled
            .wait_timeout_while(self.lock(), time, waiting);
        drop(waited);
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        *self.lock()
    }

    pub(super) fn cancel(&self) {
        *self.lock() = true;
        self.cancelled.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, bool> {
        let is_cancelled = self.is_cancelled.lock();
        is_cancelled.unwrap_or_else(PoisonError::into_inner)
    }
}
