use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};

use super::message::TupleWriter;
use super::{Garbled, Message};
use crate::ack::Lineage;
use crate::engine::{Cause, Gauge, Kit, Mail, Shared, WINDOW};
use crate::flow::{Envelope, Places, TaskId};

/// What is to be sent to one worker; the urgent lane may overtake the other.
pub trait Lanes {
    fn urgent(&mut self, message: Vec<u8>);
    fn bulk(&mut self, message: Vec<u8>);
}

/// What there is between this worker and another.
#[derive(Default)]
struct Side {
    /// Messages of this session that may leave something to do at their receiver.
    sent: AtomicU64,
    received: AtomicU64,
    /// Say [`Message::Lost`] for each of these before anything else.
    marks: Mutex<Vec<Cause>>,
    /// By executor of ours: tuples that came and for which no credit was given yet.
    owed: Mutex<BTreeMap<u32, u32>>,
    /// By executor of theirs: tuples that went in this session and for which no credit came yet. Together with what is
    /// in letters that wait, that is what its gauge expects.
    out: Mutex<BTreeMap<u32, u32>>,
}

/// The two ends of all links of a worker: called by the thread that has the sockets, except where it says otherwise.
pub struct Exchange<K: Kit> {
    shared: Arc<Shared<K>>,
    places: RwLock<Places>,
    /// By worker.
    sides: Vec<Side>,
    high_water: usize,
    /// A task of each executor of ours, by number: its name for others.
    names: Vec<TaskId>,
}

impl<K: Kit> Exchange<K> {
    #[must_use]
    pub fn new(shared: Arc<Shared<K>>, high_water: usize) -> Self {
        let mut names = vec![0; shared.figures.len()];
        for (task, place) in shared.places.iter().enumerate().rev() {
            if usize::from(place.line) < shared.lines
                && let Some(name) = names.get_mut(place.number as usize)
            {
                *name = task as TaskId;
            }
        }
        Exchange {
            sides: (shared.lines..shared.peers.len())
                .map(|_| Side::default())
                .collect(),
            names,
            high_water,
            places: RwLock::new(Arc::clone(&shared.places)),
            shared,
        }
    }

    /// A session with a worker begins: what came and went in an earlier one does not count any more. `again`: an
    /// earlier one with the same incarnation was lost by this cause, and maybe a marker of ours with it.
    pub fn connected(&self, worker: u16, again: Option<Cause>) {
        if let Some(side) = self.sides.get(usize::from(worker)) {
            side.sent.store(0, Ordering::SeqCst);
            side.received.store(0, Ordering::SeqCst);
            marks(side).extend(again);
        }
    }

    /// The session with a worker is gone, and with it all that was queued for it: tell whoever may have a tree of that.
    pub fn lost(&self, worker: u16, cause: Cause) {
        let Some(side) = self.sides.get(usize::from(worker)) else {
            return;
        };
        if let Some(peer) = self.shared.abroad(worker) {
            for mail in peer.mailbox.take(Vec::new()) {
                if let Mail::Letter(letter) = mail {
                    letter.counts.into_iter().for_each(|counted| self.arrive(counted));
                }
            }
        }
        owed(side).clear();
        let out = std::mem::take(&mut *out(side));
        out.into_iter().for_each(|counted| self.arrive(counted));
        self.shared.lose_all(cause);
        // That worker's next start as well: while this session lasted it may have begun trees of which tuples or acks
        // went the old way.
        for side in &self.sides {
            let mut marks = marks(side);
            if !marks.contains(&cause) {
                marks.push(cause);
            }
        }
        self.shared.ring_all();
    }

    /// Put all that waits for a worker into messages.
    pub fn fill(&self, worker: u16, lanes: &mut impl Lanes) {
        let (Some(side), Some(peer)) = (self.sides.get(usize::from(worker)), self.shared.abroad(worker))
        else {
            return;
        };
        for cause in marks(side).drain(..) {
            lanes.urgent(Message::<K::Payload>::Lost(cause).write());
        }
        if let Some(credit) = self.credit(side) {
            lanes.urgent(credit);
        }
        if !peer.mailbox.is_filled() {
            return;
        }
        let abroad = self.shared.lines + usize::from(worker);
        let places = self.places();
        let mut settled = Vec::new();
        let mut count = 0;
        // Counted before the mailbox is empty: what is on its way is always seen in one place at least.
        side.sent.fetch_add(1, Ordering::SeqCst);
        for mail in peer.mailbox.take(Vec::new()) {
            match mail {
                Mail::Letter(letter) => {
                    count += 1;
                    let mut out = out(side);
                    for (number, tuples) in letter.counts {
                        // One that has moved gives credit for nothing that it gets by way of its old place.
                        match self.is_there(&places, number, abroad) {
                            true => *out.entry(number).or_default() += tuples,
                            false => self.arrive((number, tuples)),
                        }
                    }
                    lanes.bulk(letter.bytes);
                }
                Mail::Settle(mut list) => settled.append(&mut list),
                Mail::Fail(root) => {
                    count += 1;
                    lanes.urgent(Message::<K::Payload>::Fail(root).write());
                }
                Mail::Reset(root) => {
                    count += 1;
                    lanes.urgent(Message::<K::Payload>::Reset(root).write());
                }
                Mail::Tuples(_) | Mail::Lost(_) | Mail::Relayout(_) | Mail::Request(..) | Mail::Order(_) => {}
            }
        }
        if !settled.is_empty() {
            count += 1;
            lanes.urgent(Message::<K::Payload>::Settle(settled).write());
        }
        side.sent.fetch_add(count, Ordering::SeqCst);
        side.sent.fetch_sub(1, Ordering::SeqCst);
    }

