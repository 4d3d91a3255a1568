//! Chains of redirects: their targets, and the credentials that they carry.

use std::sync::LazyLock;

use serde_json::{Value, json};
use ureq::http::header::{AUTHORIZATION, COOKIE, HOST, PROXY_AUTHORIZATION};
use ureq::http::{HeaderMap, HeaderName, HeaderValue, Method};

use super::{CANARY, Origin, assert_clean_beside, split};
use crate::fetch::options::FetchOptions;
use crate::fetch::redirect::{self, Hop};
use crate::time::{Now, ResponseClock};
use crate::token::{CachedToken, TokenResponse};
use crate::url;

/// Names of headers that the caller has set and that must not go to another origin.
const PRIVATE: [HeaderName; 3] = [AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION];
const PARAMETER: &str = "key";

/// The URL of a request, a line, and then for each redirect its status and target, a line each:
/// `302 /elsewhere`. `theirs` is another library's reading.
pub fn redirect(data: &[u8], theirs: Origin) {
    static TOKENS: LazyLock<[CachedToken; 4]> = LazyLock::new(tokens);
    let (first, targets) = split(data);
    for token in &*TOKENS {
        let Some(mut chain) = Chain::start(&first, token, theirs) else {
            continue;
        };
        let lines = targets
            .split(|byte| *byte == b'\n')
            .take(redirect::MAX_REDIRECTS);
        let _: Option<()> = lines.map(|line| chain.follow(line)).collect();
    }
}

/// One token for each place that a credential can go to.
fn tokens() -> [CachedToken; 4] {
    let field = |field: &str| json!({field: "canary-key"});
    let query = json!({"type": "query_param", "config": {"param_name": PARAMETER}});
    let header = json!({"type": "header", "config": {"header_name": "X-Own"}});
    [
        json!({"access_token": "canary-token"}),
        json!({"strategy": header, "credentials": field("api_key")}),
        json!({"strategy": query, "credentials": field("api_key")}),
        json!({"strategy": "path", "credentials": field("k")}),
    ]
    .map(|response| token_of(&response))
}

fn token_of(response: &Value) -> CachedToken {
    let (at, date) = (Now::read(), None);
    let token = TokenResponse::from_json(response.clone()).unwrap();
    token.to_cached(ResponseClock { at, date }).unwrap()
}

struct Chain<'a> {
    hop: Hop<'a>,
    token: &'a CachedToken,
    theirs: Origin,
    /// The origin that the credential is meant for.
    home: String,
}

impl<'a> Chain<'a> {
    fn start(first: &'a str, token: &'a CachedToken, theirs: Origin) -> Option<Self> {
        let own = url::parse(first).ok()?;
        // Without a placeholder of its own, a path credential goes nowhere.
        let target = token.target(first).ok()?;
        let url = url::parse(&target).ok()?;
        assert_eq!(url::origin(&own), url::origin(&url));
        let own = PRIVATE.map(|name| (name, "canary-own"));
        let options = FetchOptions::default().method("POST").data("");
        let hop = Hop {
            call: first,
            url,
            options: options.headers(own).header("x-plain", "kept"),
            first: None,
            authenticated: true,
        };
        let home = url::origin(&hop.url);
        Some(Self {
            hop,
            token,
            theirs,
            home,
        })
    }

