//! The fuzz targets in short: each on its seeds, and on changed ones. Targets that compare with another
//! library run in `tests/differential.sh`.

use super::mutated::each;
use super::*;

/// Changed seeds of a target: what takes a fraction of a second.
const MANY: usize = 10_000;
#[cfg(differential)]
const FEW: usize = 2_000;
/// Each is read as three kinds of error, and searched for secrets in all of their spellings.
const FEWEST: usize = 300;

#[test]
fn tokens() {
    each("token", MANY, token);
}

#[test]
fn responses() {
    each("response", MANY, response);
}

#[test]
fn error_bodies() {
    each("error_body", FEWEST, error_body);
}

#[cfg(differential)]
#[test]
fn expiries() {
    each("expires_at", MANY, |data| expires_at(data, by_jiff::alike));
}

#[cfg(differential)]
#[test]
fn http_dates() {
    each("http_date", MANY, |data| {
        http_date(data, by_jiff::http_date, by_jiff::written);
    });
}

#[cfg(differential)]
#[test]
fn redirect_targets() {
    each("redirect", FEW, |data| redirect(data, by_url::origin));
}

#[cfg(differential)]
#[test]
fn urls() {
    each("url", MANY, |data| url(data, by_url::origin));
}

#[cfg(differential)]
#[test]
fn strategies() {
    each("strategy", MANY, |data| strategy(data, by_url::origin));
}