    /// A message has come. True if there is now something to be filled in.
    ///
    /// # Errors
    /// When it is none; nothing of it was done.
    pub fn message(&self, worker: u16, bytes: &[u8]) -> Result<bool, Garbled> {
        let side = self.sides.get(usize::from(worker)).ok_or(Garbled { at: 0 })?;
        match Message::read(bytes)? {
            Message::Tuples(tuples) => self.deliver(side, tuples),
            Message::Settle(list) => self.settle(list),
            Message::Fail(root) => self.post_to_owner(root, Mail::Fail(root)),
            Message::Reset(root) => self.post_to_owner(root, Mail::Reset(root)),
            Message::Credit(list) => {
                self.credited(worker, side, list);
                return Ok(false);
            }
            Message::Lost(cause) => {
                self.shared.lose_all(cause);
                return Ok(false);
            }
        }
        // After it is in a mailbox, where it is seen.
        side.received.fetch_add(1, Ordering::SeqCst);
        let enough = |(number, owed): (&u32, &u32)| *owed as usize >= self.least(*number);
        Ok(owed(side).iter().any(enough))
    }

    /// Messages sent to and received from each worker in the present session, credits and marks apart. From any thread.
    #[must_use]
    pub fn counts(&self) -> Vec<(u64, u64)> {
        let one = |side: &Side| {
            (
                side.sent.load(Ordering::SeqCst),
                side.received.load(Ordering::SeqCst),
            )
        };
        self.sides.iter().map(one).collect()
    }

    fn deliver(&self, side: &Side, mut tuples: Vec<Envelope<K::Payload>>) {
        let places = self.places();
        let lines = self.shared.lines;
        let ours = |envelope: &Envelope<K::Payload>| {
            let place = places.get(envelope.way.destination() as usize);
            place.filter(|place| usize::from(place.line) < lines)
        };
        for stranger in tuples.extract_if(.., |envelope| ours(envelope).is_none()) {
            self.forward(&places, stranger);
        }
        // Neighbours mostly go to the same executor, so one count does for many.
        let mut owed = owed(side);
        for run in tuples.chunk_by(|one, next| ours(one) == ours(next)) {
            if let Some(place) = ours(&run[0]) {
                self.shared.gauges[place.number as usize].expect(run.len());
                *owed.entry(place.number).or_default() += run.len() as u32;
            }
        }
        drop(owed);
        if lines == 1 && !tuples.is_empty() {
            self.shared.peers[0].post(vec![Mail::Tuples(tuples)]);
            return;
        }
        let mut by_line: Vec<Vec<Envelope<K::Payload>>> = (0..lines).map(|_| Vec::new()).collect();
        for envelope in tuples {
            if let Some(place) = ours(&envelope) {
                by_line[usize::from(place.line)].push(envelope);
            }
        }
        for (line, tuples) in by_line.into_iter().enumerate() {
            if !tuples.is_empty() {
                self.shared.peers[line].post(vec![Mail::Tuples(tuples)]);
            }
        }
    }

