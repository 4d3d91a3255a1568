//! The place at which an exchange failed decides whether the request may be sent again.

use std::sync::atomic::{AtomicUsize, Ordering};

use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, LazyBuffers, NextTimeout, Transport as Connection,
};

use super::*;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Place {
    Opening,
    Sending,
    Receiving,
}

/// Opens connections that fail at this place, and counts the failures.
#[derive(Clone, Debug)]
struct Faulty {
    place: Place,
    kind: io::ErrorKind,
    failed: Arc<AtomicUsize>,
}

#[derive(Debug)]
struct Line(Faulty, LazyBuffers);

impl Faulty {
    fn reach(&self, place: Place) -> Result<(), ureq::Error> {
        if self.place != place {
            return Ok(());
        }
        self.failed.fetch_add(1, Ordering::Relaxed);
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
        Ok(Some(Line(self.clone(), LazyBuffers::new(1_024, 1_024))))
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

/// A transport with the SDK's agent or with a caller's agent, whose connections fail.
fn failing(
    place: Place,
    kind: io::ErrorKind,
    has_callers_agent: bool,
) -> (Transport, Arc<AtomicUsize>) {
    let failed = Arc::default();
    let chain = Faulty {
        place,
        kind,
        failed: Arc::clone(&failed),
    };
    let config = agent::settings(LONG).proxy(None).build();
    let agent = if has_callers_agent {
        ureq::Agent::with_parts(config, chain, Hosts::local())
    } else {
        let opener = agent::Opener {
            chain,
            resolver: Hosts::local(),
            tls: 0,
        };
        ureq::Agent::with_parts(config, opener, agent::Unresolved)
    };
    let transport = Transport {
        agent,
        has_callers_agent,
        idle: None,
        max_body_bytes: 1 << 20,
    };
    (transport, failed)
}

#[test]
fn a_post_may_be_sent_again_only_where_no_connection_was_open() {
    use Place::{Opening, Receiving, Sending};
    use io::ErrorKind::{
        AddrNotAvailable, ConnectionRefused, ConnectionReset, HostUnreachable, NetworkUnreachable,
    };
    // With the SDK's agent, the place of the failure decides. With a caller's agent, the kind of error does.
    let table: [(io::ErrorKind, &[Place]); 5] = [
        (ConnectionRefused, &[Opening, Sending, Receiving]),
        (AddrNotAvailable, &[Opening, Sending, Receiving]),
        (HostUnreachable, &[]),
        (NetworkUnreachable, &[]),
        (ConnectionReset, &[]),
    ];
    for (kind, guessed) in table {
        for (is_callers, allowed) in [(false, &[Opening][..]), (true, guessed)] {
            for place in [Opening, Sending, Receiving] {
                let (transport, _) = failing(place, kind, is_callers);
                let failure = post("http://example.test/", "x").sent(&transport).err();
                let again = failure.unwrap().allows_another(&Method::POST);
                assert_eq!(
                    again,
                    allowed.contains(&place),
                    "{kind}, {place:?}, {is_callers}"
                );
            }
        }
    }
}

/// With a caller's agent, any connection may come from the pool.
#[test]
fn a_new_connection_that_is_cut_is_not_tried_twice() {
    for (is_callers, times) in [(false, 1), (true, 2)] {
        for place in [Place::Sending, Place::Receiving] {
            let (transport, failed) = failing(place, io::ErrorKind::ConnectionReset, is_callers);
            get("http://example.test/").of(&transport).err().unwrap();
            assert_eq!(
                failed.load(Ordering::Relaxed),
                times,
                "{place:?}, {is_callers}"
            );
        }
    }
}
