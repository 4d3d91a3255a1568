//! `nexus fetch`: sends a request with the credential.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use nexus_sdk::http::{HeaderMap, StatusCode};
use nexus_sdk::{
    CachedToken, ErrorKind, FetchOptions, Fetcher, NexusClient, Redirects, TokenCache,
};

use crate::args::{self, Gateway, Tenant, Timeout};
use crate::ending;
use crate::new_file::NewFile;
use crate::output::write_body;
use crate::stop::Stop;
use crate::streams;
use crate::verbose::{self, Given};

#[derive(Args)]
#[command(after_help = "\
Examples:
  nexus fetch -w acme -p github https://api.github.com/user
  nexus fetch -w acme -p github /user/repos
  echo '{\"name\": \"demo\"}' | nexus fetch --fail -d @- \\
      -H 'Content-Type: application/json' /user/repos
  nexus fetch --fail -o repos.json /user/repos
  nexus fetch -v -X DELETE /repos/acme/demo

The last three take workspace and provider from the environment.")]
pub(crate) struct Fetch {
    /// An absolute URL, or a path such as /user/repos below the provider's base URL. The credential goes only to the
    /// URL's origin (scheme, host and port)
    #[arg(value_parser = args::not_blank)]
    url: String,
    /// The URL that a path is appended to [default: the base URL that the gateway knows]
    #[arg(long, value_name = "URL", value_parser = args::not_blank)]
    base_url: Option<String>,
    #[command(flatten)]
    tenant: Tenant,
    /// The method [default: GET, or POST with --data]
    #[arg(short = 'X', long)]
    method: Option<String>,
    /// A header, or headers from the lines of a file; may be repeated
    #[arg(
        short = 'H',
        long = "header",
        value_name = "NAME: VALUE|@FILE",
        allow_hyphen_values = true
    )]
    headers: Vec<String>,
    /// The body, sent unchanged: the string DATA, the content of a file with @FILE, or stdin with @-
    #[arg(short, long, allow_hyphen_values = true)]
    data: Option<String>,
    /// Print the status line and headers before the body
    #[arg(short, long)]
    include: bool,
    /// Write to FILE instead of stdout, or to stdout with -. A status other than 2xx, or a response that breaks off, leaves
    /// FILE alone; the exit code is then that of --fail. On Unix, only you can read a new file
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Exit with 3, 4 or 5 if the status is 3xx, 4xx or 5xx
    #[arg(short, long)]
    fail: bool,
    /// Print the request and the response to stderr, without their bodies and without the credential. Of a chain of
    /// redirects, only the first request and the last response are shown
    #[arg(short, long)]
    verbose: bool,
    /// Do not follow redirects
    #[arg(long)]
    no_redirect: bool,
    /// Allow sending the credential over plain http to another machine
    #[arg(long)]
    allow_insecure_http: bool,
    #[command(flatten)]
    timeout: Timeout,
}

impl Fetch {
    pub(crate) fn run(self, gateway: &Gateway) -> Result<(), Stop> {
        let path = self.output.as_deref();
        let path = path.filter(|path| *path != Path::new("-"));
        let mut file = path.map(NewFile::at);
        let (status, headers, body) = self.send(gateway, file.as_mut())?;
        if file.is_some() {
            check(status)?;
        }
        let body = if self.include {
            [head(status, &headers), body].concat()
        } else {
            body
        };
        if let Some(mut file) = file {
            let written = file.write_all(&body).and_then(|()| file.finish());
            return written.map_err(|error| Stop::failed(error.to_string()));
        }
        write_body(body)?;
        if self.fail { check(status) } else { Ok(()) }
    }

    /// Sends the request. Writes the body to the file, if there is one. With `--include`, the head comes before the body, so
    /// the body is returned.
    fn send(
        &self,
        gateway: &Gateway,
        file: Option<&mut NewFile>,
    ) -> Result<(u16, HeaderMap, Vec<u8>), Stop> {
        let (workspace, provider) = self.tenant.clone().resolve(gateway)?;
        let headers = headers(&self.headers)?;
        let data = self.data()?;
        let settings = gateway
            .options()?
            .allow_insecure_http(self.allow_insecure_http);
        let client = self.timeout.client_with(settings)?;
        let (cache, start) = (TokenCache::new(), Instant::now());
        // The token is resolved first, so that a signal during that call keeps the request from being sent.
        let token = client.get_cached_token(&cache, &workspace, &provider)?;
        let mut fetcher = client.fetcher(&cache, &workspace, &provider);
        let mut url = self.url.clone();
        if let Some(base) = self.base(&client, &provider, &token)? {
            url = joined(&base, &url);
            fetcher = fetcher.base_url(base)?;
        }
        ending::checkpoint();
        if self.verbose {
            let length = data.as_ref().map(Vec::len);
            verbose::say_request(self.method(), &url, &headers, length, &token);
        }
        let options = self.options(headers, data);
        let options = options.timeout(self.timeout.left(start));
        let response = match file.filter(|_| !self.include) {
            Some(file) => self.download(&fetcher, options, file)?,
            None => fetcher.fetch(&self.url, options)?,
        };
        if self.verbose {
            verbose::say_response(&named(response.0), &response.1, &token);
        }
        Ok(response)
    }

