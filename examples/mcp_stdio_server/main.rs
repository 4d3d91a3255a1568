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
mod reply;
mod rpc;
mod schema;
mod server;
mod tools;
mod turns;
mod upstream;

use std::process::ExitCode;
use std::sync::Arc;

use nexus_sdk::{Fetcher, NexusClient, TokenCache};
use serde_json::{Value, json};

use config::Config;
use server::Server;
use tools::{Outcome, Tool, Tools};

/// An API that needs a credential; the gateway has it, and the SDK puts it on each request to this
/// API's host and to no other.
struct Api {
    fetcher: Fetcher,
    cache: TokenCache,
    config: Config,
}

impl Api {
    fn fetch(&self, method: &str, path: &str, body: Option<&Value>) -> Outcome {
        let (workspace, provider) = (&self.config.workspace_id, &self.config.provider);
        let url = self.config.upstream.url(path)?;
        let options = upstream::options(method, body);
        let before = self.cache.get(workspace, provider);
        let fetched = self.fetcher.fetch(&url, options);
        let after = self.cache.get(workspace, provider);
        let outcome = match fetched {
            Ok((status, headers, body)) => upstream::answer(status, &headers, body),
            Err(error) => Err(failure::explain(&error, &self.config)),
        };
        // Some APIs repeat the credential in what they answer; a model has no use for it.
        upstream::without(outcome, before.iter().chain(&after))
    }
}

fn tools(api: Arc<Api>) -> Vec<Tool> {
    let (repos, user, any) = (Arc::clone(&api), Arc::clone(&api), api);
    let limit = json!({"type": "integer", "minimum": 1, "maximum": 100, "default": 30});
    let path = json!({"type": "string", "description": "such as /user/repos?page=2"});
    let methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];
    let method = json!({"type": "string", "enum": methods, "default": "GET"});
    vec![
        Tool::new("list_repos", "Lists the connected user's repositories.")
            .optional("limit", limit)
            .run(move |arguments, _| {
                let limit = arguments.integer("limit").unwrap_or(30);
                repos.fetch("GET", &format!("/user/repos?per_page={limit}"), None)
            }),
        Tool::new("get_user", "Tells who the connected user is.")
            .run(move |_, _| user.fetch("GET", "/user", None)),
        Tool::new("fetch", "Sends a request to the provider's API.")
            .required("path", path)
            .optional("method", method)
            .optional("body", json!({"description": "sent as JSON"}))
            .writes()
            .run(move |arguments, _| {
                let method = arguments.text("method").unwrap_or("GET");
                let path = arguments.text("path").unwrap_or_default();
                any.fetch(method, path, arguments.get("body"))
            }),
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
    let cache = TokenCache::new();
    let fetcher = client
        .fetcher(&cache, &config.workspace_id, &config.provider)
        .allow_hosts([config.upstream.host()]);
    let api = Api {
        fetcher,
        cache,
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
