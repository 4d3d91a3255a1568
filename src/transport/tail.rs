//! The last bytes of a response, as they arrived. ureq gives a body that says gzip to its decoder,
//! which does not tell an empty one from one that is shorter than the header of gzip.

use std::cell::Cell;

use ureq::unversioned::transport::{Buffers, ConnectionDetails, Connector, NextTimeout, Transport};

thread_local! {
    static LAST: Cell<[u8; 9]> = const { Cell::new([0; 9]) };
}

/// Whether the last response of this thread ended with its head, but for a chunk of no bytes.
pub(super) fn was_bare(is_chunked: bool) -> bool {
    let end: &[u8] = if is_chunked {
        b"\r\n\r\n0\r\n\r\n"
    } else {
        b"\r\n\r\n"
    };
    LAST.get().ends_with(end)
}

/// Goes on top of a connection, of its TLS too.
#[derive(Debug)]
pub(super) struct Watch;

impl<In: Transport> Connector<In> for Watch {
    type Out = Watched<In>;

    fn connect(
        &self,
        _: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, ureq::Error> {
        Ok(chained.map(|inner| Watched {
            inner,
            last: [0; 9],
        }))
    }
}

#[derive(Debug)]
pub(super) struct Watched<In> {
    inner: In,
    last: [u8; 9],
}

impl<In: Transport> Transport for Watched<In> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.inner.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        self.inner.transmit_output(amount, timeout)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        let before = self.inner.buffers().input().len();
        let more = self.inner.await_input(timeout)?;
        let input = self.inner.buffers().input();
        if let Some(last) = input.last_chunk() {
            self.last = *last;
        } else {
            for byte in input.get(before..).unwrap_or_default() {
                self.last.rotate_left(1);
                self.last[8] = *byte;
            }
        }
        LAST.set(self.last);
        Ok(more)
    }

    fn is_open(&mut self) -> bool {
        self.inner.is_open()
    }

    fn is_tls(&self) -> bool {
        self.inner.is_tls()
    }
}
