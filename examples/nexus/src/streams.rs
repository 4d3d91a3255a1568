//! Stdin, stdout and stderr, which may be non-blocking: a parent such as Node can share its own pipes with `nexus`. All
//! processes that share a pipe share this mode, so `nexus` leaves it alone, and waits where a blocking stream would.

use std::io::{self, BufRead, ErrorKind, Read, StderrLock, StdinLock, StdoutLock, Write};

/// A standard stream that waits in place of failing with `WouldBlock`.
pub(crate) struct Waiting<S> {
    stream: S,
    which: Stream,
}

#[derive(Clone, Copy)]
enum Stream {
    Stdin,
    Stdout,
    Stderr,
}

pub(crate) fn stdin() -> Waiting<StdinLock<'static>> {
    Waiting {
        stream: io::stdin().lock(),
        which: Stream::Stdin,
    }
}

pub(crate) fn stdout() -> Waiting<StdoutLock<'static>> {
    Waiting {
        stream: io::stdout().lock(),
        which: Stream::Stdout,
    }
}

pub(crate) fn stderr() -> Waiting<StderrLock<'static>> {
    Waiting {
        stream: io::stderr().lock(),
        which: Stream::Stderr,
    }
}

impl<S> Waiting<S> {
    fn retry<T>(&mut self, act: impl Fn(&mut S) -> io::Result<T>) -> io::Result<T> {
        loop {
            match act(&mut self.stream) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => wait(self.which),
                done => return done,
            }
        }
    }
}

impl<S: Read> Read for Waiting<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.stream.read(buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => wait(self.which),
                done => return done,
            }
        }
    }
}

impl<S: BufRead> BufRead for Waiting<S> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        // At the end, a second call would read again, which on a terminal would wait for another Ctrl-D.
        match self.retry(|stream| stream.fill_buf().map(<[u8]>::len))? {
            0 => Ok(&[]),
            _ => self.stream.fill_buf(),
        }
    }

    fn consume(&mut self, amount: usize) {
        self.stream.consume(amount);
    }
}

impl<S: Write> Write for Waiting<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.retry(|stream| stream.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.retry(S::flush)
    }
}

/// Waits until the stream can be read or written, or has failed.
#[cfg(unix)]
fn wait(which: Stream) {
    use rustix::event::{PollFd, PollFlags, poll};

    let (stdin, stdout, stderr) = (io::stdin(), io::stdout(), io::stderr());
    let stream = match which {
        Stream::Stdin => PollFd::new(&stdin, PollFlags::IN),
        Stream::Stdout => PollFd::new(&stdout, PollFlags::OUT),
        Stream::Stderr => PollFd::new(&stderr, PollFlags::OUT),
    };
    if poll(&mut [stream], None).is_err() {
        // A signal has interrupted the call, or the system cannot poll this kind of file.
        pause();
    }
}

#[cfg(not(unix))]
fn wait(_: Stream) {
    pause();
}

fn pause() {
    std::thread::sleep(std::time::Duration::from_millis(5));
}

/// Reads a line, without the LF or CRLF at its end and without the byte order mark that programs on Windows may write at
/// the start. Returns `None` at the end of the input.
pub(crate) fn read_line(input: &mut impl BufRead) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    if input.read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    if line.last() == Some(&b'\n') {
        line.pop();
        line.pop_if(|last| *last == b'\r');
    }
    match line.strip_prefix("\u{feff}".as_bytes()) {
        Some(rest) => Ok(Some(rest.to_vec())),
        None => Ok(Some(line)),
    }
}

/// Returns the lines of a text as `read_line` does. Fails with a problem if a line is not UTF-8.
pub(crate) fn lines(mut text: &[u8]) -> Result<Vec<String>, String> {
    let mut lines = Vec::new();
    // Reading from memory does not fail.
    while let Ok(Some(line)) = read_line(&mut text) {
        let number = lines.len().saturating_add(1);
        let line = String::from_utf8(line);
        lines.push(line.map_err(|_| format!("line {number} is not UTF-8; encode it as UTF-8"))?);
    }
    Ok(lines)
}
