//! The kind of an error decides whether a POST may be sent again. With the SDK's own agent, a new connection that is
//! cut is not replaced.

use std::sync::atomic::{AtomicUsize, Ordering};

use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, DefaultConnector, LazyBuffers, NextTimeout,
    Transport as Connection,
};

use super::*;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Place {
    Opening,
    Sending,
    Receiving,
}

/// Opens connections that fail at this place.
#[derive(Clone, Copy, Debug)]
struct Faulty {
    place: Place,
    kind: io::ErrorKind,
}

#[derive(Debug)]
struct Line(Faulty, LazyBuffers);

impl Faulty {
    fn reach(self, place: Place) -> Result<(), ureq::Error> {
        if self.place != place {
            return Ok(());
        }
        Err(io::Error::from(self.kind).into())
    }
}

impl Connector for Faulty {
    type Out = Line;

    fn connect(
        &self,
        _: &ConnectionDetails<'_>,
        _: Option<()>,
    ) -> Result<Option<Line>, ureq::Error> {
        self.reach(Place::Opening)?;
        Ok(Some(Line(*self, LazyBuffers::new(1_024, 1_024))))
    }
}

impl Connection for Line {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.1
    }

    fn transmit_output(&mut self, _: usize, _: NextTimeout) -> Result<(), ureq::Error> {
        self.0.reach(Place::Sending)
    }

    fn await_input(&mut self, _: NextTimeout) -> Result<bool, ureq::Error> {
        self.0.reach(Place::Receiving).map(|()| false)
    }

    fn is_open(&mut self) -> bool {
        true
    }
}

/// A transport with the SDK's agent or with a caller's agent, whose connections are opened by `chain`.
fn opened_by(chain: impl Connector, has_callers_agent: bool) -> Transport {
    let config = agent::settings(LONG).proxy(None).build();
    Transport {
        agent: ureq::Agent::with_parts(config, chain, Hosts::local()),
        has_callers_agent,
        idle: None,
    }
}

#[test]
fn a_post_may_be_sent_again_only_if_the_error_shows_that_no_connection_was_open() {
    use io::ErrorKind::{
        AddrNotAvailable, ConnectionRefused, ConnectionReset, HostUnreachable, NetworkUnreachable,
    };
    let table = [
        (ConnectionRefused, true),
        (AddrNotAvailable, true),
        (HostUnreachable, false),
        (NetworkUnreachable, false),
        (ConnectionReset, false),
    ];
    for (kind, allowed) in table {
        for place in [Place::Opening, Place::Sending, Place::Receiving] {
            for is_callers in [false, true] {
                let transport = opened_by(Faulty { place, kind }, is_callers);
                let failure = post("http://example.test/", "x").sent(&transport).err();
                let again = failure.unwrap().allows_another(&Method::POST);
                assert_eq!(again, allowed, "{kind}, {place:?}, {is_callers}");
            }
        }
    }
}

/// With a caller's agent, any connection may come from the pool.
#[test]
fn a_new_connection_that_is_cut_is_not_tried_twice() {
    for (is_callers, times) in [(false, 1), (true, 2)] {
        let connections = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&connections);
        let port = serve(move |mut socket| {
            count.fetch_add(1, Ordering::Relaxed);
            head(&mut socket).map(drop)
        });
        let transport = if is_callers {
            opened_by(DefaultConnector::new(), true)
        } else {
            transport(Hosts::local(), |config| config)
        };
        let url = format!("http://example.test:{port}/");
        get(url).of(&transport).err().unwrap();
        assert_eq!(connections.load(Ordering::Relaxed), times, "{is_callers}");
    }
}

#[test]
fn a_proxy_that_makes_no_connection_is_named_as_the_cause() {
    let table = [
        ("", "did not respond", true),
        ("HTTP/1.1 403 Forbidden\r\n\r\n", "responded 403", true),
        (
            "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n",
            "responded 407",
            false,
        ),
    ];
    for (response, reason, retryable) in table {
        let proxy = serve(move |mut socket| {
            head(&mut socket)?;
            socket.write_all(response.as_bytes())
        });
        let transport = transport(Hosts::local(), through(proxy));
        let failure = post("http://example.test/", "body").sent(&transport);
        let failure = failure.err().unwrap();
        let expected = format!(
            "http://example.test: no connection through the proxy: proxy server {reason}; \
             check the proxy settings"
        );
        assert_eq!(failure.error.message(), expected);
        assert_eq!(failure.allows_another(&Method::POST), retryable, "{reason}");
    }
}
