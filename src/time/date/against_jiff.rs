//! Comparisons with `jiff`, another library that reads dates.

use serde_json::json;

use super::*;
use crate::fuzzing::by_jiff;
use crate::seeded::Seeded;

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

/// Returns a random date in a spelling that both libraries read, and its moment according to `jiff`.
fn spelled(random: &mut Seeded) -> (String, SystemTime) {
    let whole = random.next() % 250_000_000_000 + 100_000;
    let nanos = match random.below(3) {
        0 => 0,
        1 => 1_000_000 * random.below(1000),
        _ => random.below(1_000_000_000),
    };
    let digits = match nanos {
        0 => random.pick(&[0, 3, 9]),
        nanos if nanos % 1_000_000 == 0 => random.pick(&[3, 6, 9]),
        _ => 9,
    };
    let (seconds, nanos) = (i64::try_from(whole).unwrap(), i32::try_from(nanos).unwrap());
    let moment = jiff::Timestamp::new(seconds, nanos).unwrap();
    let (minutes, zone) = if random.once_in(2) {
        (
            0,
            random.pick(&["Z", "z", "", "+00:00", "-00:00"]).to_owned(),
        )
    } else {
        let (hours, minutes) = (random.below(24), random.below(60));
        let (sign, east) = random.pick(&[('+', 1), ('-', -1)]);
        let colon = random.pick(&[":", ""]);
        let east = east * i32::try_from(hours * 60 + minutes).unwrap();
        (east, format!("{sign}{hours:02}{colon}{minutes:02}"))
    };
    let offset = jiff::tz::Offset::from_seconds(minutes * 60).unwrap();
    let local = offset.to_datetime(moment);
    let between = random.pick(&["T", "t", " "]);
    let mut text = local
        .strftime(&format!("%Y-%m-%d{between}%H:%M:%S"))
        .to_string();
    if digits > 0 {
        let fraction = format!("{nanos:09}");
        text.push('.');
        text.extend(fraction.chars().take(digits));
    }
    text.push_str(&zone);
    (text, SystemTime::from(moment))
}

#[test]
fn valid_dates_agree_with_jiff() {
    let mut random = Seeded::new(1);
    for _ in 0..60_000 {
        let (text, expected) = spelled(&mut random);
        assert_eq!(rfc3339(&text), Some(expected), "{text}");
    }
}

#[test]
fn valid_http_dates_agree_with_jiff() {
    let mut random = Seeded::new(2);
    for _ in 0..20_000 {
        let whole = random.next() % LAST_SECOND.saturating_sub(200_000);
        let moment = jiff::Timestamp::from_second(i64::try_from(whole).unwrap()).unwrap();
        let moment = jiff::tz::Offset::UTC.to_datetime(moment);
        let text = moment.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        assert_eq!(http_date(&text), Some(at(whole)), "{text}");
    }
}

#[test]
fn mutated_dates_agree_with_jiff_on_what_is_one() {
    let pieces = [
        "0", "1", "2", "3", "5", "6", "9", "-", "+", ":", ".", ",", "T", "Z", " ", "e", "é", "\0",
        "99", "00",
    ];
    let mut random = Seeded::new(3);
    let (mut compared, mut accepted) = (0, 0);
    for _ in 0..60_000 {
        let (text, _) = spelled(&mut random);
        let mut characters: Vec<char> = text.chars().collect();
        for _ in 0..=random.below(2) {
            let from = random.below(characters.len() + 1);
            let to = characters.len().min(from + random.below(3));
            if random.once_in(3) {
                characters.splice(from..to, random.pick(&pieces).chars());
            } else if let Some(place) = characters.get_mut(from) {
                *place = random.pick(&['0', '1', '2', '3', '6', '9', ':', ' ']);
            }
        }
        let text: String = characters.into_iter().collect();
        let ours = rfc3339(&text);
        let _ = (
            moment(&json!(text)),
            seconds(&json!(text)),
            http_date(&text),
        );
        if by_jiff::differs_by_design(&text) {
            continue;
        }
        let theirs = by_jiff::rfc3339(&text).filter(|moment| *moment > UNIX_EPOCH);
        assert_eq!(ours, theirs, "{text:?}");
        compared += 1;
        accepted += u32::from(ours.is_some());
    }
    assert!(compared > 20_000, "{compared} compared");
    assert!((1000..compared).contains(&accepted), "{accepted} accepted");
}

#[test]
fn mutated_http_dates_never_panic() {
    let pieces = [
        "Sun",
        ",",
        " ",
        "06",
        "Nov",
        "1994",
        "94",
        "-",
        "08:49:37",
        "GMT",
        ":",
        "99",
        "é",
        "\0",
        "9223372036854775807",
    ];
    let mut random = Seeded::new(4);
    for _ in 0..20_000 {
        let text = random.text(&pieces, 10);
        let _ = (
            http_date(&text),
            retry_after(&text, UNIX_EPOCH),
            moment(&json!(text)),
        );
    }
}
