//! Tests of the reader on small crates.

use std::collections::BTreeMap;
use std::path::Path;

use crate::{ROOMS, circles, name, reader, upward};

/// `file: what it uses`, for every file that uses something.
fn read(files: &[(&str, &str)]) -> (Vec<String>, Vec<String>) {
    let files: BTreeMap<&Path, &str> = files
        .iter()
        .map(|(path, text)| (Path::new(*path), *text))
        .collect();
    let load = |path: &Path| files.get(path).map(|text| (*text).to_owned());
    let imports = reader::imports(Path::new("lib.rs"), &load);
    let lines = imports.iter().filter(|(_, used)| !used.is_empty());
    let lines = lines.map(|(file, used)| {
        let used: Vec<String> = used.iter().map(name).collect();
        format!("{}: {}", name(file), used.join(" "))
    });
    let circles = circles(&imports).into_iter();
    let circles = circles.map(|circle| circle.iter().map(name).collect::<Vec<_>>().join(" "));
    (lines.collect(), circles.collect())
}

/// Returns the modules that `a::b` uses if it has this text.
fn used_by_b(text: &str) -> String {
    let (lines, _) = read(&[
        ("lib.rs", "mod a; mod c;"),
        ("a.rs", "mod b; mod d;"),
        ("a/b.rs", text),
        ("a/d.rs", ""),
        ("c/mod.rs", "mod e;"),
        ("c/e.rs", ""),
    ]);
    let line = lines.iter().find_map(|line| line.strip_prefix("a::b: "));
    line.unwrap_or_default().to_owned()
}

#[test]
fn every_way_to_name_a_module_is_read() {
    let table = [
        ("use crate::c::Name;", "c"),
        ("use crate::c::e::{self, Name as Other};", "c::e"),
        (
            "pub(super) use crate::{a::{Name, d::*}, c::{e, Other}};",
            "a a::d c c::e",
        ),
        ("use super::{Name, d};", "a a::d"),
        ("use super::super::c;", "c"),
        ("fn f() -> crate::c::Name { super::f() }", "a c"),
        ("fn f() { format!(\"{}\", crate::c::e::f(1)) }", "c::e"),
        ("fn f(a: &dyn Fn(crate::c::Name)) {}", "c"),
        ("use crate::c; fn f() { c::e::f() }", "c c::e"),
        ("use crate::Name;", "lib"),
        ("mod inner { use super::super::d; use crate::c; }", "a::d c"),
        ("#[cfg(feature = \"x\")] use crate::c;", "c"),
        // Not imports, or not of this crate.
        ("use std::a::b; use ::c::Name; use self::Own;", ""),
        ("use other::c::Name; fn f() { Own::c::e() }", ""),
        ("// use crate::c;\n/* crate::c */ /// crate::c", ""),
        ("const A: &str = \"crate::c::Name\";", ""),
        ("#[cfg(test)]\nmod tests { use crate::c; fn f() {} }", ""),
        (
            "#[cfg(all(test, loom))] pub(crate) mod model { use crate::c; }",
            "",
        ),
        ("#[cfg(test)] #[path = \"else.rs\"] mod tests;", ""),
    ];
    for (text, used) in table {
        assert_eq!(used_by_b(text), used, "{text}");
    }
}

#[test]
fn a_declaration_is_not_an_import_and_a_use_of_a_child_is() {
    let with = |parent: &str| {
        read(&[
            ("lib.rs", "mod a;"),
            ("a.rs", parent),
            ("a/b.rs", "use super::Own;"),
        ])
    };
    let none: [&str; 0] = [];
    assert_eq!(with("mod b; struct Own;").1, none);
    for parent in [
        "mod b; use b::Name;",
        "mod b; use self::b::Name;",
        "mod b; fn f() { b::f() }",
    ] {
        assert_eq!(with(parent).1, ["a a::b"], "{parent}");
    }
}

#[test]
fn circles_are_found_at_any_length() {
    let table = [
        ("", "", "", vec![]),
        ("use crate::b::B;", "use crate::c::C;", "", vec![]),
        ("use crate::b::B;", "use crate::a::A;", "", vec!["a b"]),
        (
            "use crate::b::B;",
            "use crate::c::C;",
            "use super::a::A;",
            vec!["a b c"],
        ),
        ("use crate::own::A;", "", "", vec!["lib a"]),
    ];
    for (a, b, c, expected) in table {
        let root = "mod a; mod b; mod c; pub use a::A as own;";
        let (_, circles) = read(&[("lib.rs", root), ("a.rs", a), ("b.rs", b), ("c.rs", c)]);
        assert_eq!(circles, expected, "{a} {b} {c}");
    }
}

#[test]
fn an_import_of_a_higher_room_is_found() {
    let files = [
        ("lib.rs", "mod client; mod error; mod fetch;"),
        ("client.rs", "use crate::fetch::deep::Fetch;"),
        ("error.rs", ""),
        ("fetch/mod.rs", "mod deep;"),
        ("fetch/deep.rs", "use crate::{client::NexusClient, error};"),
    ];
    let load = |path: &Path| {
        let mut files = files.iter();
        let file = files.find(|(own, _)| Path::new(own) == path);
        file.map(|(_, text)| (*text).to_owned())
    };
    let imports = reader::imports(Path::new("lib.rs"), &load);
    assert_eq!(upward(ROOMS, &imports), ["fetch::deep uses client"]);
}
