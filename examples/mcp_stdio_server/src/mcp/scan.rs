//! Limits for the JSON of a line. Once parsed, a line can take a hundred times its size in memory, so a scan checks it
//! before `serde_json` parses it.

use serde_json::Value;

/// The maximum number of values in a line, of which each comma, colon and opening bracket outside of strings counts as
/// one.
const MAX_VALUES: usize = 200_000;
/// The deepest nesting that `serde_json` parses.
const MAX_DEPTH: usize = 127;
/// The maximum size of an outline, in bytes. The responses to a batch of numbers take three hundred times as much memory.
const MAX_OUTLINE: usize = 512 << 10;

#[derive(Default)]
pub(super) struct Scan {
    values: usize,
    depth: usize,
    deepest: usize,
    in_string: bool,
    is_escaped: bool,
    outline: Vec<u8>,
}

impl Scan {
    pub(super) fn of(text: &str) -> Self {
        let mut scan = Self::default();
        let brackets = text.bytes().filter(|byte| matches!(byte, b'[' | b'{'));
        // Most lines are too short and have too few brackets to exceed a limit, so they are not scanned.
        if text.len() <= MAX_VALUES && brackets.count() <= MAX_DEPTH {
            return scan;
        }
        // The messages of a batch are in a list.
        let is_batch = text.trim_start().starts_with('[');
        let kept = if is_batch { 2 } else { 1 };
        for byte in text.bytes() {
            let before = scan.depth;
            scan.read(byte);
            if before.min(scan.depth) <= kept && scan.outline.len() < MAX_OUTLINE {
                scan.outline.push(byte);
            }
        }
        scan
    }

    fn read(&mut self, byte: u8) {
        match byte {
            _ if self.is_escaped => self.is_escaped = false,
            b'\\' => self.is_escaped = self.in_string,
            b'"' => self.in_string = !self.in_string,
            _ if self.in_string => {}
            b',' | b':' => self.values = self.values.saturating_add(1),
            b'[' | b'{' => {
                self.values = self.values.saturating_add(1);
                self.depth = self.depth.saturating_add(1);
                self.deepest = self.deepest.max(self.depth);
            }
            b']' | b'}' => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
    }

    /// Fails if the line is nested too deeply, or has too many values.
    pub(super) fn check(&self) -> Result<(), &'static str> {
        if self.deepest > MAX_DEPTH {
            Err("values must not be nested more than 127 deep")
        } else if self.values > MAX_VALUES {
            Err(
                "a line must not have more than 200,000 values; each comma, colon and opening bracket counts as one",
            )
        } else {
            Ok(())
        }
    }

    /// Returns the messages of the line without the contents of their lists and objects, such as `params`. Returns
    /// `None` if the rest is not JSON or is too long. Errors in the contents that are left out are not noticed.
    pub(super) fn outline(&self) -> Option<Value> {
        serde_json::from_slice(&self.outline).ok()
    }
}
