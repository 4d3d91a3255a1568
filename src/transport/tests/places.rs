//! Where an exchange fails decides whether its request may be sent again.

use std::sync::atomic::{AtomicUsize, Ordering};

use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, LazyBuffers, NextTimeout, Transport as Connection,
};

use super::agent::Opener;
use super::*;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Place {
    Opening,
    Sending,
    Receiving,
}

/// Opens connections that fail so, and counts how often.
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

/// A transport whose agent is the caller's own, or the SDK's.
fn failing(place: Place, kind: io::ErrorKind, is_own: bool) -> (Transport, Arc<AtomicUsize>) {
    let failed = Arc::default();
    let chain = Faulty {
        place,
        kind,
        failed: Arc::clone(&failed),
    };
    let config = agent::settings(None).proxy(None).build();
    let names = local();
    let agent = if is_own {
        ureq::Agent::with_parts(config, chain, names.clone())
    } else {
        let opener = Opener {
            chain,
            names: names.clone(),
            tls: 0,
        };
        ureq::Agent::with_parts(config, opener, names.clone())
    };
    let transport = Transport {
        agent,
        names: (!is_own).then_some(names),
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
    // Where that is known, and where it is told by the kind alone.
    let table: [(io::ErrorKind, &[Place], &[Place]); 5] = [
        (
            ConnectionRefused,
            &[Opening],
            &[Opening, Sending, Receiving],
        ),
        (AddrNotAvailable, &[Opening], &[Opening, Sending, Receiving]),
        (HostUnreachable, &[Opening], &[]),
        (NetworkUnreachable, &[Opening], &[]),
        (ConnectionReset, &[], &[]),
    ];
    for (kind, known, guessed) in table {
        for (is_own, allowed) in [(false, known), (true, guessed)] {
            for place in [Opening, Sending, Receiving] {
                let (transport, _) = failing(place, kind, is_own);
                let failure = post("http://example.test/", "x").sent(&transport).err();
                let again = failure.unwrap().allows_another(&Method::POST);
                assert_eq!(
                    again,
                    allowed.contains(&place),
                    "{kind}, {place:?}, {is_own}"
                );
            }
        }
    }
}

/// Of a caller's own agent every connection may be a pooled one.
#[test]
fn a_new_connection_that_is_cut_is_not_tried_twice() {
    for (is_own, times) in [(false, 1), (true, 2)] {
        for place in [Place::Sending, Place::Receiving] {
            let (transport, failed) = failing(place, io::ErrorKind::ConnectionReset, is_own);
            get("http://example.test/").of(&transport).err().unwrap();
            assert_eq!(failed.load(Ordering::Relaxed), times, "{place:?}, {is_own}");
        }
    }
}
