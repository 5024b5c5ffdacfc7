use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::bits::Bits;
use super::{Kit, Mail, Plan, Shared, WINDOW};
use crate::ack::Root;
use crate::flow::{Envelope, Place, Places, Queue, TaskId};
use crate::wire::TupleWriter;

/// The queues of one executor.
struct Ends<P> {
    /// What it has to do.
    inbox: Queue<Envelope<P>>,
    /// What it emitted that found no room.
    outbox: Queue<Envelope<P>>,
    /// Its number in the worker.
    number: usize,
    /// The ring that it is part of; 0 for none.
    ring: u32,
    /// It takes no more for now, by its own decision.
    shut: bool,
}

/// Queues of one loop, and the parcels that it makes up for others.
pub struct Traffic<K: Kit> {
    shared: Arc<Shared<K>>,
    places: Places,
    line: u16,
    /// There are other workers.
    has_peers: bool,
    high_water: usize,
    /// So many tuples that wait for an executor are much.
    much: usize,
    /// By executor of this loop.
    ends: Vec<Ends<K::Payload>>,
    /// Executors with something to do, or something to get rid of: all bolts whose inbox is not empty, but for the one
    /// whose turn it is.
    pub(super) ready: Bits,
    parcels: Vec<Vec<Mail<K>>>,
    /// For each other worker the message that is being filled. It is written here and not by who drives the links,
    /// since what holds the values is given back where it came from.
    letters: Vec<TupleWriter>,
    has_parcels: bool,
}

impl<K: Kit> Traffic<K> {
    pub(super) fn new(shared: Arc<Shared<K>>, numbers: &[usize], plan: &Plan) -> Self {
        let ends = |number: &usize| Ends {
            inbox: Queue::default(),
            outbox: Queue::default(),
            number: *number,
            ring: shared.gauges[*number].ring.load(Ordering::Relaxed),
            shut: false,
        };
        Traffic {
            parcels: shared.peers.iter().map(|_| Vec::new()).collect(),
            letters: shared.peers[shared.lines..]
                .iter()
                .map(|_| TupleWriter::new(TupleWriter::MESSAGE))
                .collect(),
            places: Arc::clone(&shared.places),
            ends: numbers.iter().map(ends).collect(),
            ready: Bits::new(numbers.len()),
            has_parcels: false,
            has_peers: shared.peers.len() > shared.lines,
            shared,
            line: plan.line,
            high_water: plan.high_water,
            much: match plan.load_aware {
                true => plan.high_water.div_ceil(2),
                false => usize::MAX,
            },
        }
    }

    pub(super) fn set_places(&mut self, places: &Places) {
        self.places = Arc::clone(places);
    }

    #[inline(always)]
    pub(super) fn has_peers(&self) -> bool {
        self.has_peers
    }

    /// Does a task run in another worker?
    #[inline(always)]
    pub(super) fn is_abroad(&self, task: TaskId) -> bool {
        self.has_peers && usize::from(self.places[task as usize].line) >= self.shared.lines
    }

    /// Has the executor of a task half of what it may have waiting for it? Never, if nobody wants to know.
    #[inline(always)]
    pub(super) fn has_much(&self, task: TaskId) -> bool {
        let place = self.places[task as usize];
        match place.line == self.line {
            true => self.ends[place.local as usize].inbox.len() >= self.much,
            false if self.is_abroad(task) => {
                self.shared.gauges[place.number as usize].queued() >= self.much.saturating_mul(WINDOW)
            }
            false => self.shared.gauges[place.number as usize].queued() >= self.much,
        }
    }

    /// Of these tasks the one for whose executor the least waits; `chosen` if none has less.
    #[cold]
    pub(super) fn least_busy(&self, tasks: &[TaskId], chosen: TaskId) -> TaskId {
        let load = |task: TaskId| {
            let place = self.places[task as usize];
            match place.line == self.line {
                true => self.ends[place.local as usize].inbox.len(),
                false => self.shared.gauges[place.number as usize].queued(),
            }
        };
        let least = tasks.iter().copied().min_by_key(|task| load(*task));
        least.filter(|task| load(*task) < load(chosen)).unwrap_or(chosen)
    }