    /// Follows one redirect, or returns `None` if the chain ends.
    fn follow(&mut self, line: &[u8]) -> Option<()> {
        let space = line.iter().position(|byte| *byte == b' ')?;
        let (status, target) = line.split_at(space);
        let status = std::str::from_utf8(status).ok()?.parse().ok()?;
        let mut headers = HeaderMap::new();
        headers.insert("location", HeaderValue::from_bytes(target).ok()?);
        let target = redirect::location(status, &headers)?;
        let before = (self.hop.url.clone(), self.hop.authenticated);
        let text = &url::encode_unless(target, |byte| byte.is_ascii());
        if let Err(error) = self.hop.redirect(status, target, self.token) {
            let next = url::join(&before.0, text).unwrap_or_default();
            let names = [url::origin(&before.0), url::origin(&next)].concat();
            assert_clean_beside(&error, &names);
            return None;
        }
        self.leads_to(&before.0.to_string(), text);
        self.is_secure(url::is_https(&before.0));
        assert!(before.1 || !self.hop.authenticated, "dropped for good");
        self.carries_no_secret_abroad(before.1);
        assert_eq!(self.hop.options.headers["x-plain"], "kept");
        assert!(!self.hop.options.headers.contains_key(HOST));
        if status == 303 {
            let options = &self.hop.options;
            assert_eq!((&options.method, &options.data), (&Method::GET, &None));
        }
        Some(())
    }

    /// Asserts that the origin is the one that another library reads, or the one before.
    fn leads_to(&self, from: &str, target: &str) {
        let here = self.hop.url.to_string();
        let ours = (self.theirs)(&here, "");
        let theirs = (self.theirs)(from, target);
        let stays = ours == (self.theirs)(from, "");
        assert!(
            ours == theirs || stays,
            "{from} + {target:?}: {here}, {theirs:?}"
        );
        // Both read the host of the whole URL as that of its origin.
        assert_eq!(
            ours,
            (self.theirs)(&url::origin(&self.hop.url), ""),
            "{here}"
        );
    }

    fn is_secure(&self, was_https: bool) {
        let url = &self.hop.url;
        match url.scheme_str() {
            Some("https") => {}
            Some("http") => assert!(!was_https, "https to http: {url}"),
            scheme => panic!("{scheme:?}"),
        }
    }

    fn carries_no_secret_abroad(&self, was_authenticated: bool) {
        let url = &self.hop.url;
        let mut headers = self.hop.options.headers.clone();
        if self.hop.authenticated {
            self.token
                .authorize(&self.hop.options.method, url, &mut headers, b"")
                .unwrap();
        }
        let at_home = url::origin(url) == self.home;
        assert_eq!(self.hop.authenticated, at_home && was_authenticated);
        let query = decoded(url.query().unwrap_or_default());
        if self.hop.authenticated {
            if !self.token.header_name.is_empty() {
                assert!(headers.contains_key(self.token.header_name.as_str()));
            } else if goes_in_query(self.token) {
                let own = format!("{PARAMETER}=canary-key");
                assert!(query.contains(&own), "{url}");
            }
            return;
        }
        let own = headers
            .values()
            .any(|value| format!("{value:?}").contains(CANARY));
        let injected = headers.contains_key("x-own");
        let private = PRIVATE.iter().any(|name| headers.contains_key(name));
        assert!(!own && !injected && !private, "{headers:?}");
        // No server escapes a letter or digit, so the SDK does not look for escaped ones.
        if escapes_a_letter(&url.to_string()) {
            return;
        }
        // Shorter texts occur by chance.
        let is_in_url = self.token.is_in_url();
        let secrets = self
            .token
            .secrets(self.hop.call)
            .into_iter()
            .filter(|_| is_in_url);
        for secret in secrets.filter(|secret| secret.len() >= 8) {
            let path = decoded(url.path());
            assert!(!query.contains(secret) && !path.contains(secret), "{url}");
        }
    }
}

fn escapes_a_letter(url: &str) -> bool {
    let mut escapes = url
        .match_indices('%')
        .filter_map(|(at, _)| url.get(at + 1..at + 3));
    escapes
        .any(|digits| u8::from_str_radix(digits, 16).is_ok_and(|byte| byte.is_ascii_alphanumeric()))
}

fn goes_in_query(token: &CachedToken) -> bool {
    let target = token.target("https://a.example/");
    target.is_ok_and(|target| target.contains('?'))
}

fn decoded(text: &str) -> String {
    String::from_utf8_lossy(&url::decode(text, false)).into_owned()
}
