//! Events of a Windows console during a call to the gateway: the program ends once the response has come.
//!
//! Only C can send such an event, so `.ci/windows` builds a program for it. Without `NEXUS_TEST_CTRL_C`, the address of that
//! program, these tests do nothing.

use std::env;
use std::os::windows::process::CommandExt as _;
use std::process::{Child, Command};

use crate::slow::{WAITING, expect, respond, slow, started_by};

/// The flag of `CreateProcess` for a process with a console of its own, which has no window.
const CREATE_NO_WINDOW: u32 = 0x0800_0000;
/// `STATUS_CONTROL_C_EXIT`.
const INTERRUPTED: i32 = 0xC000_013A_u32.cast_signed();

/// Presses Ctrl-C in the console of a process.
fn interrupt(child: &Child) {
    let program = env::var_os("NEXUS_TEST_CTRL_C").unwrap();
    let sent = Command::new(program).arg(child.id().to_string()).status();
    assert_eq!(sent.unwrap().code(), Some(0));
}

#[test]
fn an_event_waits_for_the_response_and_a_second_one_does_not() {
    if env::var_os("NEXUS_TEST_CTRL_C").is_none() {
        return;
    }
    for is_second in [false, true] {
        let slow = slow();
        let mut command = slow.command(&["token", "--show"]);
        command.creation_flags(CREATE_NO_WINDOW);
        let (child, mut stderr, request) = started_by(&slow, &mut command);
        interrupt(&child);
        expect(&mut stderr, WAITING);
        if is_second {
            interrupt(&child);
        } else {
            assert!(respond(request), "hung up");
        }
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(INTERRUPTED), "{is_second}");
        assert_eq!(output.stdout, b"", "{is_second}");
    }
}
