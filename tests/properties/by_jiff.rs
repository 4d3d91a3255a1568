//! Dates as another library reads and writes them.

use std::time::SystemTime;

use jiff::civil::DateTime;
use jiff::tz::Offset;

/// The form that servers must send (RFC 9110 section 5.6.7).
const FORM: &str = "%a, %d %b %Y %H:%M:%S GMT";

pub(crate) fn written(moment: SystemTime) -> Option<String> {
    let moment = jiff::Timestamp::try_from(moment).ok()?;
    let moment = Offset::UTC.to_datetime(moment);
    Some(moment.strftime(FORM).to_string())
}

/// Reads a date that is in this form, letter by letter.
pub(crate) fn http_date(text: &str) -> Option<SystemTime> {
    let read = DateTime::strptime(FORM, text).ok()?;
    let moment = SystemTime::from(Offset::UTC.to_timestamp(read).ok()?);
    (written(moment)? == text).then_some(moment)
}

/// Reads a text with `jiff`: as a moment if it has a zone, and otherwise as a civil time in UTC.
pub(crate) fn rfc3339(text: &str) -> Option<SystemTime> {
    let moment = text.parse().or_else(|_| {
        let civil: DateTime = text.parse()?;
        Offset::UTC.to_timestamp(civil)
    });
    moment.ok().map(SystemTime::from)
}

/// Spellings in which the two are meant to differ: jiff reads more of ISO 8601 (no dashes or colons,
/// no seconds, dates alone, weeks, six-digit years, annotations, seconds and hours above 23 in an
/// offset), cuts a leap second to the one before, and takes no more than nine digits of a fraction.
pub(crate) fn differs_by_design(text: &str) -> bool {
    let shape: String = text
        .chars()
        .map(|c| if c.is_ascii_digit() { '0' } else { c })
        .collect();
    let common = shape.starts_with("0000-00-00")
        && shape
            .get(10..)
            .is_some_and(|time| time.get(1..9) == Some("00:00:00"))
        && !text.contains('[');
    let zone = shape.get(19..).unwrap_or_default();
    let zone = zone.trim_start_matches(['.', ',', '0']);
    let odd_zone = !matches!(
        zone,
        "" | "Z" | "z" | "+00:00" | "-00:00" | "+0000" | "-0000" | "+00" | "-00"
    );
    let hours = zone.len() > 2
        && text
            .get(text.len() - zone.len() + 1..)
            .is_some_and(|z| z >= "24");
    let long = shape.get(20..).is_some_and(|f| f.starts_with("0000000000"));
    !common || odd_zone || hours || long || text.get(17..19) == Some("60")
}

/// A text in a spelling that is meant to be read alike, and the moment that it is; the first one
/// stands for none. An offset may lead beyond the last moment that jiff has.
pub(crate) fn alike(text: &str) -> Option<SystemTime> {
    let differs = differs_by_design(text) || text.starts_with("9999-12-3");
    (!differs).then(|| rfc3339(text).unwrap_or(SystemTime::UNIX_EPOCH))
}
