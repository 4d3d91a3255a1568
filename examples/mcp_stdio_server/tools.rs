//! What a tool is, and a call of it.

use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::schema;

/// The text for the model; as an error it says what to do.
pub(crate) type Outcome = Result<String, String>;

type Run = dyn Fn(&Arguments, &Cancelled) -> Outcome + Send + Sync;

pub(crate) struct Tool {
    name: &'static str,
    description: &'static str,
    /// JSON Schema, as far as [`schema::check`] knows it.
    properties: Map<String, Value>,
    required: Vec<&'static str>,
    read_only: bool,
    run: Box<Run>,
}

impl Tool {
    pub(crate) fn new(name: &'static str, description: &'static str) -> Self {
        Self {
            name,
            description,
            properties: Map::new(),
            required: Vec::new(),
            read_only: true,
            run: Box::new(|_, _| Err("this tool does nothing yet".to_owned())),
        }
    }

    pub(crate) fn optional(mut self, name: &'static str, schema: Value) -> Self {
        self.properties.insert(name.to_owned(), schema);
        self
    }

    pub(crate) fn required(mut self, name: &'static str, schema: Value) -> Self {
        self.required.push(name);
        self.optional(name, schema)
    }

    /// It changes something, so that clients may ask their user first.
    pub(crate) fn writes(mut self) -> Self {
        self.read_only = false;
        self
    }

    pub(crate) fn run<F>(mut self, run: F) -> Self
    where
        F: Fn(&Arguments, &Cancelled) -> Outcome + Send + Sync + 'static,
    {
        self.run = Box::new(run);
        self
    }

    fn definition(&self) -> Value {
        json!({
            "name": self.name,
            "description": self.description,
            "inputSchema": {
                "type": "object",
                "properties": self.properties,
                "required": self.required,
                "additionalProperties": false,
            },
            "annotations": {"readOnlyHint": self.read_only},
        })
    }

    pub(crate) fn check(&self, arguments: Map<String, Value>) -> Result<Arguments, String> {
        schema::check(&self.properties, &self.required, &arguments)?;
        Ok(Arguments(arguments))
    }

    /// Runs the tool. Its panic is its own: the hook has written it to stderr, the server goes on.
    pub(crate) fn call(&self, arguments: &Arguments, cancelled: &Cancelled) -> Outcome {
        let run = AssertUnwindSafe(|| (self.run)(arguments, cancelled));
        panic::catch_unwind(run).unwrap_or_else(|_| {
            let name = self.name;
            Err(format!(
                "{name} failed inside the server, which is a bug of it; its stderr says where"
            ))
        })
    }
}

/// The tools, in the order in which they are listed.
pub(crate) struct Tools {
    tools: Vec<Arc<Tool>>,
    definitions: Value,
}

impl Tools {
    pub(crate) fn new(tools: Vec<Tool>) -> Self {
        let definitions = tools.iter().map(Tool::definition).collect();
        Self {
            tools: tools.into_iter().map(Arc::new).collect(),
            definitions,
        }
    }

    pub(crate) fn definitions(&self) -> &Value {
        &self.definitions
    }

    pub(crate) fn find(&self, name: &str) -> Option<&Arc<Tool>> {
        self.tools.iter().find(|tool| tool.name == name)
    }
}

/// Arguments that fit the tool's schema.
pub(crate) struct Arguments(Map<String, Value>);

impl Arguments {
    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.get(name)?.as_str()
    }

    pub(crate) fn integer(&self, name: &str) -> Option<u64> {
        u64::try_from(schema::integer(self.get(name)?)?).ok()
    }
}

/// Whether the client still wants the answer.
#[derive(Default)]
pub(crate) struct Cancelled {
    cancelled: Mutex<bool>,
    changed: Condvar,
}

impl Cancelled {
    pub(crate) fn set(&self) {
        *self
            .cancelled
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_all();
    }

    /// Waits so long, or until the call is cancelled.
    pub(crate) fn wait(&self, time: Duration) {
        let cancelled = self
            .cancelled
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let waited = self
            .changed
            .wait_timeout_while(cancelled, time, |cancelled| !*cancelled);
        drop(waited);
    }
}
