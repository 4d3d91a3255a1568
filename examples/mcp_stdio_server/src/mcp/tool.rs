//! Tools and their calls.

use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Instant;

use serde_json::{Value, json};

use super::lines;
use super::message::{member, with};
use super::page::{Page, Visit};
use super::schema;

/// The result of a tool: text as a JSON string, or a JSON object.
pub(crate) type Outcome = Result<Value, Problem>;

/// The reason why a tool has no result.
pub(crate) enum Problem {
    /// The arguments do not fit the tool's schema.
    Arguments(String),
    /// A message that tells the model what happened, and what to do.
    Text(String),
    /// The user has to visit a page first. The client calls the tool again afterwards.
    Visit(Page),
}

impl From<String> for Problem {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

type Run = dyn Fn(&Call) -> Outcome + Send + Sync;

/// A tool: its name, its description for the model, JSON Schemas, and a closure.
pub(crate) struct Tool {
    pub(super) name: &'static str,
    description: &'static str,
    input: Value,
    output: Option<Value>,
    is_read_only: bool,
    run: Box<Run>,
}

/// The tools in the order in which they are listed.
pub(crate) type Tools = Vec<Arc<Tool>>;

impl Tool {
    pub(crate) fn new(name: &'static str, description: &'static str) -> Self {
        Self {
            name,
            description,
            input: json!({
                "type": "object",
                "properties": {},
                "required": [],
                "additionalProperties": false,
            }),
            output: None,
            is_read_only: true,
            run: Box::new(|_| Err("this tool does nothing yet".to_owned().into())),
        }
    }

    /// Adds an optional argument.
    pub(crate) fn optional(mut self, name: &'static str, schema: Value) -> Self {
        if let Some(Value::Object(properties)) = self.input.get_mut("properties") {
            properties.insert(name.to_owned(), schema);
        }
        self
    }

    /// Adds a required argument.
    pub(crate) fn required(mut self, name: &'static str, schema: Value) -> Self {
        if let Some(Value::Array(required)) = self.input.get_mut("required") {
            required.push(name.into());
        }
        self.optional(name, schema)
    }

    /// Declares that the tool returns an object that fits this schema.
    pub(crate) fn returns(mut self, schema: Value) -> Self {
        self.output = Some(schema);
        self
    }

    /// Declares that the tool changes something, so that clients may ask their user first.
    pub(crate) fn writes(mut self) -> Self {
        self.is_read_only = false;
        self
    }

    /// Sets the closure. Several threads may call it at the same time.
    pub(crate) fn run<F>(mut self, run: F) -> Self
    where
        F: Fn(&Call) -> Outcome + Send + Sync + 'static,
    {
        self.run = Box::new(run);
        self
    }

    /// Returns the arguments of a call in the form that the tool's schema describes, if that is possible.
    pub(super) fn fit(&self, arguments: Value) -> Value {
        schema::fit(&self.input, arguments)
    }

    /// Checks the arguments, runs the tool and checks the result. A panic becomes a problem, after the panic hook has
    /// written its message to stderr.
    pub(super) fn call(&self, call: &Call) -> Outcome {
        let name = self.name;
        let misfit = |problem| Problem::Arguments(format!("arguments: {problem}"));
        schema::check(&self.input, &call.arguments).map_err(misfit)?;
        let run = AssertUnwindSafe(|| (self.run)(call));
        let value = panic::catch_unwind(run).unwrap_or_else(|_| {
            let problem = "failed because of a bug in the server; see the server's stderr.";
            Err(format!("{name} {problem}").into())
        })?;
        let misfit = |problem| format!("the response does not fit the schema of {name}: {problem}");
        if let Some(schema) = &self.output {
            schema::check(schema, &value).map_err(misfit)?;
        }
        Ok(value)
    }

    /// Returns the tool's entry in `tools/list`, with an `outputSchema` if `is_structured`. Leaves out
    /// `additionalProperties`, because some hosts pass the schema on to Gemini's API, which refuses it. Lists an argument
    /// without a type as a string.
    pub(super) fn definition(&self, is_structured: bool) -> Value {
        let part = |name| member(&self.input, name);
        let mut properties = part("properties").clone();
        for (_, property) in properties.as_object_mut().into_iter().flatten() {
            *property = with(property.take(), "type", "string".into());
        }
        let definition = json!({
            "name": self.name,
            "description": self.description,
            "inputSchema": {
                "type": "object",
                "properties": properties,
                "required": part("required"),
            },
            "annotations": {"readOnlyHint": self.is_read_only},
        });
        match &self.output {
            Some(output) if is_structured => with(definition, "outputSchema", output.clone()),
            _ => definition,
        }
    }
}

/// A tool call.
pub(crate) struct Call {
    pub(crate) received: Instant,
    /// The client's report of the user's visit, if an earlier response to this call sent the user to a page.
    pub(crate) visit: Option<Visit>,
    arguments: Value,
    /// The client's token for progress notifications, or `null`.
    progress_token: Value,
    is_cancelled: AtomicBool,
}

impl Call {
    pub(super) fn new(arguments: Value, visit: Option<Visit>, progress_token: Value) -> Self {
        Self {
            received: Instant::now(),
            visit,
            arguments,
            progress_token,
            is_cancelled: AtomicBool::new(false),
        }
    }

    /// Returns an argument, or `None` if the client has left it out or has sent `null`.
    fn argument(&self, name: &str) -> Option<&Value> {
        self.arguments.get(name)
    }

    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.argument(name)?.as_str()
    }

    /// Returns an argument that is JSON, or JSON in a string. `None` if the client has left it out.
    pub(crate) fn json(&self, name: &str) -> Result<Option<Value>, Problem> {
        let value = match self.argument(name) {
            Some(Value::String(text)) => schema::read(text).map(Some),
            value => Ok(value.cloned()),
        };
        value.map_err(|problem| Problem::Arguments(format!("arguments: {name:?} {problem}")))
    }

    pub(crate) fn integer(&self, name: &str) -> Option<u64> {
        u64::try_from(schema::integer(self.argument(name)?)?).ok()
    }

    /// Tells the client that the call is still under way, if the client has asked for that. Many clients then restart their
    /// timeout. Progress counts seconds, so leave at least a second between two calls of this method.
    pub(crate) fn report_progress(&self, message: &str) {
        if self.progress_token.is_string() || self.progress_token.is_number() {
            let seconds = self.received.elapsed().as_secs();
            let params = json!({
                "progressToken": self.progress_token,
                "progress": seconds,
                "message": message,
            });
            let method = "notifications/progress";
            let line = json!({"jsonrpc": "2.0", "method": method, "params": params});
            // If the client has closed stdout, writing the response fails too, and that stops the server.
            let _ = lines::write(line.to_string());
        }
    }

    /// Returns whether the client has cancelled the call.
    pub(crate) fn is_cancelled(&self) -> bool {
        self.is_cancelled.load(Relaxed)
    }

    pub(super) fn cancel(&self) {
        self.is_cancelled.store(true, Relaxed);
    }
}
