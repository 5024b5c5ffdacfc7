use std::sync::Arc;

use super::{Anchor, Cause, Clock, Figures, Kit, Mail, Plan, Relayout, Shared, Traffic};
use crate::ack::{Edges, Finished, Ledger, Lineage, Outcome, Relay, Root, Settled, Wheel};
use crate::flow::{Envelope, Key, Outlet, Parcel, Pick, Queue, Route, TaskId, Way};
use crate::measure::Counter;

/// Look at the clock, and at whether the worker is stopping, once per so many tuples.
const STRIDE: u32 = 32;
/// Look at the clock once per so many calls of `next_tuple`, which may be slow, while what they emitted waits.
const LOOK: usize = 4;
/// A turn of an executor ends after this many nanoseconds; sooner where there are other workers, since what is for them
/// or comes from them waits until the round is over.
const QUANTUM: u64 = 1_000_000;
const QUANTUM_AMONG_OTHERS: u64 = 250_000;

/// Why an emit did not happen. Nothing was sent.
#[derive(Debug)]
pub enum EmitError<P: Key> {
    /// A value cannot be a key of a fields grouping.
    Key(P::Error),
    /// What this call emitted so far and found no room has reached the hard limit.
    Full,
    /// 16 million trees are pending.
    TooManyTrees,
    /// The named task does not subscribe to the stream, or not by direct grouping.
    NotATarget(TaskId),
    /// The task chosen runs in another worker: pack the payload (which may run any code, so not in here), and go on with
    /// [`Desk::emit_abroad`].
    Abroad(P, TaskId),
    /// The same where several may get a copy: go on with [`Desk::emit_to`].
    PerhapsAbroad(P),
}

/// What a component works with during a call: everything of its loop but the components themselves.
pub struct Desk<K: Kit> {
    pub clock: K::Clock,
    pub(super) shared: Arc<Shared<K>>,
    pub(super) traffic: Traffic<K>,
    /// This worker's index.
    worker: u16,
    pub(super) ledger: Ledger<K::Token>,
    pub(super) wheel: Wheel,
    edges: Edges,
    /// By executor of this loop: where its share of the lists below begins.
    seats: Vec<Seat>,
    /// By executor, by task of it, by stream.
    outlets: Vec<Outlet>,
    /// By executor, by task of it.
    tasks: Vec<TaskId>,
    pending: Vec<u32>,
    /// At most one tick waits for a task.
    pub(super) ticking: Vec<Vec<bool>>,
    pub(super) settled: Vec<Queue<Finished<K::Token>>>,
    hard_limit: usize,
    /// Whose turn it is, where its things are, and what is measured of it.
    executor: usize,
    seat: Seat,
    own: Arc<Figures>,
    inputs: Arc<[Counter]>,
    /// Calls until the clock is looked at again, and how many there were when it was last.
    left: u32,
    stretch: u32,
    /// Tuples until one is timed; the same by executor, between its turns.
    due: u32,
    dues: Vec<u32>,
    timed_every: u32,
    /// When the clock was looked at last, to take a tuple.
    looked: u64,
    quantum: u64,
    pub(super) turn_ends: u64,
    /// Emits so far; tells whether a call emitted.
    pub(super) emits: u64,
    spell: Spell,
    cause: Cause,
    /// Input that executors of this loop work on outside of their turns.
    pub(super) away: usize,
    /// When this turn began.
    began: u64,
    /// From emit to the turn in which the spout is told, of the trees that were taken in this turn.
    pub(super) latencies: Vec<u64>,
}

/// Where an executor's things are in the lists of its loop. All tasks of an executor have the same output streams.
#[derive(Debug, Clone, Copy, Default)]
struct Seat {
    /// Its number in the worker.
    number: usize,
    first_task: usize,
    tasks: usize,
    first_outlet: usize,
    streams: usize,
}

impl Seat {
    /// The place in the list of tasks.
    #[inline(always)]
    fn task(self, slot: usize) -> usize {
        self.first_task + slot
    }