    /// Send a tuple on its way. False if it has to wait in the outbox of `from`.
    #[inline(always)]
    pub(super) fn send(&mut self, from: usize, envelope: Envelope<K::Payload>) -> bool {
        let place = self.places[envelope.way.destination() as usize];
        let to = place.local as usize;
        if place.line == self.line && self.ends[from].outbox.is_empty() && self.has_room(from, to) {
            let inbox = &mut self.ends[to].inbox;
            let first = inbox.is_empty();
            inbox.push(envelope);
            if first {
                self.ready.set(to);
            }
            return true;
        }
        self.send_elsewhere(from, place, envelope)
    }

    /// What goes to another worker is written down at once, if nothing is before it. All else waits in the outbox.
    #[inline(never)]
    fn send_elsewhere(&mut self, from: usize, place: Place, envelope: Envelope<K::Payload>) -> bool {
        let number = place.number as usize;
        if let Some(abroad) = usize::from(place.line).checked_sub(self.shared.lines)
            && self.ends[from].outbox.is_empty()
            && self.remote_has_room(from, number)
        {
            self.shared.gauges[number].expect(1);
            self.write(abroad, place.number, &envelope);
            return true;
        }
        self.ends[from].outbox.push(envelope);
        false
    }

    /// Put a tuple into the message for another worker.
    fn write(&mut self, abroad: usize, number: u32, envelope: &Envelope<K::Payload>) {
        self.has_parcels = true;
        if let Some(full) = self.letters[abroad].add(envelope, number) {
            self.parcels[self.shared.lines + abroad].push(Mail::Letter(full));
        }
    }

    /// May `from` put one more into the inbox of `to`, an executor of this loop?
    #[inline(always)]
    fn has_room(&self, from: usize, to: usize) -> bool {
        match self.ends[to].ring {
            0 => self.ends[to].inbox.len() < self.high_water,
            ring => self.ring_has_room(ring, self.ends[from].ring),
        }
    }

    /// Members of a loop in the topology never wait for one another (they would wait for ever); who feeds it from
    /// outside waits while all its queues together are above high water.
    fn ring_has_room(&self, ring: u32, from: u32) -> bool {
        if ring == from {
            return true;
        }
        let mut total = 0;
        for number in &self.shared.rings[ring as usize] {
            total += match self.ends.iter().find(|ends| ends.number == *number) {
                Some(ends) => ends.inbox.len() + ends.outbox.len(),
                None => self.shared.gauges[*number].queued(),
            };
        }
        total < self.high_water
    }

    fn remote_has_room(&self, from: usize, number: usize) -> bool {
        let gauge = &self.shared.gauges[number];
        let limit = match number < self.shared.figures.len() {
            true => self.high_water,
            false => WINDOW * self.high_water,
        };
        let room = || match gauge.ring.load(Ordering::Relaxed) {
            0 => gauge.queued() < limit,
            ring => self.ring_has_room(ring, self.ends[from].ring),
        };
        if room() {
            return true;
        }
        gauge.wait();
        room()
    }

    /// Try to empty the outbox of an executor, in order. True if it is empty.
    #[inline(always)]
    pub(super) fn flush(&mut self, from: usize) -> bool {
        self.ends[from].outbox.is_empty() || self.flush_some(from)
    }

    fn flush_some(&mut self, from: usize) -> bool {
        while let Some(envelope) = self.ends[from].outbox.front() {
            let place = self.places[envelope.way.destination() as usize];
            let to = place.local as usize;
            if place.line == self.line {
                if !self.has_room(from, to) {
                    break;
                }
                if let Some(envelope) = self.ends[from].outbox.pop() {
                    self.push(to, envelope);
                }
            } else {
                let number = place.number as usize;
                if !self.remote_has_room(from, number) {
                    break;
                }
                self.shared.gauges[number].expect(1);
                let envelope = self.ends[from].outbox.pop();
                if let Some(abroad) = usize::from(place.line).checked_sub(self.shared.lines) {
                    envelope
                        .iter()
                        .for_each(|envelope| self.write(abroad, place.number, envelope));
                    continue;
                }
                self.has_parcels = true;
                match self.parcels[place.line as usize].last_mut() {
                    Some(Mail::Tuples(tuples)) => tuples.extend(envelope),
                    _ => self.parcels[place.line as usize].push(Mail::Tuples(envelope.into_iter().collect())),
                }
            }
        }
        let unsent = self.ends[from].outbox.len();
        self.shared.gauges[self.ends[from].number].set_unsent(unsent);
        let empty = unsent == 0;
        if empty {
            self.ends[from].outbox.shrink(64 * self.high_water);
        } else {
            self.ready.set(from);
        }
        empty
    }

