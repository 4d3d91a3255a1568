//! Imports point one way: down from room to room, and without circles between the files of all rooms.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

mod planted;
mod reader;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use reader::{Imports, Module};

/// The rooms from the ground up, and their doors: a room may use those before it.
const ROOMS: &[(&str, &[&str])] = &[
    (
        "ground",
        &[
            "arrivals", "base64", "time", "error", "header", "hiding", "json", "lock", "log",
            "options", "retry", "secret", "sync", "tenant", "url",
        ],
    ),
    ("strategy", &["signing", "strategy"]),
    ("transport", &["transport"]),
    ("gateway", &["gateway"]),
    (
        "vocabulary",
        &[
            "capture",
            "connection",
            "health",
            "providers",
            "session",
            "token",
            "wait",
        ],
    ),
    ("cache", &["cache"]),
    ("flights", &["flights"]),
    ("fetch", &["fetch"]),
    ("client", &["client"]),
    ("consent", &["consent"]),
    ("testing", &["testing"]),
    ("lib", &["lib"]),
];

#[test]
fn every_file_has_its_room() {
    let homeless = HOUSE.keys().filter(|file| room(file).is_none());
    let homeless: Vec<String> = homeless.map(name).collect();
    assert_eq!(homeless, [""; 0], "without a place in ROOMS");
}

#[test]
fn imports_lead_down_from_room_to_room() {
    assert_eq!(upward(&HOUSE), [""; 0]);
}

#[test]
fn no_files_import_each_other() {
    let arrows: usize = HOUSE.values().map(BTreeSet::len).sum();
    assert!(arrows > 100, "the imports were found: {arrows}");
    let circles = circles(&HOUSE).into_iter();
    let circles = circles.map(|circle| circle.iter().map(name).collect::<Vec<_>>().join(", "));
    assert_eq!(circles.collect::<Vec<_>>(), [""; 0]);
}

static HOUSE: LazyLock<Imports> = LazyLock::new(|| {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs");
    reader::imports(&root, &|path| fs::read_to_string(path).ok())
});

/// Imports of a room by one that stands before it.
fn upward(imports: &Imports) -> Vec<String> {
    let pairs = imports
        .iter()
        .flat_map(|(file, used)| used.iter().map(move |used| (file, used)));
    let upward = pairs.filter(|(file, used)| room(used) > room(file));
    upward
        .map(|(file, used)| format!("{} uses {}", name(file), name(used)))
        .collect()
}

fn room(file: &Module) -> Option<usize> {
    let door = file.first().map_or("lib", String::as_str);
    ROOMS.iter().position(|(_, doors)| doors.contains(&door))
}

/// The sets of files that import each other, directly or through others.
fn circles(imports: &Imports) -> BTreeSet<BTreeSet<Module>> {
    let files = imports.keys();
    let reached: BTreeMap<&Module, BTreeSet<&Module>> =
        files.map(|file| (file, reached(imports, file))).collect();
    let circle_of = |file: &Module| -> BTreeSet<Module> {
        let mutual = reached[file]
            .iter()
            .filter(|other| reached[**other].contains(file));
        mutual.map(|other| Module::clone(other)).collect()
    };
    let circles = imports.keys().map(circle_of);
    circles.filter(|circle| !circle.is_empty()).collect()
}

fn reached<'a>(imports: &'a Imports, from: &Module) -> BTreeSet<&'a Module> {
    let mut seen = BTreeSet::new();
    let mut next: Vec<&Module> = imports[from].iter().collect();
    while let Some(file) = next.pop() {
        if seen.insert(file) {
            next.extend(&imports[file]);
        }
    }
    seen
}

fn name(file: &Module) -> String {
    match file.as_slice() {
        [] => "lib".to_owned(),
        names => names.join("::"),
    }
}
