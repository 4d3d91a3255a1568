//! Downloads: the body of a success goes to a writer instead of memory.

use std::io;

use ureq::http::HeaderMap;

use crate::error::{ErrorKind, NexusError, Result};
use crate::fetch::fetcher::Fetcher;
use crate::fetch::options::FetchOptions;
use crate::transport::Response;

impl Fetcher {
    /// Sends a request, and writes the body of the response to a writer as it arrives, for example to a file. Returns the
    /// status, which is always 2xx, and the headers.
    ///
    /// Redirects, retries and the replay after a 401 are those of [`fetch`](Self::fetch). A download takes the same memory
    /// whatever the size of the body is, and [`max_body_bytes`](crate::NexusClientOptions::max_body_bytes) does not limit
    /// it. A gzip-compressed body is decompressed. At the end, the writer is flushed.
    ///
    /// Blocks until the body has been written, for at most [`FetchOptions::timeout`], by default the client's timeout
    /// (30 s). For a large body, set a timeout that is long enough for the whole download. The SDK cannot interrupt the
    /// writer.
    ///
    /// Nothing is retried once the first byte has been written. A download that then fails leaves the writer with a part of
    /// the body, so write to a temporary file and rename it after the download.
    ///
    /// # Errors
    ///
    /// The errors of a fetch: see [`Fetcher`](Fetcher#errors). Also:
    ///
    /// - `http_<status>` or `credential_refused` for any status other than 2xx, as with
    ///   [`http_status_as_error`](FetchOptions::http_status_as_error). Nothing is written.
    /// - `request_failed`, with the origin [`Local`](crate::Origin::Local), if the writer fails. The message has the
    ///   writer's own error.
    /// - `request_failed` for a body that ends early.
    /// - `invalid_input` for a fetcher with [`hide_credential`](Self::hide_credential), which can search only a body that is
    ///   kept in memory.
    ///
    /// ```
    /// # use nexus_sdk::{NexusClient, NexusClientOptions, TokenCache, testing::DevGateway};
    /// # let gateway = DevGateway::builder().upstream("/release.tar", "application/x-tar", "content").start()?;
    /// # gateway.connect("acme", "github")?;
    /// # let client = NexusClient::new(NexusClientOptions::new(gateway.url()))?;
    /// # let github = client.fetcher(&TokenCache::new(), "acme", "github").base_url(gateway.url())?;
    /// # let path = std::env::temp_dir().join(format!("nexus-download-{}", std::process::id()));
    /// use nexus_sdk::FetchOptions;
    /// use std::fs::File;
    /// use std::time::Duration;
    ///
    /// let options = FetchOptions::default().timeout(Duration::from_secs(600));
    /// let (_status, _headers) = github.download("/release.tar", options, &mut File::create(&path)?)?;
    /// assert_eq!(std::fs::read(&path)?, b"content");
    /// # std::fs::remove_file(path)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn download(
        &self,
        url: &str,
        options: FetchOptions,
        writer: &mut impl io::Write,
    ) -> Result<(u16, HeaderMap)> {
        if self.hide_credential {
            let problem = "hide_credential can search only a body that is kept in memory; use `fetch`, or a fetcher \
                           without hide_credential";
            return Err(NexusError::invalid_input("download", problem));
        }
        let destination = Destination {
            writer,
            has_begun: false,
            problem: None,
        };
        let (head, _) = self.send(url, options, Some(destination))?.into_parts();
        Ok((head.status.as_u16(), head.headers))
    }
}

/// The writer of a download. Remembers whether it has got anything, and its error.
pub(super) struct Destination<'a> {
    writer: &'a mut dyn io::Write,
    has_begun: bool,
    problem: Option<io::Error>,
}

impl Destination<'_> {
    /// Returns the result of a download whose response has arrived or failed. Flushes the writer after a success.
    pub(super) fn end(&mut self, sent: Result<Response>) -> Result<Response> {
        if sent
            .as_ref()
            .is_ok_and(|response| response.status().is_success())
        {
            self.problem = self.writer.flush().err();
        }
        if let Some(problem) = self.problem.take() {
            let message = format!("the writer of the download failed: {problem}");
            let error = NexusError::new(ErrorKind::RequestFailed, message).lasting();
            return Err(error.local().after_sending());
        }
        // The writer has a part of the body, so another attempt would not begin where this one began.
        let has_begun = self.has_begun;
        sent.map_err(|error| error.with(|inner| inner.may_repeat &= !has_begun))
    }
}

impl io::Write for Destination<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.has_begun = true;
        if let Err(problem) = self.writer.write_all(bytes) {
            self.problem = Some(problem);
            return Err(io::Error::other("the writer failed"));
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}
