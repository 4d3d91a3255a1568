//! The tools of the sample upstream, as an MCP gateway offers them over REST.

use serde_json::{Map, Value, json};

use super::caller::caller;
use crate::testing::received::ReceivedRequest;
use crate::testing::response::{Outcome, Response};
use crate::testing::service::Service;

/// The name and the description of each tool.
const TOOLS: [(&str, &str); 3] = [
    ("get_user", "Returns the owner of the account"),
    ("weather_forecast", "Forecasts the weather for a city"),
    ("echo", "Returns its arguments"),
];

/// Finds the tools that have any word of the query in their name or description. An empty query finds all tools.
pub(super) fn search(service: &Service, request: &ReceivedRequest) -> Outcome {
    let (_, asked) = asked(service, request)?;
    let query = text(&asked, "query")?.to_lowercase();
    let words: Vec<&str> = query.split_whitespace().collect();
    let found = TOOLS.iter().filter(|(name, description)| {
        let tool = format!("{name} {description}").to_lowercase();
        words.is_empty() || words.iter().any(|word| tool.contains(word))
    });
    let tools = found.map(|(name, description)| json!({"name": name, "description": description}));
    Ok(Response::json(200, &tools.collect()))
}

/// Runs a tool. The response has the format of an MCP tool result.
pub(super) fn execute(service: &Service, request: &ReceivedRequest) -> Outcome {
    let (owner, asked) = asked(service, request)?;
    let arguments = match asked.get("arguments") {
        None | Some(Value::Null) => json!({}),
        Some(given) if given.is_object() => given.clone(),
        Some(_) => return Err(problem(400, "arguments must be an object")),
    };
    let text = match text(&asked, "name")? {
        "get_user" => json!({"login": owner}).to_string(),
        "weather_forecast" => {
            let city = arguments.get("city").and_then(Value::as_str);
            format!("{}: sunny, 21 °C", city.unwrap_or("anywhere"))
        }
        "echo" => arguments.to_string(),
        _ => return Err(problem(404, "no tool has this name")),
    };
    let content = json!([{"type": "text", "text": text}]);
    Ok(Response::json(200, &json!({"content": content})))
}

/// Returns the workspace of the caller, and the request's body.
fn asked(
    service: &Service,
    request: &ReceivedRequest,
) -> Result<(String, Map<String, Value>), Response> {
    request.allow("POST")?;
    let (owner, _) = caller(service, request)?;
    match serde_json::from_slice(&request.body) {
        Ok(asked) => Ok((owner, asked)),
        Err(_) => Err(problem(400, "the body must be a JSON object")),
    }
}

fn text<'a>(asked: &'a Map<String, Value>, field: &str) -> Result<&'a str, Response> {
    let value = asked.get(field).and_then(Value::as_str);
    value.ok_or_else(|| problem(400, &format!("{field} must be a string")))
}

fn problem(status: u16, message: &str) -> Response {
    Response::json(status, &json!({"message": message}))
}