    /// An ack for a ledger of another loop, after the tuples that this loop sends there.
    pub(super) fn settle_elsewhere(&mut self, line: u16, root: Root, edges: u64) {
        self.has_parcels = true;
        match self.parcels[line as usize].last_mut() {
            Some(Mail::Settle(list)) => match list.last_mut() {
                Some((last, sum)) if *last == root => *sum ^= edges,
                _ => list.push((root, edges)),
            },
            _ => self.parcels[line as usize].push(Mail::Settle(vec![(root, edges)])),
        }
    }

    pub(super) fn post(&mut self, line: u16, mail: Mail<K>) {
        self.has_parcels = true;
        self.parcels[line as usize].push(mail);
    }

    /// Hand over what was made up for other loops.
    #[inline(always)]
    pub(super) fn dispatch(&mut self) {
        if self.has_parcels {
            self.has_parcels = false;
            let abroad = &mut self.parcels[self.shared.lines..];
            for (parcel, letter) in abroad.iter_mut().zip(&mut self.letters) {
                parcel.extend(letter.rest().map(Mail::Letter));
            }
            for (line, parcel) in self.parcels.iter_mut().enumerate() {
                if !parcel.is_empty() {
                    self.shared.peers[line].post(std::mem::take(parcel));
                }
            }
        }
    }

    /// Tuples from another loop.
    pub(super) fn receive(&mut self, tuples: Vec<Envelope<K::Payload>>) {
        let (mut last, mut count) = (None, 0);
        for envelope in tuples {
            let to = self.shared.places[envelope.way.destination() as usize].local as usize;
            self.push(to, envelope);
            if last != Some(to) {
                self.arrived(last, count);
                (last, count) = (Some(to), 0);
            }
            count += 1;
        }
        self.arrived(last, count);
    }

    /// So many tuples that were on the way to an executor of this loop are in its queue.
    fn arrived(&self, executor: Option<usize>, count: usize) {
        if let Some(executor) = executor {
            self.shared.gauges[self.ends[executor].number].arrive(count);
            self.publish(executor);
        }
    }

    pub(super) fn push(&mut self, to: usize, envelope: Envelope<K::Payload>) {
        self.ends[to].inbox.push(envelope);
        self.ready.set(to);
    }

    #[inline(always)]
    pub(super) fn pop(&mut self, executor: usize) -> Option<Envelope<K::Payload>> {
        self.ends[executor].inbox.pop()
    }

    #[inline(always)]
    pub(super) fn queued(&self, executor: usize) -> usize {
        self.ends[executor].inbox.len()
    }

    #[inline(always)]
    pub(super) fn held_back(&self, executor: usize) -> usize {
        self.ends[executor].outbox.len()
    }

    /// Does what the executor emits now find room, in its outbox at least?
    #[inline(always)]
    pub(super) fn is_below(&self, executor: usize) -> bool {
        self.ends[executor].outbox.len() < self.high_water
    }

    /// Give an executor no turns for its input, or give them again.
    pub(super) fn set_shut(&mut self, executor: usize, shut: bool) {
        self.ends[executor].shut = shut;
        if !shut {
            self.ready.set(executor);
        }
    }

    /// Is there input that the executor would take?
    #[inline(always)]
    pub(super) fn wants_turn(&self, executor: usize) -> bool {
        let ends = &self.ends[executor];
        !ends.inbox.is_empty() && !ends.shut
    }

    /// Is the executor part of a loop in the topology?
    #[inline(always)]
    pub(super) fn in_ring(&self, executor: usize) -> bool {
        self.ends[executor].ring != 0
    }

    /// After a turn: let other threads see the queue, and tell those who wait for room.
    pub(super) fn publish(&self, executor: usize) {
        let ends = &self.ends[executor];
        let (queued, gauge) = (ends.inbox.len(), &self.shared.gauges[ends.number]);
        // What a member of a ring cannot pass on counts as well: it takes input all the same.
        let unsent = if ends.ring != 0 { ends.outbox.len() } else { 0 };
        gauge.set(queued + unsent);
        // What is still on the way counts: who waits would find no room, and be rung again for every tuple of it.
        if queued < self.high_water / 2 + 1
            && gauge.queued() < self.high_water / 2 + 1
            && gauge.take_awaited()
        {
            self.shared.ring_all();
        }
    }

    pub(super) fn line(&self) -> u16 {
        self.line
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ends
            .iter()
            .all(|ends| ends.inbox.is_empty() && ends.outbox.is_empty())
    }
}