    /// Tasks of other workers are there from now on; the loops have been told.
    pub fn set_places(&self, places: Places) {
        let before = {
            let mut present = self.places.write().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *present, Arc::clone(&places))
        };
        for (old, new) in before.iter().zip(places.iter()).filter(|(old, new)| old != new) {
            for number in [old.number, new.number] {
                for side in &self.sides {
                    let moved = out(side).remove(&number);
                    moved.into_iter().for_each(|tuples| self.arrive((number, tuples)));
                }
            }
        }
        self.shared.ring_all();
    }

    /// Has an executor of another worker its place in that one? Its number is that of its first task, behind ours.
    fn is_there(&self, places: &Places, number: u32, line: usize) -> bool {
        let place = places.get(number as usize - self.names.len());
        place.is_some_and(|place| place.number == number && usize::from(place.line) == line)
    }

    fn arrive(&self, (number, tuples): (u32, u32)) {
        self.shared.gauges[number as usize].arrive(tuples as usize);
    }

    /// Held while something is sent there, lest it be counted after the places have changed.
    fn places(&self) -> RwLockReadGuard<'_, Places> {
        self.places.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn settle(&self, list: Vec<(crate::ack::Root, u64)>) {
        let mut by_line: Vec<Vec<_>> = (0..self.shared.lines).map(|_| Vec::new()).collect();
        for (root, edges) in list {
            if let Some(line) = self.shared.blocks.owner(root)
                && let Some(mine) = by_line.get_mut(usize::from(line))
            {
                mine.push((root, edges));
            }
        }
        for (line, list) in by_line.into_iter().enumerate() {
            if !list.is_empty() {
                self.shared.peers[line].post(vec![Mail::Settle(list)]);
            }
        }
    }

    /// A tuple for a task that does not run here (any more). Once it is sent on; then its trees have to begin again.
    fn forward(&self, places: &Places, envelope: Envelope<K::Payload>) {
        let Envelope {
            payload,
            lineage,
            way,
        } = envelope;
        let place = places.get(way.destination() as usize);
        let peer = place.and_then(|place| self.shared.peers.get(usize::from(place.line)));
        match (place, peer) {
            (Some(place), Some(peer)) if !way.is_forwarded() => {
                self.shared.gauges[place.number as usize].expect(1);
                let mut writer = TupleWriter::new(TupleWriter::MESSAGE);
                let way = way.forwarded();
                let envelope = Envelope {
                    payload,
                    lineage,
                    way,
                };
                let letter = writer.add(&envelope, place.number).or_else(|| writer.rest());
                peer.post(letter.into_iter().map(Mail::Letter).collect());
            }
            _ => self.fail(&lineage),
        }
    }

    /// The trees of a tuple have to begin again; a loop knows whose they are.
    fn fail(&self, lineage: &Lineage) {
        lineage.each(|root, _| self.shared.peers[0].post(vec![Mail::Fail(root)]));
    }

    fn post_to_owner(&self, root: crate::ack::Root, mail: Mail<K>) {
        if let Some(line) = self.shared.blocks.owner(root)
            && let Some(peer) = self.shared.loops().get(usize::from(line))
        {
            peer.post(vec![mail]);
        }
    }

    /// So much credit for an executor is worth a message. Who feeds a ring looks at all its members together: less for
    /// each, the more there are.
    fn least(&self, number: u32) -> usize {
        let ring = self.shared.gauges[number as usize].ring.load(Ordering::Relaxed);
        let part = match ring {
            0 => WINDOW * self.high_water / 16,
            ring => self.high_water / (4 * self.shared.rings[ring as usize].len()),
        };
        part.max(1)
    }

    /// A message that gives credit for what came, for executors that have room and are owed enough to be worth it.
    fn credit(&self, side: &Side) -> Option<Vec<u8>> {
        let mut owed = owed(side);
        if owed.is_empty() {
            return None;
        }
        let mut list = Vec::new();
        owed.retain(|number, count| {
            if (*count as usize) < self.least(*number) {
                return true;
            }
            if !self.has_room(*number) {
                return true;
            }
            list.push((self.names[*number as usize], *count));
            false
        });
        (!list.is_empty()).then(|| Message::<K::Payload>::Credit(list).write())
    }

    /// Does an executor of ours have room, or will somebody ring when it has? The members of a ring in this worker are
    /// looked at together; those elsewhere wait for nobody, so these here come to an end.
    fn has_room(&self, number: u32) -> bool {
        let own = &self.shared.gauges[..self.names.len()];
        let gauge = &own[number as usize];
        let ring = &self.shared.rings[gauge.ring.load(Ordering::Relaxed) as usize];
        let members = || ring.iter().filter_map(|member| own.get(*member));
        let room = || match ring.is_empty() {
            // Half of the window: the other half is on its way meanwhile.
            true => gauge.queued() < (WINDOW * self.high_water).div_ceil(2),
            false => members().map(Gauge::queued).sum::<usize>() < self.high_water,
        };
        if room() {
            return true;
        }
        gauge.wait();
        members().for_each(Gauge::wait);
        room()
    }

    fn credited(&self, worker: u16, side: &Side, list: Vec<(TaskId, u32)>) {
        let line = self.shared.lines + usize::from(worker);
        let mut awaited = false;
        let places = self.places();
        let mut out = out(side);
        for (task, count) in list {
            if let Some(place) = places.get(task as usize)
                && usize::from(place.line) == line
            {
                // What was sent before it moved there, or in an earlier session, was taken off then.
                if let Some(left) = out.get_mut(&place.number) {
                    let count = count.min(*left);
                    *left -= count;
                    self.arrive((place.number, count));
                }
                awaited |= self.shared.gauges[place.number as usize].take_awaited();
            }
        }
        if awaited {
            self.shared.loops().iter().for_each(|peer| peer.ring());
        }
    }
}

fn marks(side: &Side) -> MutexGuard<'_, Vec<Cause>> {
    side.marks.lock().unwrap_or_else(PoisonError::into_inner)
}

fn out(side: &Side) -> MutexGuard<'_, BTreeMap<u32, u32>> {
    side.out.lock().unwrap_or_else(PoisonError::into_inner)
}

fn owed(side: &Side) -> MutexGuard<'_, BTreeMap<u32, u32>> {
    side.owed.lock().unwrap_or_else(PoisonError::into_inner)
}