    /// The place in the list of outlets.
    #[inline(always)]
    fn outlet(self, slot: usize, stream: usize) -> usize {
        self.first_outlet + slot * self.streams + stream
    }
}

/// How far a spout executor may be asked in this turn.
#[derive(Debug, Default)]
struct Spell {
    /// Calls that each task may get, and those left for the task that is being asked.
    calls: usize,
    left: usize,
    /// The number of emits at which the turn ends, and that at the last call.
    enough: u64,
    seen: Option<u64>,
    max_pending: u32,
}

impl<K: Kit> Desk<K> {
    pub(super) fn new(shared: Arc<Shared<K>>, plan: &mut Plan, clock: K::Clock) -> Self {
        let numbers: Vec<usize> = plan.executors.iter().map(|e| e.number).collect();
        let (mut seats, mut outlets, mut tasks) = (Vec::new(), Vec::new(), Vec::new());
        for executor in &mut plan.executors {
            seats.push(Seat {
                number: executor.number,
                first_task: tasks.len(),
                tasks: executor.tasks.len(),
                first_outlet: outlets.len(),
                streams: executor.outlets.first().map_or(0, Vec::len),
            });
            tasks.extend_from_slice(&executor.tasks);
            outlets.extend(std::mem::take(&mut executor.outlets).into_iter().flatten());
        }
        let timeout = plan
            .message_timeout
            .map(|t| u64::try_from(t.as_nanos()).unwrap_or(u64::MAX));
        let traffic = Traffic::new(Arc::clone(&shared), &numbers, plan);
        Desk {
            ledger: Ledger::new(
                (plan.worker, plan.incarnation),
                plan.line,
                Arc::clone(&shared.blocks),
                plan.seed ^ 0x5bd1_e995,
            ),
            worker: plan.worker,
            wheel: Wheel::new(timeout, clock.now()),
            edges: Edges::new(plan.seed),
            pending: vec![0; tasks.len()],
            settled: plan.executors.iter().map(|_| Queue::default()).collect(),
            seats,
            outlets,
            tasks,
            ticking: plan
                .executors
                .iter()
                .map(|e| vec![false; e.tasks.len()])
                .collect(),
            hard_limit: plan.hard_limit,
            executor: 0,
            seat: Seat::default(),
            own: Arc::default(),
            inputs: Arc::default(),
            left: 0,
            away: 0,
            cause: 0,
            stretch: 0,
            due: 0,
            dues: vec![plan.timed_every.saturating_sub(1); plan.executors.len()],
            timed_every: plan.timed_every,
            looked: 0,
            began: 0,
            quantum: match traffic.has_peers() {
                true => QUANTUM_AMONG_OTHERS,
                false => QUANTUM,
            },
            turn_ends: 0,
            emits: 0,
            traffic,
            spell: Spell::default(),
            latencies: Vec::new(),
            shared,
            clock,
        }
    }

    // ------------------------------------------------------------------ taking

    pub(super) fn begin_turn(&mut self, executor: usize, now: u64) {
        self.sit(executor);
        self.began = now;
        self.turn_ends = now.saturating_add(self.quantum);
        self.due = self.dues[executor];
        self.stride();
    }

    pub(super) fn end_turn(&mut self) {
        if self.timed_every > 0 {
            self.dues[self.executor] = self.due - (self.stretch - self.left);
        }
    }

    /// So many tuples are taken before the clock is looked at.
    fn stride(&mut self) {
        self.stretch = if self.timed_every == 0 {
            STRIDE
        } else {
            self.due.min(STRIDE)
        };
        self.left = self.stretch;
    }

    /// Emits, acks and fails that follow are this executor's (its number in the loop). Between two steps only: in a
    /// turn it is the executor whose turn it is.
    pub fn sit(&mut self, executor: usize) {
        if self.executor != executor || self.seat.tasks == 0 {
            self.executor = executor;
            self.seat = self.seats[executor];
            self.own = Arc::clone(&self.shared.figures[self.seat.number]);
            self.inputs = Arc::clone(&self.own.inputs);
        }
    }

