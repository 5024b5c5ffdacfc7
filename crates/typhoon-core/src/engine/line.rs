use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::spout::{Asking, Ticking};
use super::{Clock, Component, Desk, Kind, Kit, Mail, Next, Order, Plan, Shared, Stop};
use crate::ack::Lineage;
use crate::flow::{Envelope, Queue, STREAM_TICK, TaskId, Way};
use crate::measure::Counter;

/// Calls of `next_tuple` per round at most (one per task at least), and tuples after which a spout's turn ends.
const CALLS: usize = 64;
const TUPLES: u64 = 200;
/// After so many nanoseconds a round ends though bolts have more to do: spouts, mail and time-outs want a look.
const ROUND: u64 = 1_000_000;
/// A loop that waits for room elsewhere looks again after this long even if nobody rings.
const RECHECK: u64 = 10_000_000;

/// What a loop would do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rest {
    /// There is more to do: step again.
    Busy,
    /// Nothing to do until this time (nanoseconds of the clock), or until the waker rings.
    Until(u64),
    /// Nothing to do until the waker rings.
    Idle,
}

struct Executor<C> {
    component: C,
    number: usize,
    kind: Kind,
    tasks: Vec<TaskId>,
    asking: Asking,
    ticking: Option<Ticking>,
}

/// One thread of a worker: executors that take turns, spouts first, then down-stream.
pub struct Loop<K: Kit> {
    desk: Desk<K>,
    executors: Vec<Executor<K::Component>>,
    spouts: usize,
    line: usize,
    active: bool,
    started: bool,
    spare: Vec<Mail<K>>,
}

impl<K: Kit> Loop<K> {
    /// `components` in the order of the plan's executors: spouts first.
    #[must_use]
    pub fn new(
        shared: Arc<Shared<K>>,
        mut plan: Plan,
        components: Vec<K::Component>,
        clock: K::Clock,
    ) -> Self {
        let now = clock.now();
        let desk = Desk::new(shared, &mut plan, clock);
        let executor = |(plan_of, component): (super::ExecutorPlan, K::Component)| Executor {
            component,
            number: plan_of.number,
            kind: plan_of.kind,
            asking: Asking::new(
                plan_of.tasks.len(),
                plan_of.max_pending,
                plan.active,
                now,
                plan.poll,
            ),
            ticking: plan_of.tick.map(|interval| Ticking::new(interval, now)),
            tasks: plan_of.tasks,
        };
        let executors: Vec<_> = plan.executors.into_iter().zip(components).map(executor).collect();
        Loop {
            spouts: executors.iter().take_while(|e| e.kind == Kind::Spout).count(),
            line: plan.line.into(),
            active: plan.active,
            started: false,
            spare: Vec::new(),
            executors,
            desk,
        }
    }

    /// Open every executor, bolts before the spouts that feed them.
    ///
    /// # Errors
    /// When a component cannot start; the loop must still be closed.
    pub fn open(&mut self) -> Result<(), Stop> {
        for index in (0..self.executors.len()).rev() {
            self.take_turn(index, |component, desk| component.open(desk))?;
            self.busy(index).set(0);
            self.desk.traffic.flush(index);
        }
        self.desk.traffic.dispatch();
        self.desk.shared.opened();
        Ok(())
    }

    /// Close every executor that was opened, up-stream first.
    pub fn close(&mut self) {
        for index in 0..self.executors.len() {
            let busy = self.busy(index).get();
            let _ = self.take_turn(index, |component, desk| {
                component.close(desk);
                Ok(())
            });
            self.busy(index).set(busy);
        }
        self.desk.traffic.dispatch();
    }

    /// What an executor's work is counted in; opening and closing are none.
    fn busy(&self, index: usize) -> &Counter {
        &self.desk.shared.figures[self.executors[index].number].busy
    }

