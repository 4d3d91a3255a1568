//! The effects of a strategy and its configuration on a request.

use ureq::http::{HeaderMap, HeaderValue, Method, Uri};

#[cfg(feature = "signing")]
use super::CANARY;
use super::{Origin, assert_clean_beside, split, strategy_names};
use crate::error::Result;
use crate::header;
use crate::json::{self, Object};
#[cfg(feature = "signing")]
use crate::signing::Signature;
use crate::time::{Now, ResponseClock};
use crate::token::{CachedToken, Place, TokenResponse};
use crate::url;

/// The caller's URL, a line, and a token response. `theirs` is another library's reading of URLs.
pub fn strategy(data: &[u8], theirs: Origin) {
    let (caller, body) = split(data);
    let Ok(body) = json::response(body) else {
        return;
    };
    // A placeholder's name is shown, too.
    let names = strategy_names(&body) + &caller;
    if let Err(error) = request(&caller, body, theirs) {
        assert_clean_beside(&error, &names);
    }
}

fn request(caller: &str, body: Object, theirs: Origin) -> Result<()> {
    let received = ResponseClock {
        at: Now::read(),
        date: None,
    };
    let token = TokenResponse::from_json(body.into())?.to_cached(received)?;
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
        Place::Path(fields) => has_its_fields(caller, &url, fields),
        Place::Header => assert_eq!(own, url),
        #[cfg(feature = "signing")]
        Place::Signature(_) => assert_eq!(own, url),
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
    let name_of = |pair: &str| url::decode(pair.split('=').next().unwrap(), true);
    expected.retain(|pair| name_of(pair) != name.as_bytes());
    let mut found = pairs(url);
    let last = found.pop().unwrap();
    assert_eq!(found, expected);
    let (name_sent, value_sent) = last.split_once('=').unwrap();
    assert_eq!(url::decode(name_sent, true), name.as_bytes());
    assert_eq!(url::decode(value_sent, true), value.as_bytes());
    assert_eq!(own.path(), url.path());
}

/// Each placeholder as its field, percent-encoded: what it stands for is the same, and it adds none of
/// the marks that part a URL.
fn has_its_fields(caller: &str, url: &Uri, fields: &[(String, String)]) {
    let bare = caller.split('#').next().unwrap();
    let (_, rest) = bare.split_once("://").unwrap();
    let (_, mut rest) = rest.split_at(rest.find(['/', '?']).unwrap());
    let (mut literal, mut expected) = (String::new(), Vec::new());
    if rest.starts_with('?') {
        literal.push('/');
        expected.push(b'/');
    }
    while let Some((before, (name, after))) = rest
        .split_once('{')
        .and_then(|(before, tail)| Some((before, tail.split_once('}')?)))
    {
        // Half an escape of the caller's, before a placeholder, is nothing that can be kept.
        if before.bytes().rev().take(2).any(|byte| byte == b'%') {
            return;
        }
        literal.push_str(before);
        expected.extend(url::decode(before, false));
        let field = fields.iter().find(|(field, _)| field == name).unwrap();
        expected.extend(field.1.bytes());
        rest = after;
    }
    literal.push_str(rest);
    expected.extend(url::decode(rest, false));
    let sent = url.path_and_query().unwrap().as_str();
    assert_eq!(url::decode(sent, false), expected, "{caller:?}");
    let marks = |text: &str| {
        let (path, query) = text.split_once('?').unwrap_or((text, ""));
        let in_query = query.matches(['/', '?', '&', '=', '+', ';', '#']).count();
        (path.matches(['/', '#']).count(), in_query)
    };
    assert_eq!(marks(sent), marks(&literal), "{caller:?}");
}

/// The caller's headers stay; those that are new can be sent.
fn adds_its_headers(token: &CachedToken, url: &Uri) -> Result<()> {
    let mut headers = HeaderMap::new();
    for name in ["x-other", "x-plain", "x-third"] {
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
        let bytes = value.as_bytes();
        assert!(
            !bytes.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)),
            "{name}"
        );
        assert!(header::can_carry(name, value), "{name}");
    }
    #[cfg(feature = "signing")]
    if let Place::Signature(signature) = &token.place {
        stays_at_home(token, signature, &headers);
    }
    Ok(())
}

/// A key that signs is in none of the headers.
#[cfg(feature = "signing")]
fn stays_at_home(token: &CachedToken, signature: &Signature, headers: &HeaderMap) {
    let shown = match signature {
        Signature::Hmac { sha1, base64 } => {
            let length = match (sha1, base64) {
                (false, false) => 64,
                (false, true) => 44,
                (true, false) => 40,
                (true, true) => 28,
            };
            return assert_eq!(headers[token.header_name.as_str()].len(), length);
        }
        Signature::Aws(key) => [
            key.access_key.as_str(),
            key.session_token.as_deref().unwrap_or_default(),
            &key.region,
            &key.service,
        ]
        .concat(),
    };
    let key = &token.access_token;
    if key.contains(CANARY) && !shown.contains(CANARY) {
        let sent = |value: &HeaderValue| value.to_str().is_ok_and(|value| value.contains(CANARY));
        assert!(!headers.values().any(sent), "{headers:?}");
    }
}
