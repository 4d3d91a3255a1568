//! What each caller does, second by second. No test has a thread or a server, or waits.

use Event::{
    Down, Forbid, Gives, Need, NeedElsewhere, NeedStrict, No, Refuse, RefuseElsewhere, Remove, Set,
};

use super::*;
use crate::error::ErrorKind;

const BUFFER: Duration = Duration::from_secs(30);

/// An event in the life of a slot. Tokens are named, and live for a number of seconds.
#[derive(Debug, Clone, Copy)]
enum Event {
    /// A caller is about to send a request.
    Need,
    /// The same, in a client without `stale_if_error`.
    NeedStrict,
    /// The same, in a client of another gateway.
    NeedElsewhere,
    /// An API has refused this token with 401.
    Refuse(&'static str),
    /// The same, in a client of another gateway.
    RefuseElsewhere(&'static str),
    /// An API has refused this token with 403.
    Forbid(&'static str),
    /// The gateway answers the oldest question with a token, which was requested at this second.
    Gives(&'static str, u64, u64),
    /// The gateway answers the oldest question with a final error.
    No,
    /// The oldest question is not answered.
    Down,
    /// The program sets a token.
    Set(&'static str, u64),
    /// The program removes the token.
    Remove,
}

struct Life {
    start: Now,
    slot: Slot,
    questions: Vec<Question>,
}

impl Life {
    fn new() -> Self {
        Self {
            start: Now::read(),
            slot: Slot::empty(None),
            questions: Vec::new(),
        }
    }

    fn at(&self, second: u64) -> Now {
        self.start.after(Duration::from_secs(second))
    }

    fn token(&self, name: &str, from: u64, lifetime: u64) -> Arc<CachedToken> {
        let expires_at = self.at(from + lifetime).wall;
        Arc::new(CachedToken::new(name, "Bearer", expires_at))
    }

    /// Applies an event, and says what a caller does.
    fn apply(&mut self, second: u64, event: Event) -> String {
        let now = self.at(second);
        match event {
            Need => return self.want(&Reason::Needed, "ours", true, now),
            NeedStrict => return self.want(&Reason::Needed, "ours", false, now),
            NeedElsewhere => return self.want(&Reason::Needed, "theirs", true, now),
            Refuse(name) => {
                let refused = Reason::Refused(self.token(name, 0, 9999), 401);
                return self.want(&refused, "ours", true, now);
            }
            RefuseElsewhere(name) => {
                let refused = Reason::Refused(self.token(name, 0, 9999), 401);
                return self.want(&refused, "theirs", true, now);
            }
            Forbid(name) => {
                let refused = Reason::Refused(self.token(name, 0, 9999), 403);
                return self.want(&refused, "ours", true, now);
            }
            Gives(name, lifetime, from) => {
                let token = self.token(name, from, lifetime);
                let requested = self.at(from);
                self.done(Ok((token, requested)), now);
            }
            No => self.done(
                Err(NexusError::with_code("connection_not_found", "no")),
                now,
            ),
            Down => {
                let error = NexusError::new(ErrorKind::RequestFailed, "down");
                self.done(Err(error), now);
            }
            Set(name, lifetime) => {
                let token = self.token(name, second, lifetime);
                self.slot = Slot::set(token, BUFFER, now, now.mono);
            }
            Remove => self.slot = Slot::empty(Some(now.mono)),
        }
        String::new()
    }

    fn want(&mut self, reason: &Reason, gateway: &str, uses_stale: bool, now: Now) -> String {
        let asker = Asker {
            gateway: gateway.into(),
            uses_stale,
        };
        match self.slot.want(reason, &asker, now) {
            Want::Use(token) => format!("use {}", token.access_token),
            Want::Keep(token, None) => format!("keep {}", token.access_token),
            Want::Keep(token, Some(error)) => format!("keep {}, {error}", token.access_token),
            Want::Ask(question) => {
                let has_stale = question.has_stale;
                self.questions.push(question);
                if has_stale { "ask, has stale" } else { "ask" }.to_owned()
            }
        }
    }

    fn done(&mut self, outcome: Outcome, now: Now) {
        let question = self.questions.remove(0);
        self.slot.done(&question, outcome, BUFFER, now);
    }
}

type Row = (u64, Event, &'static str);

/// The number of the behaviour, and what happens, second by second.
const LIVES: &[(&str, &[Row])] = &[
    (
        "3: a token is fresh until its buffer, and is not cached if it arrives expired",
        &[
            (0, Need, "ask"),
            (1, Gives("t", 100, 0), ""),
            (69, Need, "use t"),
            (70, Need, "ask, has stale"),
            (70, Gives("late", 60, 9), ""),
            (70, Need, "ask"),
        ],
    ),
    (
        "3: a token that arrives within its buffer is fresh for 5 s",
        &[
            (0, Need, "ask"),
            (0, Gives("t", 20, 0), ""),
            (4, Need, "use t"),
            (5, Need, "ask, has stale"),
        ],
    ),
    (
        "3: a token that the program sets within its buffer is stale at once",
        &[(0, Set("t", 20), ""), (0, Need, "ask, has stale")],
    ),
    (
        "4: one caller in 5 s asks about a stale token, never past its expiry",
        &[
            (0, Set("t", 100), ""),
            (80, Need, "ask, has stale"),
            (80, Need, "use t"),
            (84, Need, "use t"),
            (85, Need, "ask, has stale"),
            (97, Need, "ask, has stale"),
            (99, Need, "use t"),
            (100, Need, "ask"),
        ],
    ),
    (
        "4: the answer replaces the stale token",
        &[
            (0, Set("t", 100), ""),
            (80, Need, "ask, has stale"),
            (81, Gives("u", 100, 80), ""),
            (86, Need, "use u"),
        ],
    ),
    (
        "5: callers that miss together get one question, and its outcome makes all others void",
        &[
            (0, Need, "ask"),
            (0, Need, "ask"),
            (1, Gives("t", 100, 0), ""),
            (1, Gives("late", 100, 0), ""),
            (1, Need, "use t"),
        ],
    ),
    (
        "6: a removed token is not brought back by a question from before",
        &[
            (0, Need, "ask"),
            (1, Remove, ""),
            (2, Gives("old", 100, 0), ""),
            (2, Need, "ask"),
            (3, Gives("new", 100, 2), ""),
            (3, Need, "use new"),
        ],
    ),
    (
        "6: a token that was set wins against a question from before, its refusal too",
        &[
            (0, Need, "ask"),
            (0, Need, "ask"),
            (1, Set("set", 100), ""),
            (2, Gives("old", 100, 0), ""),
            (2, Need, "use set"),
            (2, No, ""),
            (2, Need, "use set"),
        ],
    ),
    (
        "9: asked at the first refusal, and confirmed again after 2 s, 8 s, and then every 30 s",
        &[
            (0, Set("t", 9999), ""),
            (10, Refuse("t"), "ask"),
            (11, Gives("t", 9999, 10), ""),
            (12, Refuse("t"), "keep t"),
            (13, Refuse("t"), "ask"),
            (13, Gives("t", 9999, 13), ""),
            (20, Refuse("t"), "keep t"),
            (21, Refuse("t"), "ask"),
            (21, Gives("t", 9999, 21), ""),
            (50, Refuse("t"), "keep t"),
            (51, Refuse("t"), "ask"),
            (52, Gives("t", 9999, 51), ""),
            (81, Refuse("t"), "keep t"),
            (82, Refuse("t"), "ask"),
            (82, Need, "use t"),
        ],
    ),
    (
        "9: after no answer, 2 s after asking, as often as it takes",
        &[
            (0, Set("t", 9999), ""),
            (10, Refuse("t"), "ask"),
            (11, Down, ""),
            (11, Refuse("t"), "keep t, request_failed: down"),
            (12, Refuse("t"), "ask"),
            (13, Down, ""),
            (13, Refuse("t"), "keep t, request_failed: down"),
            (14, Refuse("t"), "ask"),
            (19, Down, ""),
            (19, Refuse("t"), "ask"),
            (20, Gives("t", 9999, 19), ""),
            (21, Refuse("t"), "keep t"),
            (22, Refuse("t"), "ask"),
        ],
    ),
    (
        "9: another credential is used by all whose token was refused, and is asked about anew",
        &[
            (0, Set("t", 9999), ""),
            (10, Refuse("t"), "ask"),
            (10, Refuse("t"), "ask"),
            (11, Gives("u", 9999, 10), ""),
            (11, Refuse("t"), "use u"),
            (11, Down, ""),
            (12, Refuse("u"), "ask"),
        ],
    ),
    (
        "9: a renewal with the same credential does not shorten the interval",
        &[
            (0, Set("t", 100), ""),
            (69, Refuse("t"), "ask"),
            (69, Gives("t", 31, 69), ""),
            (70, Refuse("t"), "keep t"),
            (75, Need, "ask, has stale"),
            (75, Refuse("t"), "ask"),
            (76, Gives("t", 24, 75), ""),
            (76, Refuse("t"), "ask"),
        ],
    ),
    (
        "9: an API that refuses some requests with 403 does not delay the question after a 401",
        &[
            (0, Set("t", 9999), ""),
            (10, Forbid("t"), "ask"),
            (10, Gives("t", 9999, 10), ""),
            (11, Forbid("t"), "keep t"),
            (11, Refuse("t"), "ask"),
            (11, Gives("t", 9999, 11), ""),
            (12, Refuse("t"), "keep t"),
            (12, Forbid("t"), "ask"),
        ],
    ),
    (
        "9: a refused token that the cache does not have is asked about",
        &[
            (0, Refuse("t"), "ask"),
            (0, Set("u", 1), ""),
            (2, Refuse("t"), "ask"),
        ],
    ),
    (
        "22: a stale token is used in an outage until it expires",
        &[
            (0, Set("t", 100), ""),
            (80, Need, "ask, has stale"),
            (81, Down, ""),
            (81, Need, "use t"),
            (85, Need, "ask, has stale"),
            (85, Down, ""),
            (100, Need, "ask"),
        ],
    ),
    (
        "5: another client that shares the cache may still get a token after a failure",
        &[
            (0, Need, "ask"),
            (0, Need, "ask"),
            (1, Down, ""),
            (2, Gives("t", 100, 0), ""),
            (2, Need, "use t"),
        ],
    ),
    (
        "22: a definite no ends it at once",
        &[
            (0, Set("t", 100), ""),
            (80, Need, "ask, has stale"),
            (81, No, ""),
            (81, Need, "ask"),
        ],
    ),
    (
        "22: a removed token is not used in an outage",
        &[
            (0, Set("t", 100), ""),
            (80, Need, "ask, has stale"),
            (80, Remove, ""),
            (81, Down, ""),
            (81, Need, "ask"),
        ],
    ),
    (
        "22: without stale_if_error, a stale token is missing",
        &[(0, Set("t", 100), ""), (80, NeedStrict, "ask")],
    ),
    (
        "1: a token from another gateway is missing, and its refusal there removes nothing here",
        &[
            (0, Need, "ask"),
            (0, NeedElsewhere, "ask"),
            (1, Gives("ours", 100, 0), ""),
            (1, NeedElsewhere, "ask"),
            (1, Down, ""),
            (2, No, ""),
            (2, Need, "use ours"),
            (3, NeedElsewhere, "ask"),
            (4, Gives("theirs", 100, 3), ""),
            (4, NeedElsewhere, "use theirs"),
            (4, Need, "ask"),
        ],
    ),
    (
        "1: a failure of one gateway says nothing about a token from another",
        &[
            (0, Need, "ask"),
            (0, Gives("ours", 100, 0), ""),
            (1, RefuseElsewhere("ours"), "ask"),
            (2, Down, ""),
            (2, Refuse("ours"), "ask"),
        ],
    ),
    (
        "1: a token that the program has set is for every gateway",
        &[(0, Set("t", 100), ""), (0, NeedElsewhere, "use t")],
    ),
];

#[test]
fn each_caller_uses_the_token_or_asks_or_keeps_what_was_refused() {
    for (case, rows) in LIVES {
        let mut life = Life::new();
        for (second, event, expected) in *rows {
            let found = life.apply(*second, *event);
            assert_eq!(found, *expected, "{case}: {event:?} at {second} s");
        }
    }
}

/// An earlier request may return a token that was removed or refused since.
#[test]
fn a_question_is_answered_by_a_request_that_began_later_and_is_about_the_same() {
    let mut life = Life::new();
    let (before, after) = (life.at(1).mono, life.at(3).mono);
    life.apply(0, Need);
    life.apply(2, Remove);
    life.apply(2, Need);
    life.apply(2, Refuse("t"));
    life.apply(2, Refuse("u"));
    let [unchanged, removed, refused, other] = life.questions.as_slice() else {
        panic!("four questions");
    };
    let (needed, same, other) = (Some(removed), Some(refused), Some(other));
    let table = [
        (unchanged, before, None, true),
        (unchanged, before, other, true),
        (removed, before, None, false),
        (removed, life.at(2).mono, None, false),
        (removed, after, None, true),
        (refused, after, None, false),
        (refused, after, needed, false),
        (refused, after, other, false),
        (refused, before, same, false),
        (refused, after, same, true),
    ];
    for (number, (question, began, first, answered)) in table.into_iter().enumerate() {
        let found = question.is_answered_by(began, first);
        assert_eq!(found, answered, "row {number}");
    }
}

#[test]
fn a_slot_is_in_use_while_its_token_lives_or_a_question_is_open() {
    let mut life = Life::new();
    assert!(!life.slot.is_in_use(life.at(0)));
    life.apply(0, Need);
    assert!(life.slot.is_in_use(life.at(9999)));
    life.apply(1, Gives("t", 100, 0));
    for (second, in_use) in [(1, true), (99, true), (100, false)] {
        assert_eq!(life.slot.is_in_use(life.at(second)), in_use, "{second} s");
    }
}
