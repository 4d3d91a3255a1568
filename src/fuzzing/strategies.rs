//! What a strategy and its configuration do to a request.

use ureq::http::{HeaderMap, HeaderValue, Method, Uri};

use super::{Origin, assert_clean_beside, split, strategy_names};
use crate::clock::{Now, Received};
use crate::error::Result;
use crate::gateway;
use crate::json::Object;
use crate::strategy::{self, Place};
use crate::token::{CachedToken, TokenResponse};
use crate::url;

/// The caller's URL, a line, and a token reply. `theirs` is another library's reading of URLs.
pub fn strategy(data: &[u8], theirs: Origin) {
    let (caller, body) = split(data);
    let Ok(body) = gateway::object(body) else {
        return;
    };
    // A placeholder's name is shown, too.
    let names = strategy_names(&body) + &caller;
    if let Err(error) = request(&caller, body, theirs) {
        assert_clean_beside(&error, &names);
    }
}

fn request(caller: &str, body: Object, theirs: Origin) -> Result<()> {
    let received = Received {
        at: Now::read(),
        date: None,
    };
    let token = TokenResponse::from_reply(body)?.to_cached(received)?;
    let Ok(own) = url::parse(caller) else {
        return Ok(());
    };
    let target = token.target(caller)?;
    let Ok(url) = url::parse(&target) else {
        return Ok(());
    };
    assert_eq!(url::origin(&own), url::origin(&url), "{caller:?}");
    assert_eq!(theirs(caller, ""), theirs(&target, ""), "{caller:?}");
    match &token.place {
        Place::Query(name) => has_one_parameter(&own, &url, name, &token.access_token),
        Place::Path(_) => {}
        _ => assert_eq!(own, url),
    }
    adds_its_headers(&token, &url)
}

/// The credential's parameter, once, after the caller's others in their order.
fn has_one_parameter(own: &Uri, url: &Uri, name: &str, value: &str) {
    let pairs = |url: &Uri| -> Vec<String> {
        let pairs = url.query().unwrap_or_default().split('&');
        pairs
            .filter(|pair| !pair.is_empty())
            .map(str::to_owned)
            .collect()
    };
    let mut expected = pairs(own);
    expected.retain(|pair| strategy::param_name(pair) != name.as_bytes());
    let mut found = pairs(url);
    let last = found.pop().unwrap();
    assert_eq!(found, expected);
    let (name_sent, value_sent) = last.split_once('=').unwrap();
    assert_eq!(url::decode(name_sent, true), name.as_bytes());
    assert_eq!(url::decode(value_sent, true), value.as_bytes());
    assert_eq!(own.path(), url.path());
}

/// The caller's headers stay; those that are new can be sent, and frame nothing.
fn adds_its_headers(token: &CachedToken, url: &Uri) -> Result<()> {
    let mut headers = HeaderMap::new();
    for name in ["host", "content-length", "x-plain"] {
        headers.insert(name, HeaderValue::from_static("own"));
    }
    token.authorize(&Method::POST, url, &mut headers, b"body")?;
    let before = headers.len();
    // A second attempt replaces what the first has set.
    token.authorize(&Method::POST, url, &mut headers, b"body")?;
    assert_eq!(headers.len(), before, "{:?}", headers.keys());
    let most = match token.place {
        Place::Header => 4,
        Place::Query(_) | Place::Path(_) => 3,
        #[cfg(feature = "signing")]
        Place::Signature(_) => 7,
    };
    assert!(headers.len() <= most, "{:?}", headers.keys());
    for (name, value) in &headers {
        let framing = matches!(name.as_str(), "host" | "content-length");
        assert!(!framing || value == "own", "{name}");
        let bytes = value.as_bytes();
        assert!(
            !bytes.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)),
            "{name}"
        );
        assert!(strategy::can_carry(name, value), "{name}");
    }
    // A key that signs stays at home.
    #[cfg(feature = "signing")]
    if matches!(token.place, Place::Signature(_)) && token.access_token.len() >= 16 {
        let sent = |value: &HeaderValue| {
            String::from_utf8_lossy(value.as_bytes()).contains(&token.access_token)
        };
        assert!(
            !headers.values().any(sent) || token.header_name.contains(&token.access_token),
            "the key is sent"
        );
    }
    Ok(())
}
