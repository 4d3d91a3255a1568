//! An MCP server over stdin and stdout: threads, `serde_json` and `nexus_sdk`; no framework, no async.
//!
//! The tools and the one request that they all make are in this file, the protocol is in the others.

mod bench;
mod config;
mod failure;
mod output;
mod protocol;
mod raw;
mod reader;
mod rpc;
mod schema;
mod server;
mod tools;
mod turns;
mod upstream;

use std::process::ExitCode;
use std::sync::Arc;

use nexus_sdk::{FetchOptions, NexusClient, Redirects, TokenCache};
use serde_json::{Value, json};

use config::Config;
use server::Server;
use tools::{Arguments, Outcome, Tool, Tools};

/// An API that needs a credential; the gateway has it, and the SDK puts it on each request.
struct Api {
    client: NexusClient,
    cache: TokenCache,
    config: Config,
}

impl Api {
    fn fetch(&self, method: &str, path: &str, body: Option<&Value>) -> Outcome {
        let Config {
            workspace_id,
            provider,
            upstream,
            ..
        } = &self.config;
        let url = upstream.url(path)?;
        // A redirect could lead away from the API's host: it is reported, not followed.
        let mut options = FetchOptions::default()
            .method(method)
            .redirects(Redirects::Manual);
        if let Some(body) = body {
            options = options
                .header("content-type", "application/json")
                .data(body.to_string());
        }
        let before = self.cache.get(workspace_id, provider);
        let fetched =
            self.client
                .authenticated_fetch(&self.cache, workspace_id, provider, &url, options);
        let after = self.cache.get(workspace_id, provider);
        let answer = match fetched {
            Ok((status, headers, body)) => upstream::answer(status, &headers, body),
            Err(error) => Err(failure::explain(&error, &self.config)),
        };
        // Some APIs repeat the credential in what they answer; a model has no use for it.
        upstream::without(answer, before.iter().chain(&after))
    }
}

fn tools(api: Arc<Api>) -> Vec<Tool> {
    let (repos, user, any) = (Arc::clone(&api), Arc::clone(&api), api);
    vec![
        Tool {
            name: "list_repos",
            description: "Lists the connected user's repositories.",
            properties: json!({"limit": {"type": "integer", "minimum": 1, "maximum": 100, "default": 30}}),
            required: &[],
            read_only: true,
            run: Box::new(move |arguments: &Arguments, _| {
                let limit = arguments.integer("limit").unwrap_or(30);
                repos.fetch("GET", &format!("/user/repos?per_page={limit}"), None)
            }),
        },
        Tool {
            name: "get_user",
            description: "Tells who the connected user is.",
            properties: json!({}),
            required: &[],
            read_only: true,
            run: Box::new(move |_, _| user.fetch("GET", "/user", None)),
        },
        Tool {
            name: "fetch",
            description: "Sends one request to the provider's API, with the connected user's credential.",
            properties: json!({
                "method": {"type": "string", "enum": ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"], "default": "GET"},
                "path": {"type": "string", "description": "path and query, such as /user/repos?page=2"},
                "body": {"description": "sent as JSON"},
            }),
            required: &["path"],
            read_only: false,
            run: Box::new(move |arguments: &Arguments, _| {
                let method = arguments.text("method").unwrap_or("GET");
                any.fetch(
                    method,
                    arguments.text("path").unwrap_or_default(),
                    arguments.get("body"),
                )
            }),
        },
    ]
}

fn main() -> ExitCode {
    match serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            output::note(problem);
            ExitCode::from(2)
        }
    }
}

fn serve() -> Result<(), String> {
    let Some(arguments) = config::Flags::read()? else {
        return Ok(());
    };
    let (config, options, _gateway) = config::read(&arguments)?;
    let client = NexusClient::new(options).map_err(|error| error.message().to_owned())?;
    let api = Api {
        client,
        cache: TokenCache::new(),
        config,
    };
    let mut tools = tools(Arc::new(api));
    if arguments.bench {
        tools.extend(bench::tools());
    }
    if arguments.panics {
        tools.push(bench::panics());
    }
    Server::new(Tools::new(tools)).run()
}