    /// The executor whose turn it is goes on with one input after its turn; [`Desk::come_back`] must follow.
    pub fn go_away(&mut self) {
        self.away += 1;
    }

    /// An executor is done with an input that outlasted its turn; it may take others.
    pub fn come_back(&mut self, executor: usize) {
        self.away -= 1;
        self.traffic.set_shut(executor, false);
    }

    /// The executor whose turn it is takes no more until [`Desk::come_back`].
    pub fn shut(&mut self) {
        self.traffic.set_shut(self.executor, true);
    }

    /// The next tuple for the executor whose turn it is; None when the turn is over.
    #[inline(always)]
    pub fn take(&mut self) -> Option<Envelope<K::Payload>> {
        if self.left == 0 {
            return self.take_anew();
        }
        let envelope = self.traffic.pop(self.executor)?;
        self.left -= 1;
        self.count_input(envelope.way.stream());
        Some(envelope)
    }

    #[inline(always)]
    fn count_input(&self, stream: u16) {
        let count = self.inputs.get(usize::from(stream));
        count.unwrap_or(&self.own.calls).add(1);
    }

    /// As [`Desk::take`], after a look at the clock. Marks the tuple if it is one of those that are timed.
    #[inline(never)]
    fn take_anew(&mut self) -> Option<Envelope<K::Payload>> {
        if !self.renew() {
            return None;
        }
        let mut envelope = self.traffic.pop(self.executor)?;
        if self.due == 0 && self.timed_every > 0 {
            self.due = self.timed_every;
            envelope.way = envelope.way.timed();
        }
        self.stride();
        self.left -= 1;
        self.count_input(envelope.way.stream());
        Some(envelope)
    }