    /// One round: mail, time-outs, ticks, then a turn for each executor that has something to do.
    ///
    /// # Errors
    /// When a component says that the worker has to stop.
    pub fn step(&mut self) -> Result<Rest, Stop> {
        let now = self.desk.clock.now();
        let mut busy = self.read_mail()?;
        busy |= self.time_out(now);
        busy |= self.tick(now);
        if self.started {
            for index in 0..self.spouts {
                busy |= self.spout_turn(index, now)?;
            }
        } else if self.desk.shared.all_open() {
            self.started = true;
            self.set_active(self.active)?;
            busy = true;
        }
        busy |= self.drain(now)?;
        self.desk.traffic.dispatch();
        Ok(self.rest(busy))
    }

    /// Turns for bolts until nothing moves any more, or the round has had its time: what is in flight stays little, and
    /// so in the processor's cache, since spouts are asked for more only then.
    fn drain(&mut self, began: u64) -> Result<bool, Stop> {
        let mut busy = false;
        loop {
            let (mut moved, mut from) = (false, self.spouts);
            while let Some(index) = self.desk.traffic.ready.next(from) {
                moved |= self.bolt_turn(index)?;
                from = index + 1;
            }
            busy |= moved;
            if !moved || self.desk.traffic.ready.next(self.spouts).is_none() {
                return Ok(busy);
            }
            if self.desk.shared.is_stopping() || self.desk.clock.now().saturating_sub(began) > ROUND {
                return Ok(busy);
            }
        }
    }

    /// What components work with, for calls into it between two steps: [`Desk::sit`] says who calls.
    pub fn desk(&mut self) -> &mut Desk<K> {
        &mut self.desk
    }

    /// Would a spout executor be asked, if it had data?
    #[must_use]
    pub fn would_ask(&self, executor: usize) -> bool {
        let asking = &self.executors[executor].asking;
        let mut tasks = asking.done.iter().zip(self.desk.pending_of(executor));
        self.started
            && asking.active
            && self.desk.traffic.held_back(executor) == 0
            && tasks.any(|(done, pending)| !done && *pending < asking.max_pending)
    }

    /// Ask a spout executor at once in the next step.
    pub fn wake(&mut self, executor: usize) {
        self.executors[executor].asking.wake();
    }

    /// Ask every spout executor at once in the next step.
    pub fn wake_all(&mut self) {
        self.executors
            .iter_mut()
            .for_each(|executor| executor.asking.wake());
    }

    /// Call a component in its turn, and time it.
    #[inline(always)]
    fn take_turn<R>(
        &mut self,
        index: usize,
        call: impl FnOnce(&mut K::Component, &mut Desk<K>) -> Result<R, Stop>,
    ) -> Result<R, Stop> {
        let executor = &mut self.executors[index];
        let begin = self.desk.clock.now();
        self.desk.begin_turn(index, begin);
        let turn = &self.desk.shared.peers[self.line].status.turn;
        turn.store(executor.number as u32 + 1, Ordering::Relaxed);
        let result = call(&mut executor.component, &mut self.desk);
        self.desk.end_turn();
        let shared = &self.desk.shared;
        shared.peers[self.line].status.turn.store(0, Ordering::Relaxed);
        let spent = self.desk.clock.now().saturating_sub(begin);
        shared.figures[executor.number].busy.add(spent);
        result
    }

    fn bolt_turn(&mut self, index: usize) -> Result<bool, Stop> {
        self.desk.traffic.ready.clear(index);
        let had = self.desk.traffic.held_back(index);
        let stuck = !self.desk.traffic.flush(index);
        let mut moved = self.desk.traffic.held_back(index) != had;
        if (!stuck || self.desk.traffic.in_ring(index)) && self.desk.traffic.wants_turn(index) {
            self.take_turn(index, |component, desk| component.process(desk))?;
            self.desk.traffic.flush(index);
            moved = true;
        }
        if self.desk.traffic.wants_turn(index) {
            self.desk.traffic.ready.set(index);
        }
        self.desk.traffic.publish(index);
        self.desk.traffic.dispatch();
        Ok(moved)
    }

