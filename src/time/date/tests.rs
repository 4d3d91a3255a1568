use serde_json::json;

use super::*;

/// 2025-06-15T14:30:00Z.
const NOON: u64 = 1_749_997_800;

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

fn at_millis(millis: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(millis)
}

#[test]
fn a_moment_in_every_spelling_of_the_contract() {
    #[rustfmt::skip]
    let same = [
        json!("2025-06-15t14:30:00z"), json!("2025-06-15 14:30:00"), json!("2025-06-15T14:30:00-00:00"),
        json!("2025-06-15T16:30:00+0200"), json!("2025-06-15T16:30:00+02"), json!("2025-06-15T20:00:00+05:30"),
        json!("2025-06-15T09:15:00-05:15"), json!("2025-06-16T14:29:00+23:59"), json!("  2025-06-15T14:30:00Z\n"),
        json!(1_749_997_800), json!(" 1749997800.0 "), json!("1.7499978e9"), json!("1749997800000"),
    ];
    for value in same {
        assert_eq!(moment(&value), Some(at(NOON)), "{value}");
    }
}

#[test]
fn fractions_of_a_second() {
    let table = [
        (json!("2025-06-15T14:30:00.5Z"), 500_000_000),
        (json!("2025-06-15T14:30:00,5Z"), 500_000_000),
        (json!("2025-06-15T16:30:00.000000001+02:00"), 1),
        (json!("2025-06-15T14:30:00.1234567899999Z"), 123_456_789),
        (json!(1_749_997_800.5), 500_000_000),
        (json!(1_749_997_800_750_u64), 750_000_000),
    ];
    for (value, nanos) in table {
        let expected = at(NOON) + Duration::from_nanos(nanos);
        assert_eq!(moment(&value), Some(expected), "{value}");
    }
}

#[test]
fn the_bounds_of_a_moment() {
    #[rustfmt::skip]
    let table = [
        ("a second after 1970", json!("1970-01-01T00:00:01Z"), at(1)),
        ("the last of the seconds", json!(1e12), at(LAST_SECOND)),
        ("the first of the milliseconds", json!(1_000_000_000_500_u64), at_millis(1_000_000_000_500)),
        ("a leap second", json!("2016-12-31T23:59:60Z"), at(1_483_228_800)),
        ("a leap day in a year that 400 divides", json!("2000-02-29T00:00:00Z"), at(951_782_400)),
        ("the end of 9999", json!("9999-12-31T23:59:59Z"), at(LAST_SECOND)),
        ("after 9999, because of its offset", json!("9999-12-31T23:59:59-12:00"), at(LAST_SECOND)),
        ("the last of the milliseconds", json!(253_402_300_799_999_u64), at(LAST_SECOND)),
    ];
    for (case, value, expected) in table {
        assert_eq!(moment(&value), Some(expected), "{case}: {value}");
    }
}

#[test]
fn no_moment() {
    #[rustfmt::skip]
    let unset = [
        json!(253_402_300_800_000_u64), json!(u64::MAX), json!(1e308), json!("1e999"), json!("9".repeat(400)),
        json!("0000-01-01T00:00:00Z"), json!("1970-01-01T00:00:00Z"), json!("1970-01-01T01:00:00+02:00"), json!(0),
        json!(-0.0), json!(1e-199), json!("1e-10"), json!("0"), json!(-1e308), json!("-1749997800"), json!(null),
        json!(true), json!([1_749_997_800]), json!({"at": 1_749_997_800}),
    ];
    for value in unset {
        assert_eq!(moment(&value), None, "{value}");
    }
    let garbage = concat!(
        "| |soon|nan|inf|+|0x10|1_000|1,5|2025-06-15 |2025-06-15T14:30Z|2025-13-01T00:00:00Z|",
        "2025-00-01T00:00:00Z|2025-01-00T00:00:00Z|2025-04-31T00:00:00Z|1900-02-29T00:00:00Z|",
        "2025-06-15T24:00:00Z|2025-06-15T14:60:00Z|2025-06-15T14:30:61Z|2025-06-15T14:30:00.|",
        "2025-06-15T14:30:00.5.5Z|2025-06-15T14:30:00ZZ|2025-06-15T14:30:00Z+01:00|",
        "2025-06-15T14:30:00 Z|2025-06-15T14:30:00+24:00|2025-06-15T14:30:00+01:60|",
        "2025-06-15T14:30:00+1|2025-06-15T14:30:00+01:|2025-06-15T14:30:00+01:00:00|",
        "+2025-06-15T14:30:00Z|2025-6-15T14:30:00Z|2025/06/15T14:30:00Z|2025-06-15_14:30:00Z|",
        "2025-06-15T+4:30:00Z|２０２５-06-15T14:30:00Z|2025-06-15T14:30:00\u{e9}",
    );
    for text in garbage.split('|') {
        assert_eq!(moment(&json!(text)), None, "{text:?}");
    }
}

#[test]
fn counts_of_seconds() {
    let table = [
        (json!(3600), Duration::from_secs(3600)),
        (json!(" 3600 "), Duration::from_secs(3600)),
        (json!(0.5), Duration::from_millis(500)),
        (json!(1e308), Duration::from_secs(LAST_SECOND)),
    ];
    for (value, expected) in table {
        assert_eq!(seconds(&value), Some(expected), "{value}");
    }
    let none = [json!("0"), json!("-1"), json!(null), json!("1h")];
    for value in none {
        assert_eq!(seconds(&value), None, "{value}");
    }
}

#[test]
fn http_dates() {
    let table = [
        ("Sun, 06 Nov 1994 08:49:37 GMT", 784_111_777),
        (" sun, 06 nov 1994 08:49:37 gmt ", 784_111_777),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
        ("Sat, 31 Dec 2016 23:59:60 GMT", 1_483_228_800),
        ("Fri, 31 Dec 9999 23:59:59 GMT", LAST_SECOND),
    ];
    for (text, expected) in table {
        assert_eq!(http_date(text), Some(at(expected)), "{text:?}");
    }
    // The first two are forms that RFC 9110 calls obsolete.
    #[rustfmt::skip]
    let refused = [
        "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994", "", "Wed, 31 Dec 1969 23:59:59 GMT",
        "Wed, 29 Feb 2023 12:00:00 GMT", "Sun, 06 Foo 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49 GMT",
        "Sun, 06 Nov 1994 08:49:37 EST", "Sun, 06 Nov 1994 08:49:37", "Sun, 06 Nov 19940 08:49:37 GMT",
        "Sun, +6 Nov 1994 08:49:37 GMT",
    ];
    for text in refused {
        assert_eq!(http_date(text), None, "{text:?}");
    }
}

#[test]
fn retry_after_in_seconds_and_as_a_date() {
    let now = at(784_111_777);
    let table = [
        ("0", 0),
        (" 120 ", 120),
        ("0.25", 1),
        ("5.5", 6),
        ("5.0", 5),
        ("999999999999999999", 999_999_999_999_999_999),
        ("Sun, 06 Nov 1994 08:51:37 GMT", 120),
        ("Sun, 06 Nov 1994 08:49:36 GMT", 0),
    ];
    for (text, expected) in table {
        let expected = Duration::from_secs(expected);
        assert_eq!(retry_after(text, now), Some(expected), "{text:?}");
    }
    for text in [
        "",
        "-1",
        "+1",
        "1.",
        ".5",
        "1.5.2",
        "1,5",
        "9999999999999999999999",
    ] {
        assert_eq!(retry_after(text, now), None, "{text:?}");
    }
}
