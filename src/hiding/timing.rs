//! How long a search takes, for the worst bodies: `cargo test --release --lib timing -- --ignored --nocapture`.

use std::time::{Duration, Instant};

use super::*;

const MIB: usize = 1 << 20;

/// The worst text for the search of a pattern: each of its prefixes ends with many shorter prefixes.
fn fibonacci(length: usize) -> Vec<u8> {
    let (mut text, mut last) = (b"ab".to_vec(), 1);
    while text.len() < length {
        let own = text.len();
        text.extend_from_within(..last);
        last = own;
    }
    text.truncate(length);
    text
}

#[test]
#[expect(clippy::print_stdout, reason = "it prints times")]
#[ignore = "prints times, and is meant for --release"]
fn the_worst_bodies() {
    let prefix = |text: &str| {
        [&*text.repeat(16_000 / text.len()), "!"]
            .concat()
            .into_bytes()
    };
    let random: Vec<u8> = {
        let mut random = crate::seeded::Seeded::new(7);
        (0..16_000).map(|_| b"ab"[random.below(2)]).collect()
    };
    let mut almost = fibonacci(16_000);
    almost.push(b'!');
    let json = br#"{"id": 12345, "login": "octocat", "url": "https://api.example/users/octocat", "admin": false}, "#;
    let escaped = br#"{\"id\": 12345, \"url\": \"https:\/\/api.example\/users?a=1&b=2\", \"name\": \"J\u00fcrgen\"}, "#;
    let german = "Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich. ".as_bytes();
    let table: [(&str, Vec<u8>, Vec<u8>); 19] = [
        (
            "JSON",
            json.to_vec(),
            b"ghp_0123456789abcdefghijklmnopqrstuvwxyz".to_vec(),
        ),
        (
            "JSON in JSON",
            escaped.to_vec(),
            b"ghp_0123456789abcdefghijklmnopqrstuvwxyz".to_vec(),
        ),
        (
            "German",
            german.to_vec(),
            b"ghp_0123456789abcdefghijklmnopqrstuvwxyz".to_vec(),
        ),
        ("a", b"a".to_vec(), prefix("a")),
        ("a that is found", b"a".to_vec(), b"a".repeat(16_000)),
        ("ab", b"ab".to_vec(), prefix("ab")),
        (
            "almost the secret",
            prefix("a")[..16_000].to_vec(),
            prefix("a"),
        ),
        ("Fibonacci", fibonacci(MIB), almost),
        (
            "random",
            random.repeat(2)[7..].to_vec(),
            [&*random, b"!"].concat(),
        ),
        ("%", b"%".to_vec(), prefix("%")),
        ("%25", b"%25".to_vec(), prefix("%")),
        ("%2561", b"%2561".to_vec(), prefix("a")),
        ("%61b", b"%61b".to_vec(), prefix("ab")),
        ("\\u0061", b"\\u0061".to_vec(), prefix("a")),
        ("&#97;", b"&#97;".to_vec(), prefix("a")),
        ("&amp;", b"&amp;".to_vec(), prefix("&")),
        ("\\", b"\\".to_vec(), prefix("a")),
        (";", b"&;;;;;;;;;;".to_vec(), prefix(";")),
        ("ü", "ü".into(), prefix("ü")),
    ];
    for (name, piece, secret) in table {
        let mut secrets = Secrets::new(1);
        secrets.add([&secret]);
        secrets.add([b"aaaaaaab"]);
        let text = piece.repeat(100 * MIB / piece.len());
        let started = Instant::now();
        let deadline = Deadline::after(Duration::from_secs(600));
        let found = secrets
            .replaced(&text, "*", Some(deadline))
            .unwrap()
            .is_some();
        let took = started.elapsed();
        println!("{name:20} {took:9.3?}, found: {found}");
    }
}
