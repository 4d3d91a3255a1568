//! Finds any of several patterns in a stream of bytes, in time proportional to the stream (Aho and Corasick, 1975).

use std::collections::VecDeque;

/// The state in which no pattern has begun.
pub(super) const START: u32 = 0;

/// The states are the prefixes of the patterns. The automaton is in the state of the longest prefix that the stream
/// ends with.
pub(super) struct Automaton {
    states: Vec<State>,
    /// The edges of states that have more than one edge.
    edges: Vec<Edge>,
    /// The state after a byte in the state `START`.
    first: [u32; 256],
}

#[derive(Clone, Default)]
struct State {
    edge: Edge,
    /// The state to go on from after a byte without an edge.
    fallback: u32,
    /// The length of the longest pattern that ends here, or 0.
    found: u32,
}

/// The step from a state to a longer prefix.
#[derive(Clone, Copy, Default)]
struct Edge {
    byte: u8,
    /// `START` if there is no edge.
    to: u32,
    /// The number of the state's next edge, plus one, or 0 if there is none.
    next: u32,
}

fn number(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

impl Automaton {
    pub(super) fn new(patterns: &[Vec<u8>]) -> Self {
        let mut automaton = Self {
            states: vec![State::default()],
            edges: Vec::new(),
            first: [START; 256],
        };
        for pattern in patterns {
            let mut state = START;
            for byte in pattern {
                state = automaton.child(state, *byte);
            }
            if let Some(end) = automaton.state_mut(state) {
                end.found = number(pattern.len());
            }
        }
        automaton.set_fallbacks();
        automaton
    }

    fn state(&self, state: u32) -> Option<&State> {
        self.states.get(usize::try_from(state).ok()?)
    }

    fn state_mut(&mut self, state: u32) -> Option<&mut State> {
        self.states.get_mut(usize::try_from(state).ok()?)
    }

    /// Returns the state that an edge leads to, or `START` if there is no such edge.
    fn edge(&self, state: &State, byte: u8) -> u32 {
        let mut edge = state.edge;
        while edge.byte != byte {
            let next = usize::try_from(edge.next).unwrap_or_default();
            let next = next.checked_sub(1).and_then(|next| self.edges.get(next));
            let Some(next) = next else { return START };
            edge = *next;
        }
        edge.to
    }

    /// Returns the state that an edge leads to, and adds the edge if it is missing.
    fn child(&mut self, from: u32, byte: u8) -> u32 {
        let new = number(self.states.len());
        let added = number(self.edges.len()).saturating_add(1);
        let is_root = from == START;
        let known = match self.state(from) {
            _ if is_root => self.first(byte),
            Some(state) => self.edge(state, byte),
            None => START,
        };
        if known != START {
            return known;
        }
        if let Some(first) = self.first.get_mut(usize::from(byte)).filter(|_| is_root) {
            *first = new;
        }
        let mut displaced = None;
        if let Some(state) = self.state_mut(from) {
            let mut edge = Edge {
                byte,
                to: new,
                next: 0,
            };
            if state.edge.to != START {
                displaced = Some(state.edge);
                edge.next = added;
            }
            state.edge = edge;
        }
        self.edges.extend(displaced);
        self.states.push(State::default());
        new
    }

    /// Visits the states in the order of their lengths, because a fallback is a shorter state.
    fn set_fallbacks(&mut self) {
        // The longest other prefix that each state ends with.
        let mut suffixes = vec![START; self.states.len()];
        let mut waiting = VecDeque::from([START]);
        while let Some(from) = waiting.pop_front() {
            let Some(state) = self.state(from).cloned() else {
                continue;
            };
            let suffix = suffixes.get(usize::try_from(from).unwrap_or_default());
            let suffix = suffix.copied().unwrap_or_default();
            let mut edge = Some(state.edge).filter(|edge| edge.to != START);
            while let Some(Edge { byte, to, next }) = edge {
                waiting.push_back(to);
                let end = if from == START {
                    START
                } else {
                    self.after(suffix, byte)
                };
                let longest = self.state(end).map_or(0, |end| end.found);
                if let Some(own) = suffixes.get_mut(usize::try_from(to).unwrap_or_default()) {
                    *own = end;
                }
                if let Some(child) = self.state_mut(to) {
                    child.found = child.found.max(longest);
                }
                let next = usize::try_from(next).unwrap_or_default().checked_sub(1);
                edge = next.and_then(|next| self.edges.get(next).copied());
            }
            // A byte that this state refuses would be refused by a suffix with the same single edge as well.
            let shorter = self.state(suffix);
            let is_same = shorter.is_some_and(|shorter| {
                suffix != START
                    && (shorter.edge.byte, shorter.edge.next) == (state.edge.byte, 0)
                    && state.edge.to != START
            });
            let fallback = match shorter {
                Some(shorter) if is_same => shorter.fallback,
                _ => suffix,
            };
            if let Some(state) = self.state_mut(from) {
                state.fallback = fallback;
            }
        }
    }

    fn first(&self, byte: u8) -> u32 {
        self.first.get(usize::from(byte)).copied().unwrap_or(START)
    }

    /// Returns the state after a byte.
    #[inline]
    pub(super) fn after(&self, mut state: u32, byte: u8) -> u32 {
        while state != START {
            let Some(from) = self.state(state) else { break };
            let to = self.edge(from, byte);
            if to != START {
                return to;
            }
            state = from.fallback;
        }
        self.first(byte)
    }

    /// Returns the length of the longest pattern that ends in this state, or 0.
    #[inline]
    pub(super) fn found(&self, state: u32) -> usize {
        let found = self.state(state).map_or(0, |state| state.found);
        usize::try_from(found).unwrap_or_default()
    }
}
