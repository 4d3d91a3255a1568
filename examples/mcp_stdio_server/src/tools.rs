//! The tools, each with its schema and a closure.

use nexus_sdk::path_segment;
use serde_json::{Value, json};

use crate::mcp::Tool;
use crate::nexus::Api;

/// Returns the tools in the order in which clients list them.
pub(crate) fn all(api: &'static Api) -> Vec<Tool> {
    let limit = json!({"type": "integer", "minimum": 1, "maximum": 100, "default": 30});
    let path = json!({"type": "string", "description": "such as /user/repos?page=2"});
    let methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];
    let method = json!({"type": "string", "enum": methods, "default": "GET"});
    // Some clients refuse a tool if an argument has no type, or if its type is a list of names.
    let body =
        json!({"type": "object", "additionalProperties": true, "description": "sent as JSON"});
    vec![
        Tool::new("list_repos", "Lists the connected user's repositories.")
            .optional("limit", limit)
            .returns(json!({
                "type": "object",
                "properties": {"repositories": {"type": "array", "items": {"type": "object"}}},
                "required": ["repositories"],
            }))
            .run(|call| {
                let limit = call.integer("limit").unwrap_or(30);
                let list = api.json(call, &format!("/user/repos?per_page={limit}"))?;
                Ok(json!({"repositories": list}))
            }),
        Tool::new("get_user", "Returns the connected user.")
            .returns(json!({"type": "object"}))
            .run(|call| api.json(call, "/user")),
        Tool::new("star", "Stars a repository for the connected user.")
            .required("owner", json!({"type": "string"}))
            .required("repository", json!({"type": "string"}))
            .writes()
            .run(|call| {
                let [owner, repository] = ["owner", "repository"]
                    .map(|name| path_segment(call.text(name).unwrap_or_default()));
                let path = format!("/user/starred/{owner}/{repository}");
                api.text(call, "PUT", &path, None).map(Value::String)
            }),
        Tool::new("fetch", "Sends a request to the provider's API.")
            .required("path", path)
            .optional("method", method)
            .optional("body", body)
            .writes()
            .run(|call| {
                let method = call.text("method").unwrap_or("GET");
                let path = call.text("path").unwrap_or_default();
                let body = call.argument("body");
                api.text(call, method, path, body).map(Value::String)
            }),
    ]
}
