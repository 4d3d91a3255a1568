//! Moments as gateways and servers write them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use crate::time::date::{http_date as read, moment, retry_after, seconds};

/// The last second of the year 9999.
const LAST: u64 = 253_402_300_799;

/// `expires_at`, as a string and as the JSON that the input may be. `theirs` is another library's
/// reading of what both are to read alike.
pub fn expires_at(data: &[u8], theirs: fn(&str) -> Option<SystemTime>) {
    let text = String::from_utf8_lossy(data);
    let value = Value::from(&*text);
    in_bounds(&value);
    if let Some(theirs) = theirs(text.trim()) {
        let theirs = Some(theirs).filter(|moment| *moment > UNIX_EPOCH);
        assert_eq!(moment(&value), theirs, "{text:?}");
    }
    if let Ok(value) = serde_json::from_str::<Value>(&text) {
        in_bounds(&value);
        if let Some(count) = value.as_u64() {
            whole(count, &value);
            whole(count, &Value::from(count.to_string()));
        }
    }
}

fn in_bounds(value: &Value) {
    let end = UNIX_EPOCH + Duration::from_secs(LAST + 1);
    if let Some(moment) = moment(value) {
        assert!(UNIX_EPOCH < moment && moment < end, "{value}: {moment:?}");
    }
    if let Some(length) = seconds(value) {
        let most = Duration::from_secs(LAST);
        assert!(!length.is_zero() && length <= most, "{value}: {length:?}");
    }
    if !value.is_string() && !value.is_number() {
        assert_eq!((moment(value), seconds(value)), (None, None), "{value}");
    }
}

/// A whole number: seconds up to 1e12, above that milliseconds, up to the year 9999.
fn whole(count: u64, value: &Value) {
    let length = (count > 0).then(|| Duration::from_secs(count.min(LAST)));
    assert_eq!(seconds(value), length, "{value}");
    let since = moment(value).map(|moment| moment.duration_since(UNIX_EPOCH).unwrap());
    if count <= 1_000_000_000_000 {
        return assert_eq!(since, length, "{value}");
    }
    if count >= (LAST + 1) * 1000 {
        return assert_eq!(since, None, "{value}");
    }
    let exact = Duration::from_millis(count).min(Duration::from_secs(LAST));
    let apart = since.unwrap().abs_diff(exact);
    assert!(apart < Duration::from_millis(1), "{value}: {since:?}");
}

/// `Date` and `Retry-After`. `theirs` is another library's reading of a date, `written` its spelling of
/// a moment.
pub fn http_date(
    data: &[u8],
    theirs: fn(&str) -> Option<SystemTime>,
    written: fn(SystemTime) -> Option<String>,
) {
    let text = String::from_utf8_lossy(data);
    let ours = read(&text);
    if let Some(moment) = theirs(&text).filter(|moment| *moment >= UNIX_EPOCH) {
        assert_eq!(ours, Some(moment), "{text:?}");
    }
    if let Some(moment) = ours {
        let end = UNIX_EPOCH + Duration::from_secs(LAST + 2);
        assert!((UNIX_EPOCH..end).contains(&moment), "{text:?}: {moment:?}");
        says_the_same(&text, moment, written(moment));
        let waits = [0, 1, 3600].map(Duration::from_secs);
        for wait in waits
            .into_iter()
            .filter(|wait| UNIX_EPOCH + *wait <= moment)
        {
            assert_eq!(retry_after(&text, moment - wait), Some(wait), "{text:?}");
            assert_eq!(retry_after(&text, moment + wait), Some(Duration::ZERO));
        }
    }
    if let Ok(count @ 0..1_000_000_000_000_000_000) = text.trim().parse::<u64>() {
        let plain = text.trim().bytes().all(|byte| byte.is_ascii_digit());
        let wait = (plain && text.trim().len() <= 18).then(|| Duration::from_secs(count));
        assert_eq!(retry_after(&text, UNIX_EPOCH), wait, "{text:?}");
    }
}

/// The moment, written out, is read as itself, and in words that the text has too.
fn says_the_same(text: &str, moment: SystemTime, written: Option<String>) {
    let Some(form) = written else { return };
    assert_eq!(read(&form), Some(moment), "{form:?} of {text:?}");
    // A leap second is the one after it.
    if text.contains(":60") {
        return;
    }
    let said = text.trim().to_ascii_lowercase();
    let said: Vec<&str> = said.split_ascii_whitespace().collect();
    let form = form.to_ascii_lowercase();
    let form: Vec<&str> = form.split(' ').collect();
    let ([_, day, rest @ ..], [_, own, other @ ..]) = (form.as_slice(), said.as_slice()) else {
        panic!("{form:?} of {text:?}");
    };
    let same_day = day == own || day.strip_prefix('0') == Some(own);
    assert!(same_day && rest == other, "{text:?}: {form:?}");
}
