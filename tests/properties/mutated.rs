//! Inputs that are nearly right.

use crate::seeded::Seeded;

/// Words that mean something in one input or another.
#[rustfmt::skip]
const WORDS: [&[u8]; 40] = [
    b"\"", b"\\", b"\\\"", b"\\u0063", b"\\n", b"{", b"}", b"[", b"]", b":", b",", b"null", b"true", b"0",
    b"-1", b"1e999", b"18446744073709551616", b"\r\n", b"\n", b"\0", b" ", b"\xC3\xA9", b"\xFF", b"%2e",
    b"%0d%0a", b"..", b"//", b"/", b"?", b"#", b"@", b"&", b"=", b"https://", b"http://", b"evil.example",
    b"canary", b"{k}", b"\"id\":1,", b"GMT",
];

/// One of the seeds with one to four changes.
pub(crate) fn mutated(seeds: &[Vec<u8>], random: &mut Seeded) -> Vec<u8> {
    let mut input = seeds[random.below(seeds.len())].clone();
    for _ in 0..=random.below(4) {
        let from = random.below(input.len() + 1);
        let to = input.len().min(from + random.below(8));
        let piece = match random.below(6) {
            0 => Vec::new(),
            1 => input[from..to].repeat(2),
            2 => random.bytes(3),
            3 => piece_of(&seeds[random.below(seeds.len())], random),
            _ => random.pick(&WORDS).to_vec(),
        };
        let end = if random.once_in(2) { from } else { to };
        input.splice(from..end, piece);
    }
    input
}

fn piece_of(seed: &[u8], random: &mut Seeded) -> Vec<u8> {
    let from = random.below(seed.len() + 1);
    let to = seed.len().min(from + random.below(40));
    seed[from..to].to_vec()
}

/// The seeds of a target, and as many changed ones.
pub(crate) fn each(target: &str, count: usize, check: impl Fn(&[u8])) {
    let seeds = seeds(target);
    for seed in &seeds {
        check(seed);
    }
    let mut random = Seeded::new(count as u64);
    for _ in 0..count {
        let input = mutated(&seeds, &mut random);
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| check(&input)));
        let shown = || String::from_utf8_lossy(&input);
        caught.unwrap_or_else(|_| panic!("{target}: {:?}", shown()));
    }
}

fn seeds(target: &str) -> Vec<Vec<u8>> {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    // A published package has neither this folder nor the seeds.
    if !root.join(".ci").exists() {
        return vec![Vec::new()];
    }
    let mut paths: Vec<_> = std::fs::read_dir(root.join("tests/seeds").join(target))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    assert!(paths.len() >= 5, "{target} has its seeds");
    paths
        .iter()
        .map(|path| std::fs::read(path).unwrap())
        .collect()
}
