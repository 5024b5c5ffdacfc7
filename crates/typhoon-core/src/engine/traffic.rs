use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::bits::Bits;
use super::{Kit, Mail, Shared};
use crate::ack::Root;
use crate::flow::Envelope;

/// Queues of one loop, and the parcels that it makes up for others.
pub struct Traffic<K: Kit> {
    shared: Arc<Shared<K>>,
    line: u16,
    high_water: usize,
    /// By executor of this loop: what it has to do, and what it emitted that found no room.
    inboxes: Vec<VecDeque<Envelope<K::Payload>>>,
    outboxes: Vec<VecDeque<Envelope<K::Payload>>>,
    /// Numbers in the worker of this loop's executors.
    numbers: Vec<usize>,
    /// The ring that each executor of this loop is part of; 0 for none.
    rings: Vec<u32>,
    /// Executors with something to do, or something to get rid of.
    pub(super) ready: Bits,
    parcels: Vec<Vec<Mail<K>>>,
    has_parcels: bool,
}

impl<K: Kit> Traffic<K> {
    pub(super) fn new(shared: Arc<Shared<K>>, line: u16, numbers: Vec<usize>, high_water: usize) -> Self {
        let n = numbers.len();
        let rings = numbers
            .iter()
            .map(|number| shared.gauges[*number].ring.load(Ordering::Relaxed))
            .collect();
        Traffic {
            parcels: shared.peers.iter().map(|_| Vec::new()).collect(),
            shared,
            line,
            high_water,
            inboxes: (0..n).map(|_| VecDeque::new()).collect(),
            outboxes: (0..n).map(|_| VecDeque::new()).collect(),
            numbers,
            rings,
            ready: Bits::new(n),
            has_parcels: false,
        }
    }

    /// Send a tuple on its way. False if it has to wait in the outbox of `from`.
    #[inline(always)]
    pub(super) fn send(&mut self, from: usize, envelope: Envelope<K::Payload>) -> bool {
        let place = self.shared.places[envelope.way.destination() as usize];
        let to = place.local as usize;
        if place.line == self.line && self.outboxes[from].is_empty() && self.has_room(from, to) {
            self.inboxes[to].push_back(envelope);
            self.ready.set(to);
            return true;
        }
        self.outboxes[from].push_back(envelope);
        false
    }

    /// May `from` put one more into the inbox of `to`, an executor of this loop?
    #[inline(always)]
    fn has_room(&self, from: usize, to: usize) -> bool {
        match self.rings[to] {
            0 => self.inboxes[to].len() < self.high_water,
            ring => self.ring_has_room(ring, self.rings[from]),
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
            total += match self.numbers.iter().position(|n| n == number) {
                Some(here) => self.inboxes[here].len() + self.outboxes[here].len(),
                None => self.shared.gauges[*number].queued(),
            };
        }
        total < self.high_water
    }

    fn remote_has_room(&self, from: usize, number: usize) -> bool {
        let gauge = &self.shared.gauges[number];
        let room = || match gauge.ring.load(Ordering::Relaxed) {
            0 => gauge.queued() < self.high_water,
            ring => self.ring_has_room(ring, self.rings[from]),
        };
        if room() {
            return true;
        }
        gauge.wait();
        room()
    }

    /// Try to empty the outbox of an executor, in order. True if it is empty.
    pub(super) fn flush(&mut self, from: usize) -> bool {
        while let Some(envelope) = self.outboxes[from].front() {
            let place = self.shared.places[envelope.way.destination() as usize];
            let to = place.local as usize;
            if place.line == self.line {
                if !self.has_room(from, to) {
                    break;
                }
                self.inboxes[to].extend(self.outboxes[from].pop_front());
                self.ready.set(to);
            } else {
                let number = place.number as usize;
                if !self.remote_has_room(from, number) {
                    break;
                }
                self.shared.gauges[number].expect(1);
                let envelope = self.outboxes[from].pop_front();
                match self.parcels[place.line as usize].last_mut() {
                    Some(Mail::Tuples(tuples)) => tuples.extend(envelope),
                    _ => self.parcels[place.line as usize].push(Mail::Tuples(envelope.into_iter().collect())),
                }
                self.has_parcels = true;
            }
        }
        let empty = self.outboxes[from].is_empty();
        if !empty {
            self.ready.set(from);
        } else if self.outboxes[from].capacity() > 64 * self.high_water {
            self.outboxes[from].shrink_to(self.high_water);
        }
        empty
    }

    /// An ack for a ledger of another loop, after the tuples that this loop sends there.
    pub(super) fn settle_elsewhere(&mut self, line: u16, root: Root, edges: u64) {
        self.has_parcels = true;
        match self.parcels[line as usize].last_mut() {
            Some(Mail::Settle(list)) => list.push((root, edges)),
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
            for (line, parcel) in self.parcels.iter_mut().enumerate() {
                if !parcel.is_empty() {
                    self.shared.peers[line].post(std::mem::take(parcel));
                }
            }
        }
    }

    /// Tuples from another loop.
    pub(super) fn receive(&mut self, tuples: Vec<Envelope<K::Payload>>) {
        for envelope in tuples {
            let place = self.shared.places[envelope.way.destination() as usize];
            self.push(place.local as usize, envelope);
            self.shared.gauges[place.number as usize].arrive(1);
            self.publish(place.local as usize);
        }
    }

    pub(super) fn push(&mut self, to: usize, envelope: Envelope<K::Payload>) {
        self.inboxes[to].push_back(envelope);
        self.ready.set(to);
    }

    #[inline(always)]
    pub(super) fn pop(&mut self, executor: usize) -> Option<Envelope<K::Payload>> {
        self.inboxes[executor].pop_front()
    }

    #[inline(always)]
    pub(super) fn queued(&self, executor: usize) -> usize {
        self.inboxes[executor].len()
    }

    #[inline(always)]
    pub(super) fn held_back(&self, executor: usize) -> usize {
        self.outboxes[executor].len()
    }

    /// Is the executor part of a loop in the topology?
    #[inline(always)]
    pub(super) fn in_ring(&self, executor: usize) -> bool {
        self.rings[executor] != 0
    }

    /// After a turn: let other threads see the queue, and tell those who wait for room.
    pub(super) fn publish(&self, executor: usize) {
        let (queued, gauge) = (
            self.inboxes[executor].len(),
            &self.shared.gauges[self.numbers[executor]],
        );
        // What a member of a ring cannot pass on counts as well: it takes input all the same.
        let unsent = if self.in_ring(executor) {
            self.outboxes[executor].len()
        } else {
            0
        };
        gauge.set(queued + unsent);
        if queued < self.high_water / 2 + 1 && gauge.take_awaited() {
            self.shared.ring_all();
        }
    }

    pub(super) fn line(&self) -> u16 {
        self.line
    }

    pub(super) fn is_empty(&self) -> bool {
        self.inboxes.iter().chain(&self.outboxes).all(VecDeque::is_empty)
    }
}
