//! `nexus fetch`: a request with the credential on it.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use nexus_sdk::http::{HeaderMap, StatusCode};
use nexus_sdk::{FetchOptions, Redirects, TokenCache};

use crate::args::{self, Tenant, Timeout};
use crate::landing;
use crate::output::Output;
use crate::stop::Stop;

#[derive(Args)]
pub(crate) struct Fetch {
    /// Where to; it goes to this host with the credential, and to no other
    #[arg(value_parser = args::not_blank)]
    url: String,
    #[command(flatten)]
    tenant: Tenant,
    /// The method [default: GET, with --data POST]
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
    /// The body as it is: DATA itself, @FILE, or @- for stdin
    #[arg(short, long, allow_hyphen_values = true)]
    data: Option<OsString>,
    /// The status line and headers before the body
    #[arg(short, long)]
    include: bool,
    /// Write to FILE in place of stdout
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Exit with 3, 4 or 5 for a status 3xx, 4xx or 5xx
    #[arg(short, long)]
    fail: bool,
    /// Return a redirect in place of following it
    #[arg(long)]
    no_redirect: bool,
    /// Send the credential over plain http to another machine
    #[arg(long)]
    allow_insecure_http: bool,
    #[command(flatten)]
    timeout: Timeout,
}

impl Fetch {
    pub(crate) fn run(self) -> Result<(), Stop> {
        let (include, fail) = (self.include, self.fail);
        let (output, (status, headers, body)) = self.send()?;
        if include {
            output.write(&[head(status, &headers), body].concat())?;
        } else {
            output.write(&body)?;
        }
        if fail { check(status) } else { Ok(()) }
    }
}

/// The text itself is not repeated in the error: it may be half of a secret.
fn header((index, text): (usize, &String)) -> Result<(String, String), Stop> {
    let number = index.saturating_add(1);
    let (name, value) = text
        .split_once(':')
        .ok_or_else(|| Stop::usage(format!("header {number}: write it as 'Name: value'")))?;
    Ok((name.to_owned(), value.trim().to_owned()))
}

type Response = (u16, HeaderMap, Vec<u8>);

impl Fetch {
    fn send(self) -> Result<(Output, Response), Stop> {
        let headers = self.headers.iter().enumerate().map(header);
        let headers = headers.collect::<Result<Vec<_>, _>>()?;
        let (workspace, provider) = self.tenant.resolve()?;
        let client = self
            .timeout
            .client_with(|options| options.allow_insecure_http(self.allow_insecure_http))?;
        let redirects = if self.no_redirect {
            Redirects::Manual
        } else {
            Redirects::Follow
        };
        let default_method = if self.data.is_some() { "POST" } else { "GET" };
        let mut options = FetchOptions::default()
            .method(self.method.as_deref().unwrap_or(default_method))
            .headers(headers)
            .redirects(redirects);
        if let Some(data) = self.data {
            options = options.data(read(data)?);
        }
        let output = Output::open(self.output)?;
        let fetch = |cache: &TokenCache| {
            let start = Instant::now();
            // The token comes first: nothing is sent to the upstream after a signal.
            client.get_cached_token(cache, &workspace, &provider)?;
            landing::go_on();
            let options = options.timeout(self.timeout.left(start));
            client.authenticated_fetch(cache, &workspace, &provider, &self.url, options)
        };
        match fetch(&TokenCache::new()) {
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
    let line = || format!("the upstream responded with {}", named(status));
    match status {
        200..=299 => Ok(()),
        300..=399 => Err(Stop::new(3, line())),
        400..=499 => Err(Stop::new(4, line())),
        500..=599 => Err(Stop::new(5, line())),
        _ => Err(Stop::failed(line())),
    }
}
