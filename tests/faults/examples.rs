//! The examples under every fault.

use std::process::Command;

use crate::calls::FaultyServer;
use crate::example;
use crate::programs::{configured, for_all, is_answer, stdout_of};

fn program(name: &str, server: &FaultyServer, workspace: &str, path: &str) -> Command {
    let command = example::program(name);
    configured(command, server, workspace, path)
}

#[test]
fn the_quickstart_prints_its_steps_alone() {
    for_all(false, |server, case, row| {
        let steps = |workspace: &str, path: &str| {
            let out = stdout_of(&mut program("quickstart", server, workspace, path));
            for line in out.lines() {
                let step = line
                    .split_once(". ")
                    .map(|(number, _)| number.parse::<u8>());
                assert!(matches!(step, Some(Ok(1..=6))), "{}: {out}", row.name);
            }
            out.lines().count()
        };
        let expected = if row.gateway == "ok" { 6 } else { 0 };
        let workspace = format!("case-{case}-Gateway");
        assert_eq!(steps(&workspace, ""), expected, "{}", row.name);
        let works = is_answer(row.upstream) || row.is_repeated();
        let expected = if works { 6 } else { 4 };
        let path = format!("/case-{case}-Upstream");
        assert_eq!(steps("ws", &path), expected, "{}", row.name);
    });
}

#[test]
fn the_tools_client_prints_nothing_when_it_fails() {
    for_all(false, |server, case, row| {
        // The document is not a list of tools.
        let path = format!("/case-{case}-Tools");
        let out = stdout_of(&mut program("rest_tools", server, "ws", &path));
        assert_eq!(out, "", "{}", row.name);
    });
}
