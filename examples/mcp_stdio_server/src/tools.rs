//! The tools, each with its schema and a closure.

use nexus_sdk::path_segment;
use serde_json::{Value, json};

use crate::mcp::Tool;
use crate::nexus::Api;

/// Returns the tools in the order in which clients list them.
pub(crate) fn all(api: &'static Api) -> Vec<Tool> {
    // Gemini's API refuses `default`, so the descriptions say what the defaults are.
    let limit =
        json!({"type": "integer", "minimum": 1, "maximum": 100, "description": "default: 30"});
    let path = json!({"type": "string", "description": "such as /user/repos?page=2"});
    let methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];
    let method = json!({"type": "string", "enum": methods, "description": "default: GET"});
    // An object of any form has no properties to list. OpenAI's API refuses an object without `properties`, and Gemini's
    // refuses empty `properties`. Without a type, the body is listed as a string, and any JSON is accepted.
    let body = json!({"description": "JSON, such as {\"name\": \"demo\"}"});
    let login = json!({"type": "string", "description": "such as octocat"});
    let repository = json!({"type": "object", "properties": {"name": {"type": "string"}}});
    let user = json!({"type": "object", "properties": {"login": {"type": "string"}}});
    vec![
        Tool::new("list_repos", "Lists the connected user's repositories.")
            .optional("limit", limit)
            .returns(json!({
                "type": "object",
                "properties": {"repositories": {"type": "array", "items": repository}},
                "required": ["repositories"],
            }))
            .run(|call| {
                let limit = call.integer("limit").unwrap_or(30);
                let list = api.json(call, &format!("/user/repos?per_page={limit}"))?;
                Ok(json!({"repositories": list}))
            }),
        Tool::new("get_user", "Returns a user, by default the connected user.")
            .optional("login", login)
            .returns(user)
            .run(|call| match call.text("login").map(path_segment) {
                Some(login) => api.json(call, &format!("/users/{login}")),
                None => api.json(call, "/user"),
            }),
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
                let is_empty = |body: &Value| *body == json!({}) || *body == json!([]);
                // Models fill in optional objects. Some APIs refuse a body with these methods.
                let has_no_body = ["GET", "HEAD", "DELETE"].contains(&method);
                let body = call.json("body")?;
                let body = body.filter(|body| !(has_no_body && is_empty(body)));
                api.text(call, method, path, body.as_ref())
                    .map(Value::String)
            }),
    ]
}
