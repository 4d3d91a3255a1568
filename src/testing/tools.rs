//! Tools of the sample upstream, in the way of an MCP gateway's REST API: search, then execute.

use serde_json::{Map, Value, json};

use super::answer::Answer;
use super::received::ReceivedRequest;
use super::routes::{Answered, post};
use super::service::Service;
use super::upstream::caller;

/// Name and description.
const TOOLS: [(&str, &str); 3] = [
    ("get_user", "Says whose account it is"),
    ("weather_forecast", "Forecasts the weather of a city"),
    ("echo", "Answers with its arguments"),
];

/// The tools that have any word of the query in their name or description; all for an empty query.
pub(super) fn search(service: &Service, request: &ReceivedRequest) -> Answered {
    let (_, asked) = asked(service, request)?;
    let query = text(&asked, "query")?.to_lowercase();
    let words: Vec<&str> = query.split_whitespace().collect();
    let found = TOOLS.iter().filter(|(name, description)| {
        let tool = format!("{name} {description}").to_lowercase();
        words.is_empty() || words.iter().any(|word| tool.contains(word))
    });
    let tools = found.map(|(name, description)| json!({"name": name, "description": description}));
    Ok(Answer::json(200, &tools.collect()))
}

/// What a tool has to say, as MCP has it.
pub(super) fn execute(service: &Service, request: &ReceivedRequest) -> Answered {
    let (owner, asked) = asked(service, request)?;
    let arguments = match asked.get("arguments") {
        None | Some(Value::Null) => json!({}),
        Some(given) if given.is_object() => given.clone(),
        Some(_) => return Err(problem(400, "arguments is no object")),
    };
    let text = match text(&asked, "name")? {
        "get_user" => json!({"login": owner}).to_string(),
        "weather_forecast" => {
            let city = arguments.get("city").and_then(Value::as_str);
            format!("{}: sunny, 21 °C", city.unwrap_or("anywhere"))
        }
        "echo" => arguments.to_string(),
        _ => return Err(problem(404, "no such tool")),
    };
    let content = json!([{"type": "text", "text": text}]);
    Ok(Answer::json(200, &json!({"content": content})))
}

/// Who asks, and for what.
fn asked(
    service: &Service,
    request: &ReceivedRequest,
) -> Result<(String, Map<String, Value>), Answer> {
    post(request)?;
    let owner = caller(service, request)?.workspace_id;
    let asked = serde_json::from_slice(&request.body);
    asked
        .map(|asked| (owner, asked))
        .map_err(|_| problem(400, "the body is no JSON object"))
}

fn text<'a>(asked: &'a Map<String, Value>, field: &str) -> Result<&'a str, Answer> {
    let value = asked.get(field).and_then(Value::as_str);
    value.ok_or_else(|| problem(400, &format!("{field} is no string")))
}

fn problem(status: u16, message: &str) -> Answer {
    Answer::json(status, &json!({"message": message}))
}
