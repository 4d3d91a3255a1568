//! Small crates that show what the check finds.

use std::path::Path;

use crate::{LAYERS, circles, name, reader, upward};

fn read(files: &[(&str, &str)]) -> reader::Imports {
    let load = |path: &Path| {
        let file = files.iter().find(|(own, _)| Path::new(own) == path);
        file.map(|(_, text)| (*text).to_owned())
    };
    reader::imports(Path::new("lib.rs"), &load)
}

#[test]
fn every_way_to_name_a_module_is_read() {
    for (text, expected) in [
        ("use crate::c::Name;", "c"),
        ("use crate::c::e::{self, Name as Other};", "c::e"),
        ("use crate::{a::{N, d::*}, c::{e, O}};", "a a::d c c::e"),
        ("use super::{Name, d};", "a a::d"),
        ("use super::super::c;", "c"),
        ("fn f() -> crate::c::Name { super::f() }", "a c"),
        ("fn f() { format!(\"{}\", crate::c::e::f(1)) }", "c::e"),
        ("fn f(a: &dyn Fn(crate::c::Name)) {}", "c"),
        ("use crate::c; fn f() { c::e::f() }", "c c::e"),
        ("use crate::Name;", "lib"),
        ("#[cfg(feature = \"x\")] use crate::c;", "c"),
        ("#[cfg(test)] use super::Name; mod g;", "a"),
        ("mod g; use g::Name;", "a::b::g"),
        ("mod g; use self::g::Name;", "a::b::g"),
        ("mod g; fn f() { g::f() }", "a::b::g"),
        // Not imports, or not of this crate.
        ("mod g; struct Own;", ""),
        ("use std::a::b; use ::c::Name; use self::Own;", ""),
        ("use other::c::Name; fn f() { Own::c::e() }", ""),
        ("// use crate::c;\n/* crate::c */ /// crate::c", ""),
        ("const A: &str = \"crate::c::Name\";", ""),
        ("#[cfg(test)]\nmod tests { use crate::c; }", ""),
        (
            "#[cfg(all(test, x))] pub(crate) mod m { use crate::c; }",
            "",
        ),
        ("#[cfg(test)] #[path = \"else.rs\"] mod tests;", ""),
    ] {
        let imports = read(&[
            ("lib.rs", "mod a; mod c;"),
            ("a.rs", "mod b; mod d;"),
            ("a/b.rs", text),
            ("a/b/g.rs", ""),
            ("a/d.rs", ""),
            ("c/mod.rs", "mod e;"),
            ("c/e.rs", ""),
        ]);
        let used = &imports[&["a".to_owned(), "b".to_owned()][..]];
        let used: Vec<_> = used.iter().map(name).collect();
        assert_eq!(used.join(" "), expected, "{text}");
    }
}

#[test]
fn circles_are_found_at_any_length() {
    let (to_a, to_b) = ("use crate::a::A;", "use crate::b::B;");
    for (a, b, c, expected) in [
        ("", "", "", ""),
        (to_b, "use crate::c::C;", "", ""),
        (to_b, to_a, "", "a b"),
        (to_b, "use crate::c::C;", "use super::a::A;", "a b c"),
        ("use crate::own::A;", "", "", "lib a"),
    ] {
        let root = "mod a; mod b; mod c; pub use a::A as own;";
        let imports = read(&[("lib.rs", root), ("a.rs", a), ("b.rs", b), ("c.rs", c)]);
        let circles: Vec<_> = circles(&imports).into_iter().flatten().collect();
        let circles: Vec<_> = circles.iter().map(name).collect();
        assert_eq!(circles.join(" "), expected, "{a} {b} {c}");
    }
}

#[test]
fn an_import_of_a_higher_layer_is_found() {
    let imports = read(&[
        ("lib.rs", "mod client; mod error; mod fetch;"),
        ("client.rs", "use crate::fetch::deep::Fetch;"),
        ("error.rs", ""),
        ("fetch/mod.rs", "mod deep;"),
        ("fetch/deep.rs", "use crate::{client::NexusClient, error};"),
    ]);
    assert_eq!(upward(LAYERS, &imports), ["fetch::deep uses client"]);
}
