//! Leader and followers: the thread that has read a call lets another take over reading, and then
//! runs the call itself. So a slow call delays nothing, and a quick one waits for no other thread.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::output::{Output, note};
use crate::reader::{Reader, Work};
use crate::rpc;
use crate::tools::Tools;
use crate::turns::{Call, Turns};

/// Clients kill a server two seconds after they have closed its stdin.
const DRAIN: Duration = Duration::from_millis(1500);

pub(crate) struct Server {
    tools: Tools,
    output: Output,
    turns: Mutex<Turns<Reader>>,
    /// A thread that waits may have something to do.
    changed: Condvar,
    ended: Condvar,
}

impl Server {
    pub(crate) fn new(tools: Tools) -> Arc<Self> {
        Arc::new(Self {
            tools,
            output: Output::default(),
            turns: Mutex::new(Turns::new(Reader::default())),
            changed: Condvar::new(),
            ended: Condvar::new(),
        })
    }

    /// Serves until stdin ends, and then ends the process.
    pub(crate) fn run(self: &Arc<Self>) -> ! {
        let mut turns = self.turns();
        turns.called = false;
        loop {
            if let Some(call) = turns.start() {
                self.let_another_lead(turns);
                self.perform(&call);
                turns = self.turns();
                turns.end(&call);
                self.ended.notify_all();
            } else if let Some(mut reader) = turns.reader.take() {
                drop(turns);
                let Some(work) = reader.next(&self.tools, &self.output) else {
                    self.drain()
                };
                turns = self.turns();
                turns.reader = Some(reader);
                self.accept(&mut turns, work);
            } else {
                turns = self.follow(turns);
            }
        }
    }

    fn turns(&self) -> MutexGuard<'_, Turns<Reader>> {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn follow<'a>(
        &self,
        mut turns: MutexGuard<'a, Turns<Reader>>,
    ) -> MutexGuard<'a, Turns<Reader>> {
        turns.idle = turns.idle.saturating_add(1);
        let woken = self.changed.wait(turns);
        let mut turns = woken.unwrap_or_else(PoisonError::into_inner);
        turns.idle = turns.idle.saturating_sub(1);
        turns.called = false;
        turns
    }

    /// Gives the lock back first: a thread that wakes up takes it.
    fn let_another_lead(self: &Arc<Self>, mut turns: MutexGuard<'_, Turns<Reader>>) {
        if turns.reader.is_none() || turns.called {
            return;
        }
        turns.called = true;
        let idle = turns.idle > 0;
        drop(turns);
        if idle {
            return self.changed.notify_one();
        }
        let server = Arc::clone(self);
        if let Err(error) = thread::Builder::new().spawn(move || server.run()) {
            // This thread reads on when its call is done.
            self.turns().called = false;
            note(format_args!("no thread for another call: {error}"));
        }
    }

    fn perform(&self, call: &Arc<Call>) {
        let result = call.invocation.run(&call.cancelled);
        if self.turns().settle(call) {
            let answer = rpc::answer(&call.id, &Ok(result));
            call.reply.give(&self.output, Some(answer));
        }
    }

    fn accept(&self, turns: &mut Turns<Reader>, work: Work) {
        work.calls.into_iter().for_each(|call| turns.add(call));
        for id in work.cancelled {
            for call in turns.cancel(&id) {
                call.reply.give(&self.output, None);
            }
        }
    }

    fn drain(&self) -> ! {
        let now = Instant::now();
        let latest = now.checked_add(DRAIN).unwrap_or(now);
        let busy = |turns: &mut Turns<Reader>| !turns.is_drained();
        let waited = self.ended.wait_timeout_while(self.turns(), DRAIN, busy);
        drop(waited);
        self.output.exit(latest)
    }
}
