//! `nexus fetch`: sends a request with the credential.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use nexus_sdk::http::{HeaderMap, StatusCode};
use nexus_sdk::{FetchOptions, Redirects, TokenCache};

use crate::args::{self, Tenant, Timeout};
use crate::ending;
use crate::output::write_body;
use crate::stop::Stop;

#[derive(Args)]
pub(crate) struct Fetch {
    /// The URL; the credential goes only to its origin (scheme, host and port)
    #[arg(value_parser = args::not_blank)]
    url: String,
    #[command(flatten)]
    tenant: Tenant,
    /// The method [default: GET, or POST with --data]
    #[arg(short = 'X', long)]
    method: Option<String>,
    /// A header; may be repeated
    #[arg(
        short = 'H',
        long = "header",
        value_name = "NAME: VALUE",
        allow_hyphen_values = true
    )]
    headers: Vec<String>,
    /// The body, sent unchanged: DATA itself, @FILE, or @- for stdin
    #[arg(short, long, allow_hyphen_values = true)]
    data: Option<OsString>,
    /// Print the status line and headers before the body
    #[arg(short, long)]
    include: bool,
    /// Write to FILE instead of stdout
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Exit with 3, 4 or 5 for a status 3xx, 4xx or 5xx
    #[arg(short, long)]
    fail: bool,
    /// Do not follow redirects
    #[arg(long)]
    no_redirect: bool,
    /// Allow sending the credential over plain http to another machine
    #[arg(long)]
    allow_insecure_http: bool,
    #[command(flatten)]
    timeout: Timeout,
}

type Response = (u16, HeaderMap, Vec<u8>);

impl Fetch {
    pub(crate) fn run(self) -> Result<(), Stop> {
        let (include, fail) = (self.include, self.fail);
        let path = self.output.clone();
        let (status, headers, body) = self.send()?;
        let body = if include {
            [head(status, &headers), body].concat()
        } else {
            body
        };
        write_body(path.as_deref(), body)?;
        if fail { check(status) } else { Ok(()) }
    }

    fn send(self) -> Result<Response, Stop> {
        let headers = self.headers.iter().enumerate().map(header);
        let headers = headers.collect::<Result<Vec<_>, _>>()?;
        let (workspace, provider) = self.tenant.resolve()?;
        let client = self
            .timeout
            .client_with(|options| options.allow_insecure_http(self.allow_insecure_http))?;
        let default_method = if self.data.is_some() { "POST" } else { "GET" };
        let mut options = FetchOptions::default()
            .method(self.method.as_deref().unwrap_or(default_method))
            .headers(headers);
        if self.no_redirect {
            options = options.redirects(Redirects::Manual);
        }
        if let Some(data) = self.data {
            options = options.data(read(data)?);
        }
        let (cache, start) = (TokenCache::new(), Instant::now());
        // The token is resolved first, so that a signal during that call keeps the request from being sent.
        client.get_cached_token(&cache, &workspace, &provider)?;
        ending::checkpoint();
        let options = options.timeout(self.timeout.left(start));
        Ok(client.authenticated_fetch(&cache, &workspace, &provider, &self.url, options)?)
    }
}

/// Splits a header. Errors omit its text, because it may be part of a secret.
fn header((index, text): (usize, &String)) -> Result<(String, String), Stop> {
    let number = index.saturating_add(1);
    let (name, value) = text
        .split_once(':')
        .ok_or_else(|| Stop::usage(format!("header {number}: write it as 'Name: value'")))?;
    Ok((name.to_owned(), value.trim().to_owned()))
}

/// Returns the data itself, or the content of the file after `@`.
fn read(data: OsString) -> Result<Vec<u8>, Stop> {
    let is_file = data.as_encoded_bytes().starts_with(b"@");
    let file = data.to_str().and_then(|text| text.strip_prefix('@'));
    let mut bytes = Vec::new();
    let (path, read) = match file {
        Some("-") => ("stdin", io::stdin().read_to_end(&mut bytes).map(|_| bytes)),
        Some(path) => (path, fs::read(path)),
        None if is_file => {
            return Err(Stop::usage(
                "the name of the file with the data is not UTF-8; use `-d @- <FILE`",
            ));
        }
        None => return Ok(data.into_encoded_bytes()),
    };
    read.map_err(|error| Stop::file("read", Path::new(path), &error))
}

/// Returns the status line and headers in HTTP/1.1 format, the only version that the SDK uses.
fn head(status: u16, headers: &HeaderMap) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {}\r\n", named(status)).into_bytes();
    for (name, value) in headers {
        let line = [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"];
        head.extend_from_slice(&line.concat());
    }
    head.extend_from_slice(b"\r\n");
    head
}

/// Returns a status with its reason, such as `404 Not Found`.
fn named(status: u16) -> String {
    let reason = StatusCode::from_u16(status).ok();
    let reason = reason.and_then(|status| status.canonical_reason());
    let named = format!("{status} {}", reason.unwrap_or_default());
    named.trim_end().to_owned()
}

fn check(status: u16) -> Result<(), Stop> {
    let code = match status {
        200..=299 => return Ok(()),
        300..=399 => 3,
        400..=499 => 4,
        500..=599 => 5,
        _ => 1,
    };
    let line = format!("the upstream responded with {}", named(status));
    Err(Stop::new(code, line))
}