    fn spout_turn(&mut self, index: usize, now: u64) -> Result<bool, Stop> {
        let had = self.desk.traffic.held_back(index);
        let mut free = self.desk.traffic.flush(index);
        let mut busy = self.desk.traffic.held_back(index) != had;
        // Not only when the outbox is empty: while other threads emit without end, it never is.
        if self.desk.traffic.is_below(index) && !self.desk.settled[index].is_empty() {
            free = self.tell_settled(index)?;
            busy = true;
        }
        if free && self.executors[index].asking.is_due(now) && !self.executors[index].asking.all_done() {
            busy |= self.ask(index)?;
        }
        let pending = self.desk.pending_of(index).iter().map(|n| u64::from(*n)).sum();
        self.desk.shared.figures[self.executors[index].number]
            .pending
            .set(pending);
        Ok(busy)
    }

    /// Tell the spout of trees that ended, as long as what it emits thereupon finds room.
    fn tell_settled(&mut self, index: usize) -> Result<bool, Stop> {
        let result = self.take_turn(index, |component, desk| component.settled(desk));
        let number = self.executors[index].number;
        let latencies = self.desk.latencies.drain(..);
        self.desk.shared.figures[number].complete.record(latencies);
        result?;
        Ok(self.desk.traffic.flush(index) && self.desk.settled[index].is_empty())
    }

    /// Ask the tasks of a spout executor, while they give something and there is room.
    fn ask(&mut self, index: usize) -> Result<bool, Stop> {
        let mut asking = std::mem::take(&mut self.executors[index].asking);
        let before = self.desk.emits;
        let result = self.take_turn(index, |component, desk| {
            let tasks = asking.done.len();
            desk.begin_asking(CALLS.div_ceil(tasks), TUPLES, asking.max_pending);
            for number in 0..tasks {
                let slot = (asking.first + number) % tasks;
                if !asking.done[slot] && desk.ask_next(slot) {
                    asking.done[slot] = component.ask(desk, slot)? == Next::Done;
                }
            }
            asking.first = (asking.first + 1) % tasks;
            Ok(())
        });
        let gave = self.desk.emits != before;
        let all_full = asking
            .done
            .iter()
            .zip(self.desk.pending_of(index))
            .all(|(d, n)| *d || *n >= asking.max_pending);
        if gave || all_full {
            asking.gave(self.desk.clock.now());
        } else {
            asking.had_nothing(self.desk.clock.now());
        }
        self.executors[index].asking = asking;
        result?;
        self.desk.traffic.flush(index);
        self.desk.traffic.dispatch();
        Ok(gave)
    }

    fn read_mail(&mut self) -> Result<bool, Stop> {
        let shared = Arc::clone(&self.desk.shared);
        let peer = &shared.peers[self.line];
        if !peer.mailbox.is_filled() {
            return Ok(false);
        }
        peer.status.quiet.store(false, Ordering::SeqCst);
        let mut mails = peer.mailbox.take(std::mem::take(&mut self.spare));
        let count = mails.len() as u64;
        for mail in mails.drain(..) {
            self.read(mail)?;
        }
        self.spare = mails;
        self.desk.traffic.dispatch();
        peer.status.rounds.fetch_add(1, Ordering::SeqCst);
        peer.status.handled.fetch_add(count, Ordering::SeqCst);
        Ok(true)
    }

    fn read(&mut self, mail: Mail<K>) -> Result<(), Stop> {
        match mail {
            Mail::Tuples(tuples) => self.desk.traffic.receive(tuples),
            Mail::Settle(list) => list
                .into_iter()
                .for_each(|(root, edges)| self.desk.settle(root, edges)),
            Mail::Fail(root) => self.desk.fail_root(root),
            Mail::Reset(root) => {
                self.desk.reset_timeout(&Lineage::one(root, 0));
            }
            Mail::Request(executor, request) => {
                self.take_turn(executor, |component, desk| component.request(desk, request))?;
                self.desk.traffic.flush(executor);
            }
            Mail::Relayout(relayout) => self.desk.relayout(&relayout),
            Mail::Lost(cause) => self.desk.lose_all(cause),
            Mail::Order(Order::Activate) => self.set_active(true)?,
            Mail::Order(Order::Deactivate) => self.set_active(false)?,
            Mail::Order(Order::Wake(executor)) => self.wake(executor),
            Mail::Order(Order::Rings(executor)) => self.executors[executor].asking.rings = true,
            Mail::Order(Order::Tick(number)) => {
                if let Some(index) = self.executors.iter().position(|e| e.number == number) {
                    self.put_tick(index);
                }
            }
            Mail::Order(Order::Look) | Mail::Letter(_) => {}
        }
        Ok(())
    }