    /// Writes the body to the file. Returns an empty body.
    fn download(
        &self,
        fetcher: &Fetcher,
        options: FetchOptions,
        file: &mut NewFile,
    ) -> Result<(u16, HeaderMap, Vec<u8>), Stop> {
        match fetcher.download(&self.url, options, file) {
            Ok((status, headers)) => Ok((status, headers, Vec::new())),
            Err(error) => {
                let status = error
                    .status_code()
                    .filter(|_| error.kind() == ErrorKind::Api);
                status.map_or(Ok(()), check)?;
                Err(error.into())
            }
        }
    }

    fn method(&self) -> &str {
        let default = if self.data.is_some() { "POST" } else { "GET" };
        self.method.as_deref().unwrap_or(default)
    }

    fn data(&self) -> Result<Option<Vec<u8>>, Stop> {
        self.data.as_deref().map(args::read).transpose()
    }

    fn options(&self, headers: Vec<Given>, data: Option<Vec<u8>>) -> FetchOptions {
        let headers = headers.into_iter().map(|it| (it.name, it.value));
        let mut options = FetchOptions::default()
            .method(self.method())
            .headers(headers);
        if self.no_redirect {
            options = options.redirects(Redirects::Manual);
        }
        if let Some(data) = data {
            options = options.data(data);
        }
        options
    }

    /// Returns the URL that a path is appended to. An absolute URL needs no base.
    fn base(
        &self,
        client: &NexusClient,
        provider: &str,
        token: &CachedToken,
    ) -> Result<Option<String>, Stop> {
        if self.base_url.is_some() || self.url.contains("://") {
            return Ok(self.base_url.clone());
        }
        if token.api_base_url.is_some() {
            return Ok(token.api_base_url.clone());
        }
        let providers = client.providers()?;
        let listed = providers
            .get(provider)
            .and_then(|it| it.api_base_url.clone());
        listed.map(Some).ok_or_else(|| {
            let problem = format!(
                "{} is a path, but the gateway knows no base URL for {provider}",
                self.url
            );
            Stop::usage(format!("{problem}; give --base-url or an absolute URL"))
        })
    }
}

/// Returns the URL that the SDK makes of a base URL and a path.
fn joined(base: &str, url: &str) -> String {
    if url.contains("://") {
        return url.to_owned();
    }
    let (base, path) = (base.trim_end_matches('/'), url.trim_start_matches('/'));
    format!("{base}/{path}")
}

/// Returns the headers from the arguments and from the files that the arguments name. A file keeps secrets out of the
/// command line, which other users can read.
fn headers(arguments: &[String]) -> Result<Vec<Given>, Stop> {
    let mut headers = Vec::new();
    for argument in arguments {
        if argument.starts_with('@') {
            let given = streams::lines(&args::read(argument)?)
                .map_err(|problem| Stop::usage(format!("--header {argument}: {problem}")))?;
            for line in given.iter().filter(|line| !line.is_empty()) {
                headers.push(header(headers.len(), line, true)?);
            }
        } else {
            headers.push(header(headers.len(), argument, false)?);
        }
    }
    Ok(headers)
}

/// Splits a header into its name and value. Errors omit the text, because it may be part of a secret.
fn header(index: usize, text: &str, is_from_file: bool) -> Result<Given, Stop> {
    let number = index.saturating_add(1);
    let (name, value) = text
        .split_once(':')
        .ok_or_else(|| Stop::usage(format!("header {number}: write it as 'Name: value'")))?;
    Ok(Given {
        name: name.to_owned(),
        value: value.trim().to_owned(),
        is_from_file,
    })
}

/// Returns the status line and headers in the format of HTTP/1.1, the only version that the SDK uses.
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
    let line = format!("the API responded with {}", named(status));
    Err(Stop::new(code, line))
}
