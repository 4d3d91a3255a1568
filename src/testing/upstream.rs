//! The sample upstream: what the credentials are good for.

mod caller;
#[cfg(feature = "signing")]
mod signed;
mod tools;

use serde_json::{Value, json};

use super::encoding::query_value;
use super::method::get;
use super::received::ReceivedRequest;
use super::response::{Outcome, Response};
use super::service::{File, Service};
use caller::caller;

const REPOS: [(&str, bool); 3] = [("hello-world", false), ("notes", true), ("dotfiles", false)];

pub(super) fn respond(service: &Service, request: &ReceivedRequest, path: &[&str]) -> Outcome {
    let mut files = service.files.iter().rev();
    if let Some(file) = files.find(|file| request.path.ends_with(&file.path)) {
        return serve(service, request, file);
    }
    match path {
        [.., "user"] => user(service, request),
        [.., "user", "repos"] => repos(service, request),
        [.., "tools", "search"] => tools::search(service, request),
        [.., "tools", "execute"] => tools::execute(service, request),
        _ => Err(Response::not_found()),
    }
}

fn serve(service: &Service, request: &ReceivedRequest, file: &File) -> Outcome {
    get(request)?;
    caller(service, request)?;
    let body = file.body.as_slice();
    Ok(Response::new(200, &file.content_type, body))
}

fn user(service: &Service, request: &ReceivedRequest) -> Outcome {
    get(request)?;
    let caller = caller(service, request)?;
    let user = json!({"login": caller.workspace_id, "provider": caller.provider});
    Ok(Response::json(200, &user))
}

fn repos(service: &Service, request: &ReceivedRequest) -> Outcome {
    let creates = request.method == "POST";
    if !creates && get(request).is_err() {
        return Err(Response::method_not_allowed("GET, HEAD, POST"));
    }
    let owner = caller(service, request)?.workspace_id;
    if creates {
        return create(&owner, &request.body);
    }
    let limit = query_value(request.query.as_deref(), "per_page");
    let limit = limit.parse().unwrap_or(REPOS.len());
    let repos = (1..).zip(REPOS).take(limit);
    let repos = repos.map(|(id, (name, private))| repo(&owner, id, name, private));
    Ok(Response::json(200, &repos.collect()))
}

fn create(owner: &str, body: &[u8]) -> Outcome {
    let wanted: Value = serde_json::from_slice(body).unwrap_or_default();
    let problem = || Response::json(400, &json!({"message": "Problems parsing JSON"}));
    let name = wanted.get("name").and_then(Value::as_str);
    let private = wanted.get("private") == Some(&Value::Bool(true));
    let created = repo(owner, 4, name.ok_or_else(problem)?, private);
    Ok(Response::json(201, &created))
}

fn repo(owner: &str, id: u32, name: &str, private: bool) -> Value {
    json!({"id": id, "name": name, "full_name": format!("{owner}/{name}"), "private": private})
}
