//! Imports in the library and in `nexus` point one way: down from room to room, and never in circles
//! between files.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

mod reader;
mod small_crates;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use reader::{Imports, Module};

/// The rooms from the ground up, with their modules. A room may use the rooms before it. `lib` is the root.
type Rooms = &'static [(&'static str, &'static [&'static str])];

const ROOMS: Rooms = &[
    (
        "ground",
        &[
            "base64", "debug", "time", "error", "header", "hiding", "json", "lock", "log",
            "options", "retry", "secret", "sync", "url",
        ],
    ),
    ("loopback", &["loopback"]),
    ("signing", &["signing"]),
    ("transport", &["transport"]),
    ("gateway", &["gateway"]),
    (
        "vocabulary",
        &[
            "capture",
            "connection",
            "providers",
            "session",
            "token",
            "wait",
        ],
    ),
    ("cache", &["cache"]),
    ("flights", &["flights"]),
    ("inner", &["inner"]),
    ("fetch", &["fetch"]),
    ("client", &["client"]),
    ("consent", &["consent"]),
    ("testing", &["testing"]),
    ("lib", &["lib"]),
];

/// The rooms of `src/bin/nexus`.
const BIN_ROOMS: Rooms = &[
    ("ground", &["ending", "text", "times"]),
    ("stop", &["stop"]),
    ("tools", &["args", "browser", "output", "terminal", "usage"]),
    ("credentials", &["credential", "report", "single"]),
    (
        "commands",
        &[
            "aws_credentials",
            "completions",
            "connect",
            "env",
            "exec",
            "fetch",
            "gateway",
            "git_credential",
            "health",
            "providers",
            "refresh",
            "revoke",
            "status",
            "token",
        ],
    ),
    ("main", &["lib"]),
];

/// The imports of library and program, their rooms, and a number of imports that must be exceeded.
static HOUSES: LazyLock<[(Imports, Rooms, usize); 2]> = LazyLock::new(|| {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let read = |root| reader::imports(&sources.join(root), &|path| fs::read_to_string(path).ok());
    [
        (read("lib.rs"), ROOMS, 100),
        (read("bin/nexus/main.rs"), BIN_ROOMS, 80),
    ]
});

#[test]
fn every_file_has_its_room() {
    for (house, rooms, _) in &*HOUSES {
        let homeless = house.keys().filter(|file| room(rooms, file).is_none());
        let homeless: Vec<String> = homeless.map(name).collect();
        assert_eq!(homeless, [""; 0], "without a place in ROOMS");
    }
}

#[test]
fn imports_lead_down_from_room_to_room() {
    for (house, rooms, _) in &*HOUSES {
        assert_eq!(upward(rooms, house), [""; 0]);
    }
}

#[test]
fn no_files_import_each_other() {
    for (house, _, least) in &*HOUSES {
        let arrows: usize = house.values().map(BTreeSet::len).sum();
        assert!(arrows > *least, "the imports were found: {arrows}");
        let circles = circles(house).into_iter();
        let circles = circles.map(|circle| circle.iter().map(name).collect::<Vec<_>>().join(", "));
        assert_eq!(circles.collect::<Vec<_>>(), [""; 0]);
    }
}

/// Each command is a file, which uses no other command.
#[test]
fn commands_do_not_import_each_other() {
    let (house, rooms, _) = &HOUSES[1];
    let commands = rooms.iter().position(|(name, _)| *name == "commands");
    let is_command = |file: &Module| room(rooms, file) == commands;
    for (file, used) in house.iter().filter(|(file, _)| is_command(file)) {
        let others: Vec<String> = used.iter().filter(|it| is_command(it)).map(name).collect();
        assert_eq!(others, [""; 0], "{}", name(file));
    }
}

/// Imports that lead up, from a room to a later one.
fn upward(rooms: Rooms, imports: &Imports) -> Vec<String> {
    let pairs = imports
        .iter()
        .flat_map(|(file, used)| used.iter().map(move |used| (file, used)));
    let upward = pairs.filter(|(file, used)| room(rooms, used) > room(rooms, file));
    upward
        .map(|(file, used)| format!("{} uses {}", name(file), name(used)))
        .collect()
}

fn room(rooms: Rooms, file: &Module) -> Option<usize> {
    let door = file.first().map_or("lib", String::as_str);
    rooms.iter().position(|(_, doors)| doors.contains(&door))
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
