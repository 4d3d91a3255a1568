//! The official Rust client, in the mode that the argument names. `run.sh` builds it with several versions.

use std::env;
use std::error::Error;
use std::sync::Mutex;

use rmcp::model::{
    CallToolRequestParams, ClientConfig, ElicitRequestParams, ElicitResult, ElicitationAction,
    ErrorData, ProtocolVersion,
};
use rmcp::service::{ClientLifecycleMode, ClientServiceExt, RequestContext, RunningService};
use rmcp::transport::TokioChildProcess;
use rmcp::{ClientHandler, RoleClient, ServiceError};
use serde_json::{Value, json};
use tokio::process::Command;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;
type Client = RunningService<RoleClient, User>;

const TOOLS: [&str; 8] = [
    "list_repos",
    "get_user",
    "star",
    "fetch",
    "echo",
    "slow",
    "panic",
    "bare",
];

/// Declines first, then opens the page.
struct User {
    opens_pages: bool,
    asked: Mutex<Vec<String>>,
}

impl ClientHandler for User {
    fn get_info(&self) -> ClientConfig {
        let mut config = ClientConfig::default();
        if self.opens_pages {
            let capabilities = json!({"elicitation": {"url": {}}});
            config.capabilities = serde_json::from_value(capabilities).unwrap();
        }
        config
    }

    async fn create_elicitation(
        &self,
        request: ElicitRequestParams,
        _: RequestContext<RoleClient>,
    ) -> std::result::Result<ElicitResult, ErrorData> {
        let ElicitRequestParams::UrlElicitationParams { url, .. } = request else {
            panic!("not a page: {request:?}");
        };
        let mut asked = self.asked.lock().unwrap();
        asked.push(url.clone());
        if asked.len() == 1 {
            return Ok(ElicitResult::new(ElicitationAction::Decline));
        }
        visit(&url);
        Ok(ElicitResult::new(ElicitationAction::Accept))
    }
}

/// Does what the user's browser does. Opening the sample gateway's page is the consent.
fn visit(url: &str) {
    ureq::get(url).call().unwrap();
}

async fn start(mode: &str, opens_pages: bool, server: &str, flags: &[&str]) -> Result<Client> {
    let variable = |name: &str| env::var(name).map_err(|_| format!("{name} is not set"));
    let mut command = Command::new(variable("MCP_WRAPPER")?);
    for name in ["MCP_STATUS", "MCP_SAID", server] {
        command.arg(variable(name)?);
    }
    command.arg("--demo").args(flags);
    let preferred_versions = vec![ProtocolVersion::V_2026_07_28];
    let lifecycle = match mode {
        "legacy" => ClientLifecycleMode::Initialize,
        "2026-07-28" => ClientLifecycleMode::Discover { preferred_versions },
        _ => ClientLifecycleMode::Auto {
            preferred_versions,
            legacy_version: None,
        },
    };
    let user = User {
        opens_pages,
        asked: Mutex::default(),
    };
    Ok(user
        .serve_with_lifecycle(TokioChildProcess::new(command)?, lifecycle)
        .await?)
}

/// Calls a tool, and returns its result as JSON.
async fn call(
    client: &Client,
    name: &'static str,
    arguments: Value,
) -> std::result::Result<Value, ServiceError> {
    let arguments = arguments.as_object().unwrap().clone();
    let params = CallToolRequestParams::new(name).with_arguments(arguments);
    let result = client.call_tool(params).await?;
    Ok(serde_json::to_value(result).unwrap())
}

fn text(result: &Value) -> &str {
    result["content"][0]["text"].as_str().unwrap()
}

fn holds(found: &str, expected: &str) {
    assert!(found.contains(expected), "{found:?} holds no {expected:?}");
}

async fn drive(client: &Client) -> Result<()> {
    let tools = client.list_all_tools().await?;
    let names: Vec<_> = tools.iter().map(|tool| &*tool.name).collect();
    assert_eq!(names, TOOLS);
    let said = call(client, "echo", json!({"text": "grüße\n"})).await?;
    assert_eq!(text(&said), "grüße\n");
    let listed = call(client, "list_repos", json!({"limit": 1})).await?;
    assert_eq!(
        listed["structuredContent"]["repositories"][0]["name"],
        "hello-world"
    );
    let refused = call(client, "fetch", json!({"path": "//evil.example"})).await?;
    assert_eq!(refused["isError"], true);
    match call(client, "no_such_tool", json!({})).await {
        Err(ServiceError::McpError(error)) => assert_eq!(error.code.0, -32602),
        other => panic!("an unknown tool was called: {other:?}"),
    }
    Ok(())
}

async fn connect_by_page(client: &Client, mode: &str) -> Result<()> {
    let asked = call(client, "get_user", json!({})).await;
    if mode == "legacy" {
        let Err(ServiceError::McpError(error)) = asked else {
            panic!("nothing was connected: {asked:?}");
        };
        assert_eq!(error.code.0, -32042);
        let data = error.data.unwrap();
        visit(data["elicitations"][0]["url"].as_str().unwrap());
    } else {
        holds(text(&asked?), "declined");
    }
    let connected = call(client, "get_user", json!({})).await?;
    assert_eq!(
        connected["structuredContent"]["login"], "demo",
        "{connected}"
    );
    Ok(())
}

async fn connect_by_text(client: &Client) -> Result<()> {
    let failed = call(client, "get_user", json!({})).await?;
    assert_eq!(failed["isError"], true);
    visit(text(&failed).rsplit(' ').next().unwrap());
    let connected = call(client, "get_user", json!({})).await?;
    holds(text(&connected), "demo");
    Ok(())
}

#[tokio::main]
async fn main() -> Result<()> {
    let mode = env::args().nth(1).unwrap_or_default();
    let server = "MCP_SERVER";
    let client = start(&mode, false, server, &["--bench"]).await?;
    drive(&client).await?;
    client.cancel().await?;

    let client = start(&mode, true, server, &["--unconnected"]).await?;
    connect_by_page(&client, &mode).await?;
    client.cancel().await?;

    let client = start(&mode, false, server, &["--unconnected"]).await?;
    connect_by_text(&client).await?;
    client.cancel().await?;

    let client = start(&mode, false, "MCP_MINIMAL", &[]).await?;
    holds(
        text(&call(&client, "list_repos", json!({"limit": 1})).await?),
        "demo/hello-world",
    );
    client.cancel().await?;
    println!("connects by page and text");
    Ok(())
}
