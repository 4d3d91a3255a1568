//! Where the provider's API is, and which URLs are in it.

use nexus_sdk::http::Uri;

pub(crate) struct Upstream {
    /// Without a slash at the end. It may have placeholders, such as `{token}`, for a provider whose credential belongs
    /// into the path.
    base: String,
    authority: String,
}

impl Upstream {
    pub(crate) fn new(text: &str) -> Result<Self, String> {
        let problem =
            || "is not the address of an API; write it as https://api.example.com".to_owned();
        let url: Uri = text.parse().map_err(|_| problem())?;
        let known = matches!(url.scheme_str(), Some("https" | "http"));
        let authority = url
            .authority()
            .filter(|authority| !authority.as_str().contains('@'));
        let authority = authority
            .filter(|_| known && url.query().is_none())
            .ok_or_else(problem)?;
        Ok(Self {
            base: text.trim_end_matches('/').to_owned(),
            authority: authority.to_string(),
        })
    }

    /// Host and port, as a rule for the fetcher.
    pub(crate) fn host(&self) -> &str {
        &self.authority
    }

    /// The URL of a path that a model made up. It must neither lead to another host, nor have placeholders: the SDK
    /// would put the credential in their place, and the API might show it.
    pub(crate) fn url(&self, path: &str) -> Result<String, String> {
        if path.contains(['{', '}']) {
            return Err(format!(
                "path {path:?} is refused: it has placeholders; write %7B for {{ and %7D for }}"
            ));
        }
        if !is_plain(path) {
            return Err(format!(
                "path {path:?} is refused: begin it with one /, as in /user/repos, without host, \
                 backslash or .. segment, and percent-encode spaces"
            ));
        }
        let url = format!("{}{path}", self.base);
        let parsed: Result<Uri, _> = url.parse();
        let same = parsed.is_ok_and(|parsed| {
            parsed
                .authority()
                .is_some_and(|found| found.as_str() == self.authority)
        });
        same.then_some(url)
            .ok_or_else(|| format!("path {path:?} is refused: it is not the path of a URL"))
    }
}

fn is_plain(path: &str) -> bool {
    let without_query = path.split(['?', '#']).next().unwrap_or_default();
    let dots = |segment: &str| {
        matches!(
            segment.to_ascii_lowercase().replace("%2e", ".").as_str(),
            "." | ".."
        )
    };
    path.starts_with('/')
        && !path.starts_with("//")
        && path
            .bytes()
            .all(|byte| byte > b' ' && byte != b'\\' && byte != 0x7F)
        && !without_query.split('/').any(dots)
}