    fn set_active(&mut self, active: bool) -> Result<(), Stop> {
        self.active = active;
        if !self.started {
            return Ok(());
        }
        for index in 0..self.spouts {
            self.executors[index].asking.active = active;
            self.take_turn(index, |component, desk| component.active(desk, active))?;
            self.desk.traffic.flush(index);
        }
        Ok(())
    }

    fn time_out(&mut self, now: u64) -> bool {
        if let Some(due) = self.desk.wheel.advance(now) {
            self.desk.ledger.turned(due);
        }
        if !self.desk.ledger.is_sweeping() {
            return false;
        }
        let mut ended = Vec::new();
        self.desk.ledger.sweep(|settled| ended.push(settled));
        for settled in ended {
            self.desk.timed_out(settled);
        }
        true
    }

    fn tick(&mut self, now: u64) -> bool {
        let mut any = false;
        for index in 0..self.executors.len() {
            if self.executors[index]
                .ticking
                .as_mut()
                .is_some_and(|ticking| ticking.advance(now))
            {
                self.put_tick(index);
                any = true;
            }
        }
        any
    }

    fn put_tick(&mut self, index: usize) {
        let executor = &mut self.executors[index];
        for (slot, task) in executor.tasks.iter().enumerate() {
            if self.desk.ticking[index][slot] {
                continue;
            }
            let Some(payload) = executor.component.tick() else {
                return;
            };
            self.desk.ticking[index][slot] = true;
            let way = Way::new(*task, 0, STREAM_TICK);
            self.desk.traffic.push(
                index,
                Envelope {
                    payload,
                    lineage: Lineage::NONE,
                    way,
                },
            );
        }
    }

    /// Publish what this loop is up to, and say when it has to step again.
    fn rest(&mut self, busy: bool) -> Rest {
        let status = &self.desk.shared.peers[self.line].status;
        if busy {
            status.quiet.store(false, Ordering::SeqCst);
            status
                .rounds
                .store(status.rounds.load(Ordering::Relaxed) + 1, Ordering::SeqCst);
            return Rest::Busy;
        }
        let stuck = !self.desk.traffic.is_empty();
        let idle = !stuck && self.desk.away == 0;
        let settled = self.desk.settled.iter().all(Queue::is_empty);
        let spouts = &self.executors[..self.spouts];
        let ended =
            settled && self.desk.ledger.pending() == 0 && spouts.iter().all(|spout| spout.asking.all_done());
        status.ended.store(ended, Ordering::SeqCst);
        status
            .quiet
            .store(self.started && idle && settled, Ordering::SeqCst);
        let now = self.desk.clock.now();
        let mut next = self.desk.wheel.next();
        if stuck || !settled {
            next = next.min(now + RECHECK);
        }
        for executor in &self.executors {
            next = next.min(executor.ticking.as_ref().map_or(u64::MAX, |ticking| ticking.next));
        }
        for (index, spout) in spouts.iter().enumerate() {
            let full = |(slot, done): (usize, &bool)| {
                *done || self.desk.pending_of(index)[slot] >= spout.asking.max_pending
            };
            if !spout.asking.done.iter().enumerate().all(full) && self.desk.traffic.held_back(index) == 0 {
                next = next.min(spout.asking.next().unwrap_or(u64::MAX));
            }
        }
        if !self.started {
            return Rest::Idle;
        }
        if next == u64::MAX {
            Rest::Idle
        } else {
            Rest::Until(next)
        }
    }
}
