//! The sample upstream, an API that accepts the gateway's credentials.

mod caller;
#[cfg(feature = "signing")]
mod signed;
mod tools;

use serde_json::{Value, json};

use super::encoding::parameter;
use super::received::{GET, ReceivedRequest};
use super::response::{Outcome, Response, TEXT};
use super::service::{Route, Service};
use caller::caller;

const REPOS: [(&str, bool); 3] = [("hello-world", false), ("notes", true), ("dotfiles", false)];

pub(super) fn respond(service: &Service, request: &ReceivedRequest, path: &[&str]) -> Outcome {
    if let Some(route) = route(service, request) {
        caller(service, request)?;
        let mut response = Response::new(route.status.as_u16(), TEXT, route.body.as_slice());
        response.message.headers_mut().clone_from(&route.headers);
        return Ok(response);
    }
    match path {
        [.., "user"] => user(service, request),
        [.., "user", "repos"] => repos(service, request),
        [.., "tools", "search"] => tools::search(service, request),
        [.., "tools", "execute"] => tools::execute(service, request),
        _ => Err(Response::not_found()),
    }
}

/// Returns the newest route for this request.
fn route<'a>(service: &'a Service, request: &ReceivedRequest) -> Option<&'a Route> {
    let serves =
        |method: &str| method == request.method || (method, &*request.method) == ("GET", "HEAD");
    let mut newest_first = service.settings.routes.iter().rev();
    newest_first.find(|route| serves(&route.method) && route.path.matches(request))
}

fn user(service: &Service, request: &ReceivedRequest) -> Outcome {
    request.allow(GET)?;
    let (login, provider) = caller(service, request)?;
    let user = json!({"login": login, "provider": provider});
    Ok(Response::json(200, &user))
}

fn repos(service: &Service, request: &ReceivedRequest) -> Outcome {
    request.allow("GET, HEAD, POST")?;
    let (owner, _) = caller(service, request)?;
    if request.method == "POST" {
        return create(&owner, &request.body);
    }
    let per_page = parameter(request.query.as_deref(), "per_page");
    let limit = per_page.parse().unwrap_or(REPOS.len());
    let page = (1..).zip(REPOS).take(limit);
    let repos = page.map(|(id, (name, private))| repo(&owner, id, name, private));
    Ok(Response::json(200, &repos.collect()))
}

fn create(owner: &str, body: &[u8]) -> Outcome {
    let fields: Value = serde_json::from_slice(body).unwrap_or_default();
    let problem = || Response::json(400, &json!({"message": "Problems parsing JSON"}));
    let name = fields.get("name").and_then(Value::as_str);
    let private = fields.get("private") == Some(&Value::Bool(true));
    let created = repo(owner, 4, name.ok_or_else(problem)?, private);
    Ok(Response::json(201, &created))
}

fn repo(owner: &str, id: u32, name: &str, private: bool) -> Value {
    json!({"id": id, "name": name, "full_name": format!("{owner}/{name}"), "private": private})
}
