//! Help, manual pages, and how wide they are.

use std::fs;

use crate::{Bench, finish, spawn};

const COMMANDS: &str = "connect status token refresh revoke providers health fetch exec git-credential aws-credentials env \
                        gateway completions man";

/// Returns the help of a command for a terminal of this width.
fn help(bench: &Bench, command: &str, width: &str) -> String {
    let ran = bench.run_in(&format!("{command} --help"), "COLUMNS", width);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{command}");
    ran.out
}

fn pages() -> impl Iterator<Item = &'static str> {
    [""].into_iter().chain(COMMANDS.split_whitespace())
}

#[test]
fn lines_fit_the_terminal_and_words_are_whole() {
    let bench = Bench::new("width");
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    for command in pages() {
        let widest = help(&bench, command, "300");
        for width in [80, 100, 300] {
            let shown = help(&bench, command, &width.to_string());
            let longest = shown.lines().map(|line| line.chars().count()).max();
            // Wider lines are hard to read.
            assert!(longest <= Some(width.min(100)), "{command}: {shown}");
            assert_eq!(words(&shown), words(&widest), "{command} {width}");
        }
    }
}

/// The tables and examples below the options are laid out by hand, for 80 columns.
#[test]
fn what_is_laid_out_by_hand_is_not_wrapped_at_80_columns() {
    let bench = Bench::new("layout");
    for command in pages() {
        let [narrow, wide] = ["80", "100"].map(|width| help(&bench, command, width));
        let below = |text: &str| {
            let parts: Vec<_> = text.rsplitn(2, "Print help\n").collect();
            parts[0].to_owned()
        };
        let [narrow, wide] = [below(&narrow), below(&wide)];
        assert_eq!(narrow, wide, "{command}");
        // Manual pages indent these lines by 7 columns, and have no wider ones.
        let (_, by_hand) = wide.split_once("URL]\n").unwrap_or_default();
        for line in by_hand.lines() {
            assert!(line.len() <= 75, "{command}: {line}");
        }
    }
}

#[test]
fn commands_that_people_start_with_have_examples() {
    let bench = Bench::new("examples");
    for command in ["connect", "fetch", "token"] {
        let shown = help(&bench, command, "80");
        let (_, examples) = shown.split_once("\nExamples:\n").unwrap();
        let count = examples.matches(&format!("nexus {command} ")).count();
        assert!(count >= 3, "{command}: {examples}");
    }
}

#[test]
fn nexus_alone_prints_its_help() {
    let bench = Bench::new("alone");
    // On Windows, `--help` shows the name of the file.
    let help = bench.run("--help").out.replace("nexus.exe", "nexus");
    for args in ["", "--gateway http://127.0.0.1:1"] {
        let ran = bench.run(args);
        assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{args}");
        assert_eq!(ran.out, help, "{args}");
    }
}

#[test]
fn manual_pages_come_from_the_same_definitions() {
    let bench = Bench::new("man");
    let main = bench.run("man");
    assert_eq!((main.code, main.err.as_str()), (0, ""));
    assert!(main.out.contains(".TH nexus 1"), "{}", main.out);
    for command in COMMANDS.split_whitespace() {
        let escaped = command.replace('-', "\\-");
        let listed = format!("nexus\\-{escaped}(1)");
        assert!(main.out.contains(&listed), "{listed}: {}", main.out);
    }
    let fetch = bench.run("man fetch").out;
    for part in ["\\-\\-allow\\-insecure\\-http", "\n.SH EXAMPLES\n.nf\n"] {
        assert!(fetch.contains(part), "{part}: {fetch}");
    }
    let all = bench.run("man --dir {dir}");
    assert_eq!((all.code, all.out.as_str(), all.err.as_str()), (0, "", ""));
    let page = fs::read_to_string(bench.file("nexus-fetch.1"));
    assert_eq!(page.unwrap(), fetch);
    assert_eq!(fs::read_to_string(bench.file("nexus.1")).unwrap(), main.out);
    bench.assert_errors(&[
        ("man fly", 2, "no such command"),
        ("man fetch --dir {dir}", 2, "cannot be used with"),
        ("man --dir {dir}/missing", 1, "cannot write to"),
    ]);
}

/// `man` reads the page without a complaint.
#[cfg(target_os = "linux")]
#[test]
fn man_shows_the_pages() {
    let Ok(groff) = std::process::Command::new("groff")
        .arg("--version")
        .output()
    else {
        return;
    };
    assert!(groff.status.success());
    let bench = Bench::new("groff");
    let pages = ["", "fetch", "connect", "gateway"];
    for command in pages {
        let page = bench.run(&format!("man {command}")).out;
        let mut groff = std::process::Command::new("groff");
        groff.args(["-man", "-Tutf8", "-ww", "-z"]);
        let ran = finish(spawn(&mut groff), page.as_bytes());
        assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{command}");
    }
}
