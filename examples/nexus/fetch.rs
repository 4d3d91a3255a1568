//! `nexus fetch`: a request with the credential on it.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use lexopt::Parser;
use lexopt::prelude::*;
use nexus_sdk::http::{HeaderMap, StatusCode};
use nexus_sdk::{FetchOptions, Redirects, TokenCache};

use crate::args::{self, Tenant};
use crate::output::Output;
use crate::stop::Stop;

#[derive(Default)]
struct Fetch {
    tenant: Tenant,
    url: Option<String>,
    method: Option<String>,
    headers: Vec<(String, String)>,
    data: Option<OsString>,
    include: bool,
    output: Option<PathBuf>,
    fail: bool,
    redirects: Redirects,
    allow_insecure_http: bool,
    timeout: Option<Duration>,
}

pub(crate) fn run(parser: &mut Parser) -> Result<(), Stop> {
    let fetch = parse(parser)?;
    let (include, fail) = (fetch.include, fetch.fail);
    let (output, (status, headers, body)) = fetch.send()?;
    if include {
        output.write(&[head(status, &headers), body].concat())?;
    } else {
        output.write(&body)?;
    }
    if fail { check(status) } else { Ok(()) }
}

fn parse(parser: &mut Parser) -> Result<Fetch, Stop> {
    let mut fetch = Fetch::default();
    while let Some(argument) = parser.next()? {
        match argument {
            Short('w') | Long("workspace") => fetch.tenant.set_workspace(parser)?,
            Short('p') | Long("provider") => fetch.tenant.set_provider(parser)?,
            Short('X') | Long("method") => fetch.method = Some(args::text(parser)?),
            Short('H') | Long("header") => {
                let number = fetch.headers.len().saturating_add(1);
                fetch.headers.push(header(&args::text(parser)?, number)?);
            }
            Short('d') | Long("data") if fetch.data.is_none() => {
                fetch.data = Some(parser.value()?);
            }
            Short('i') | Long("include") => fetch.include = true,
            Short('o') | Long("output") => fetch.output = Some(parser.value()?.into()),
            Short('f') | Long("fail") => fetch.fail = true,
            Long("no-redirect") => fetch.redirects = Redirects::Manual,
            Long("allow-insecure-http") => fetch.allow_insecure_http = true,
            Long("timeout") => fetch.timeout = Some(args::seconds(parser)?),
            Value(url) if fetch.url.is_none() => fetch.url = Some(url.string()?),
            other => return Err(args::unexpected(other)),
        }
    }
    Ok(fetch)
}

/// The text itself is not repeated in the error: it may be half of a secret.
fn header(text: &str, number: usize) -> Result<(String, String), Stop> {
    let (name, value) = text
        .split_once(':')
        .ok_or_else(|| Stop::usage(format!("header {number}: write it as 'Name: value'")))?;
    Ok((name.to_owned(), value.trim().to_owned()))
}

type Response = (u16, HeaderMap, Vec<u8>);

impl Fetch {
    fn send(self) -> Result<(Output, Response), Stop> {
        let url = args::required(self.url, "URL")?;
        let (workspace, provider) = self.tenant.resolve()?;
        let client = args::client_with(self.timeout, |options| {
            options.allow_insecure_http(self.allow_insecure_http)
        })?;
        let default_method = if self.data.is_some() { "POST" } else { "GET" };
        let mut options = FetchOptions::default()
            .method(self.method.as_deref().unwrap_or(default_method))
            .headers(self.headers)
            .redirects(self.redirects);
        if let Some(data) = self.data {
            options = options.data(read(data)?);
        }
        let output = Output::open(self.output)?;
        let cache = TokenCache::new();
        match client.authenticated_fetch(&cache, &workspace, &provider, &url, options) {
            Ok(response) => Ok((output, response)),
            Err(error) => {
                output.abandon();
                Err(error.into())
            }
        }
    }
}

/// The data itself, or what the `@` in front of it names.
fn read(data: OsString) -> Result<Vec<u8>, Stop> {
    match data.to_str() {
        Some("@-") => read_stdin(),
        Some(text) => match text.strip_prefix('@') {
            Some(path) => {
                fs::read(path).map_err(|error| Stop::file("read", Path::new(path), &error))
            }
            None => Ok(data.into_encoded_bytes()),
        },
        None if data.as_encoded_bytes().starts_with(b"@") => Err(Stop::usage(
            "the name of the file with the data is not UTF-8; use `-d @- <FILE`",
        )),
        None => Ok(data.into_encoded_bytes()),
    }
}

fn read_stdin() -> Result<Vec<u8>, Stop> {
    let mut bytes = Vec::new();
    match io::stdin().read_to_end(&mut bytes) {
        Ok(_) => Ok(bytes),
        Err(error) => Err(Stop::file("read", Path::new("stdin"), &error)),
    }
}

/// Status line and headers as HTTP/1.1 writes them, which is what the SDK speaks.
fn head(status: u16, headers: &HeaderMap) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {}\r\n", named(status)).into_bytes();
    for (name, value) in headers {
        let line = [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"];
        head.extend_from_slice(&line.concat());
    }
    head.extend_from_slice(b"\r\n");
    head
}

fn named(status: u16) -> String {
    let reason = StatusCode::from_u16(status)
        .ok()
        .and_then(|status| status.canonical_reason());
    format!("{status} {}", reason.unwrap_or_default())
        .trim_end()
        .to_owned()
}

fn check(status: u16) -> Result<(), Stop> {
    let line = || format!("the upstream answered {}", named(status));
    match status {
        200..=299 => Ok(()),
        300..=399 => Err(Stop::new(3, line())),
        400..=499 => Err(Stop::new(4, line())),
        500..=599 => Err(Stop::new(5, line())),
        _ => Err(Stop::failed(line())),
    }
}