    /// How many tuples wait for the executor whose turn it is.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.traffic.queued(self.executor)
    }

    #[inline]
    fn renew(&mut self) -> bool {
        if self.timed_every > 0 {
            self.due -= self.stretch;
        }
        self.stretch = 0;
        let held_back = self.traffic.held_back(self.executor) > 0 && !self.traffic.in_ring(self.executor);
        if held_back && !self.traffic.flush(self.executor) {
            return false;
        }
        self.looked = self.clock.now();
        !self.shared.is_stopping() && self.looked < self.turn_ends
    }

    /// When a tuple that is timed was taken: ask before the next is.
    #[must_use]
    pub fn looked(&self) -> u64 {
        self.looked
    }

    // ------------------------------------------------------------------ asking

    pub(super) fn begin_asking(&mut self, calls: usize, tuples: u64, max_pending: u32) {
        self.spell = Spell {
            calls,
            left: 0,
            enough: self.emits + tuples,
            seen: None,
            max_pending,
        };
    }

    /// The next task's turn to be asked; false if the executor has had its time.
    pub(super) fn ask_next(&mut self, slot: usize) -> bool {
        (self.spell.left, self.spell.seen) = (self.spell.calls, None);
        self.is_wanted(slot) && !self.is_turn_over()
    }

    fn is_wanted(&mut self, slot: usize) -> bool {
        self.emits < self.spell.enough
            && self.pending[self.seat.task(slot)] < self.spell.max_pending
            // What goes to another loop waits in the outbox for its place in a parcel, not for room.
            && self.traffic.flush(self.executor)
    }

    fn is_turn_over(&self) -> bool {
        self.shared.is_stopping() || self.clock.now() >= self.turn_ends
    }

    /// Is one more call of the task's `next_tuple` wanted in this turn? Not after one that gave nothing.
    #[inline(always)]
    pub fn wants(&mut self, slot: usize) -> bool {
        if self.spell.left == 0 || self.spell.seen == Some(self.emits) || !self.is_wanted(slot) {
            return false;
        }
        if self.spell.left.is_multiple_of(LOOK) && self.spell.seen.is_some() && self.is_turn_over() {
            return false;
        }
        self.spell.left -= 1;
        self.spell.seen = Some(self.emits);
        self.own.calls.add(1);
        true
    }

    /// The next tree of this executor's that has ended; None when all were taken, or too much of what it emitted finds
    /// no room.
    #[inline(always)]
    pub fn next_settled(&mut self) -> Option<Finished<K::Token>> {
        if !self.traffic.is_below(self.executor) || self.shared.is_stopping() {
            return None;
        }
        let finished = self.settled[self.executor].pop()?;
        let figures = &self.own;
        match finished.outcome {
            Outcome::Acked => {
                self.latencies.push(self.began.saturating_sub(finished.born));
                figures.acked.add(1);
            }
            Outcome::Failed => figures.failed.add(1),
            Outcome::TimedOut => figures.timed_out.add(1),
            Outcome::Lost => figures.lost.add(1),
        }
        Some(finished)
    }

    /// What the last trees that were lost here were lost by.
    #[must_use]
    pub fn cause(&self) -> Cause {
        self.cause
    }

    /// The tick that waited for this task has been taken.
    pub fn ticked(&mut self, slot: usize) {
        self.ticking[self.executor][slot] = false;
    }

    /// Which task of its executor a task is.
    #[inline(always)]
    #[must_use]
    pub fn slot(&self, task: TaskId) -> usize {
        self.shared.places[task as usize].slot as usize
    }

    // ------------------------------------------------------------------ emitting

    /// The output stream of a task of the executor whose turn it is.
    #[inline(always)]
    #[must_use]
    pub fn outlet(&self, slot: usize, stream: usize) -> &Outlet {
        &self.outlets[self.seat.outlet(slot, stream)]
    }

    /// Emit on a stream whose routes choose for themselves (not direct, not custom).
    ///
    /// # Errors
    /// [`EmitError::Key`] and [`EmitError::Full`]; nothing was sent then.
    #[inline(always)]
    pub fn emit<A: Anchor>(
        &mut self,
        slot: usize,
        stream: usize,
        payload: K::Payload,
        anchor: &mut A,
    ) -> Result<(), EmitError<K::Payload>> {
        let from = self.executor;
        let outlet = &mut self.outlets[self.seat.outlet(slot, stream)];
        self.emits += 1;
        if let [route] = outlet.routes.as_mut_slice()
            && !matches!(route.pick, Pick::All)
        {
            let index = match route.choose(&payload, &mut self.edges) {
                Ok(index) => index,
                Err(error) => return Err(EmitError::Key(error)),
            };
            if self.traffic.held_back(from) >= self.hard_limit {
                return Err(EmitError::Full);
            }
            let mut target = route.targets[index];
            if matches!(route.pick, Pick::Turn { .. }) && self.traffic.has_much(target) {
                target = self.traffic.least_busy(&route.targets, target);
            }
            if self.traffic.is_abroad(target) && !payload.is_packed() {
                return Err(EmitError::Abroad(payload, target));
            }
            let way = Way::new(target, outlet.source, outlet.stream);
            let lineage = anchor.child(&mut self.edges);
            outlet.count.single.add(1);
            if !self.traffic.send(
                from,
                Envelope {
                    payload,
                    lineage,
                    way,
                },
            ) {
                self.left = 0;
            }
            return Ok(());
        }
        if !payload.is_packed() && self.goes_abroad(slot, stream) {
            return Err(EmitError::PerhapsAbroad(payload));
        }
        self.emit_to(slot, stream, payload, None, anchor, None, &[])
            .map(drop)
    }

    /// Emit to a task in another worker that [`Desk::emit`] has chosen.
    ///
    /// # Errors
    /// [`EmitError::Full`].
    pub fn emit_abroad<A: Anchor>(
        &mut self,
        slot: usize,
        stream: usize,
        packed: K::Payload,
        anchor: &mut A,
        target: TaskId,
    ) -> Result<(), EmitError<K::Payload>> {
        let from = self.executor;
        if self.traffic.held_back(from) >= self.hard_limit {
            return Err(EmitError::Full);
        }
        let outlet = &self.outlets[self.seat.outlet(slot, stream)];
        outlet.count.single.add(1);
        let envelope = Envelope {
            payload: packed,
            lineage: anchor.child(&mut self.edges),
            way: Way::new(target, outlet.source, outlet.stream),
        };
        if !self.traffic.send(from, envelope) {
            self.left = 0;
        }
        Ok(())
    }

    /// May a tuple of this stream go to another worker?
    #[must_use]
    pub fn goes_abroad(&self, slot: usize, stream: usize) -> bool {
        let routes = &self.outlets[self.seat.outlet(slot, stream)].routes;
        let mut targets = routes.iter().flat_map(|route| &route.targets);
        self.traffic.has_peers() && targets.any(|target| self.traffic.is_abroad(*target))
    }

    /// Emit on any stream. `direct` names the task of a direct emit; `custom` has the tasks that the objects of custom
    /// groupings chose, by route; `packed` is the payload in the form for other workers, where [`Desk::goes_abroad`] says
    /// that it may be needed. Returns the tasks that got a copy.
    ///
    /// # Errors
    /// As [`Desk::emit`], and [`EmitError::NotATarget`].
    #[allow(clippy::too_many_arguments, reason = "one way for all that is not usual")]
    pub fn emit_to<A: Anchor>(
        &mut self,
        slot: usize,
        stream: usize,
        payload: K::Payload,
        packed: Option<K::Payload>,
        anchor: &mut A,
        direct: Option<TaskId>,
        custom: &[(usize, Vec<TaskId>)],
    ) -> Result<Vec<TaskId>, EmitError<K::Payload>> {
        let from = self.executor;
        let outlet = &mut self.outlets[self.seat.outlet(slot, stream)];
        let mut targets = Vec::new();
        if let Some(task) = direct {
            let subscribed =
                |route: &Route| matches!(route.pick, Pick::Direct) && route.targets.contains(&task);
            if !outlet.routes.iter().any(subscribed) {
                return Err(EmitError::NotATarget(task));
            }
            targets.push(task);
        } else {
            for (number, route) in outlet.routes.iter_mut().enumerate() {
                match &route.pick {
                    Pick::All => targets.extend_from_slice(&route.targets),
                    Pick::Direct => {}
                    Pick::Custom(_) => {
                        for (_, chosen) in custom.iter().filter(|(of, _)| *of == number) {
                            targets.extend_from_slice(chosen);
                        }
                    }
                    pick => {
                        let even = matches!(pick, Pick::Turn { .. });
                        let index = route.choose(&payload, &mut self.edges).map_err(EmitError::Key)?;
                        let target = route.targets[index];
                        targets.push(match even && self.traffic.has_much(target) {
                            true => self.traffic.least_busy(&route.targets, target),
                            false => target,
                        });
                    }
                }
            }
        }
        if self.traffic.held_back(from) >= self.hard_limit {
            return Err(EmitError::Full);
        }
        self.emits += 1;
        outlet.count.other.add(1);
        outlet.count.copies.add(targets.len() as u64);
        let (source, stream) = (outlet.source, outlet.stream);
        // All edges first: a tree must not end between the first copy and the last.
        let lineages: Vec<Lineage> = targets.iter().map(|_| anchor.child(&mut self.edges)).collect();
        for (target, lineage) in targets.iter().zip(lineages) {
            let sent = match &packed {
                Some(packed) if self.traffic.is_abroad(*target) => packed,
                _ => &payload,
            };
            let envelope = Envelope {
                payload: sent.clone(),
                lineage,
                way: Way::new(*target, source, stream),
            };
            if !self.traffic.send(from, envelope) {
                self.left = 0;
            }
        }
        Ok(targets)
    }

    /// Count an emit that no task subscribes to.
    #[inline(always)]
    pub fn emit_to_nobody(&mut self, slot: usize, stream: usize) {
        self.emits += 1;
        self.outlets[self.seat.outlet(slot, stream)].count.other.add(1);
    }

    /// Try to get rid of what this executor emitted; true if nothing is left in its outbox. For components on a thread
    /// of their own, which wait in the middle of a call.
    pub fn relieve(&mut self) -> bool {
        let empty = self.traffic.flush(self.executor);
        self.traffic.dispatch();
        empty
    }

    /// Tuples in the outbox of the executor whose turn it is.
    #[inline(always)]
    #[must_use]
    pub fn held_back(&self) -> usize {
        self.traffic.held_back(self.executor)
    }

    // ------------------------------------------------------------------ trees

    /// Begin a tree for a tuple of a spout; [`Desk::seal`] must follow, with the edges of its copies.
    ///
    /// # Errors
    /// [`EmitError::TooManyTrees`], and the token is given back.
    #[inline]
    pub fn open_tree(&mut self, slot: usize, token: K::Token) -> Option<Root> {
        let now = self.clock.now();
        let task = self.tasks[self.seat.task(slot)];
        let root = self.ledger.open(task, token, &self.wheel, now)?;
        self.pending[self.seat.task(slot)] += 1;
        Some(root)
    }

    /// All copies were sent; a tree without any is complete.
    #[inline(always)]
    pub fn seal(&mut self, root: Root, made: u64) {
        self.settle(root, made);
    }

    /// Forget a tree whose emit did not happen; gives its token back.
    pub fn cancel_tree(&mut self, slot: usize, root: Root) -> Option<K::Token> {
        match self.ledger.fail(root) {
            Settled::Finished(finished) => {
                self.pending[self.seat.task(slot)] -= 1;
                Some(finished.token)
            }
            _ => None,
        }
    }

    /// Begin a relay for a batch of inputs; [`Desk::seal_relay`] must follow.
    pub fn open_relay(&mut self) -> Option<Root> {
        self.ledger.relay(&self.wheel, self.clock.now())
    }

    /// The batch was processed: when all that was emitted for it (`made`) is settled, so are `inputs`.
    pub fn seal_relay(&mut self, root: Root, inputs: Vec<(Lineage, u64)>, made: u64) {
        self.ledger.set_relay(root, Relay { inputs });
        self.settle(root, made);
    }

    /// Add edges to a tree of any ledger of this worker.
    #[inline(always)]
    pub fn settle(&mut self, root: Root, edges: u64) {
        match self.ledger.settle(root, edges) {
            Settled::Open => {}
            ended => self.ended(root, Some(edges), ended),
        }
    }

    /// The executor is done with an input tuple: `made` are the edges of what it emitted for it.
    #[inline(always)]
    pub fn ack(&mut self, lineage: &Lineage, made: u64) {
        self.own.acked.add(1);
        self.pass(lineage, made);
    }

    /// Count an ack of a tuple that a relay settles.
    pub fn count_ack(&self) {
        self.own.acked.add(1);
    }

    /// The executor whose turn it is, by its number in the loop.
    #[must_use]
    pub fn executor(&self) -> usize {
        self.executor
    }

    /// Settle without counting an ack of the component's.
    #[inline(always)]
    pub fn pass(&mut self, lineage: &Lineage, made: u64) {
        if let Some((root, edge)) = lineage.single() {
            self.settle(root, edge ^ made);
        } else {
            lineage.each(|root, edge| self.settle(root, edge ^ made));
        }
    }

    /// The executor could not process an input tuple: all its trees fail.
    pub fn fail(&mut self, lineage: &Lineage) {
        self.own.failed.add(1);
        lineage.each(|root, _| self.fail_root(root));
    }

    /// End a tree of any ledger of this worker, as failed.
    pub fn fail_root(&mut self, root: Root) {
        let ended = self.ledger.fail(root);
        self.ended(root, None, ended);
    }

    /// Give all trees of a tuple a whole time-out again.
    pub fn reset_timeout(&mut self, lineage: &Lineage) {
        lineage.each(|root, _| {
            if !self.ledger.reset(root, &self.wheel)
                && let Some(line) = self.elsewhere(root).filter(|line| *line != self.traffic.line())
            {
                self.traffic.post(line, Mail::Reset(root));
            }
        });
    }

    /// Pending trees of each task of an executor.
    pub(super) fn pending_of(&self, executor: usize) -> &[u32] {
        let seat = self.seats[executor];
        &self.pending[seat.first_task..seat.first_task + seat.tasks]
    }

    /// What this spout task's pending tuples are named, oldest first; for people who ask what a run waits for.
    pub fn pending_tokens(&self, slot: usize) -> Vec<&K::Token> {
        self.ledger.tokens(self.tasks[self.seat.task(slot)])
    }

    /// Whose mailbox a settlement goes into that is for no tree of this loop.
    fn elsewhere(&self, root: Root) -> Option<u16> {
        let worker = usize::from(root.worker());
        let line = if worker == usize::from(self.worker) {
            usize::from(self.shared.blocks.owner(root)?)
        } else {
            self.shared.lines + worker
        };
        (line < self.shared.peers.len()).then_some(line as u16)
    }

    #[inline(never)]
    pub(super) fn ended(&mut self, root: Root, edges: Option<u64>, ended: Settled<K::Token>) {
        match ended {
            Settled::Finished(finished) => self.finished(finished),
            Settled::Relay(relay, outcome) => self.relayed(relay, outcome),
            Settled::Elsewhere => {
                let (Some(line), own) = (self.elsewhere(root), self.traffic.line()) else {
                    return;
                };
                match edges {
                    _ if line == own => {}
                    Some(edges) => self.traffic.settle_elsewhere(line, root, edges),
                    None => self.traffic.post(line, Mail::Fail(root)),
                }
            }
            Settled::Open | Settled::Unknown => {}
        }
    }

    pub(super) fn relayout(&mut self, relayout: &Relayout) {
        // What is written already goes by the old places, and is counted there.
        self.traffic.dispatch();
        self.traffic.set_places(&relayout.places);
        for seat in &self.seats {
            let tasks = relayout.routes.get(seat.number).into_iter().flatten().enumerate();
            for (slot, streams) in tasks {
                for (stream, routes) in streams.iter().enumerate() {
                    let outlet = &mut self.outlets[seat.outlet(slot, stream)];
                    for (route, (targets, near)) in outlet.routes.iter_mut().zip(routes) {
                        route.turn_to(targets, *near);
                    }
                }
            }
        }
    }

    /// Fail every tree that is pending here, and the inputs of every batch.
    pub(super) fn lose_all(&mut self, cause: Cause) {
        self.cause = cause;
        let mut ended = Vec::new();
        self.ledger.lose_all(|settled| ended.push(settled));
        ended.into_iter().for_each(|settled| self.timed_out(settled));
    }

    pub(super) fn timed_out(&mut self, ended: Settled<K::Token>) {
        match ended {
            Settled::Finished(finished) => self.finished(finished),
            Settled::Relay(relay, outcome) => self.relayed(relay, outcome),
            Settled::Open | Settled::Unknown | Settled::Elsewhere => {}
        }
    }

    fn finished(&mut self, finished: Finished<K::Token>) {
        let place = self.shared.places[finished.task as usize];
        let (executor, slot) = (place.local as usize, place.slot as usize);
        self.pending[self.seats[executor].task(slot)] -= 1;
        self.settled[executor].push(finished);
        self.traffic.ready.set(executor);
    }

    fn relayed(&mut self, relay: Relay, outcome: Outcome) {
        for (lineage, made) in relay.inputs {
            match outcome {
                Outcome::Acked => self.pass(&lineage, made),
                // The spout's own time-out speaks for the tree.
                Outcome::TimedOut => {}
                Outcome::Failed | Outcome::Lost => lineage.each(|root, _| self.fail_root(root)),
            }
        }
    }
}
