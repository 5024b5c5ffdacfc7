//! What is between the workers: sessions, messages on their way, and what becomes of both.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use typhoon_core::ack::Edges;
use typhoon_core::engine::{Relayout, Shared, WINDOW};
use typhoon_core::wire::{Exchange, Lanes, Message};

use crate::sim::truth::Truth;
use crate::sim::{Row, SimKit};

/// One start of a worker, by number among all.
pub type Start = usize;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Life {
    Live,
    /// It has been declared dead, and does not know.
    Zombie,
    Gone,
}

/// What one end of a session knows of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct End {
    peer: Start,
    session: u64,
}

/// A worker as its link thread sees it.
pub struct Process {
    pub index: usize,
    pub life: Life,
    pub incarnation: u64,
    pub shared: Arc<Shared<SimKit>>,
    pub exchange: Rc<Exchange<SimKit>>,
    bell: Arc<AtomicBool>,
    /// By worker: the session with it, whether it wants to be filled, the last incarnation that there was a session
    /// with, and up to which one it is known to be down.
    ends: Vec<Option<End>>,
    hungry: Vec<bool>,
    last: Vec<u64>,
    down: Vec<u64>,
}

impl Process {
    pub fn new(
        (index, incarnation): (usize, u64),
        shared: &Arc<Shared<SimKit>>,
        high_water: usize,
        workers: usize,
    ) -> Self {
        let bell = Arc::new(AtomicBool::new(false));
        for peer in &shared.peers[shared.lines..] {
            let bell = Arc::clone(&bell);
            peer.ring_by(Arc::new(move || bell.store(true, Ordering::SeqCst)));
        }
        Process {
            index,
            life: Life::Live,
            incarnation,
            exchange: Rc::new(Exchange::new(Arc::clone(shared), high_water)),
            shared: Arc::clone(shared),
            bell,
            ends: vec![None; workers],
            hungry: vec![false; workers],
            last: vec![0; workers],
            down: vec![0; workers],
        }
    }

    /// Has it been connected with every other worker?
    pub fn is_ready(&self) -> bool {
        (0..self.last.len()).all(|other| other == self.index || self.last[other] > 0)
    }

    pub fn is_up(&self) -> bool {
        self.life != Life::Gone
    }
}

struct Post {
    session: u64,
    bytes: Vec<u8>,
}

/// Messages from one worker to another.
#[derive(Default)]
struct Wire {
    urgent: VecDeque<Post>,
    bulk: VecDeque<Post>,
}

impl Wire {
    /// Of what is on its way only so much gets there.
    fn cut(&mut self, dice: &mut Edges) {
        self.urgent.truncate(dice.below(self.urgent.len() + 1));
        self.bulk.truncate(dice.below(self.bulk.len() + 1));
    }

    fn clear(&mut self) {
        self.urgent.clear();
        self.bulk.clear();
    }

    fn is_empty(&self) -> bool {
        self.urgent.is_empty() && self.bulk.is_empty()
    }
}

/// Puts messages on a wire, or nowhere.
struct Sender<'a> {
    wire: Option<&'a mut Wire>,
    session: u64,
}

impl Lanes for Sender<'_> {
    fn urgent(&mut self, bytes: Vec<u8>) {
        let session = self.session;
        if let Some(wire) = &mut self.wire {
            wire.urgent.push_back(Post { session, bytes });
        }
    }

    fn bulk(&mut self, bytes: Vec<u8>) {
        let session = self.session;
        if let Some(wire) = &mut self.wire {
            wire.bulk.push_back(Post { session, bytes });
        }
    }
}

/// What will happen to one start of a worker.
#[derive(Debug, Clone)]
pub enum Todo {
    /// It notices that this session is no more.
    Lose {
        peer: Start,
        session: u64,
    },
    /// It begins a session; the other end may know of that later.
    Connect(Start),
    Connected(Start, u64),
    /// It is told that this one is down.
    Down(Start),
    /// It is told where tasks are.
    Relayout(Arc<Relaid>),
}

/// A layout, which says nothing of itself.
pub struct Relaid(pub Relayout);

impl std::fmt::Debug for Relaid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Relaid")
    }
}

pub struct Net {
    pub processes: Vec<Process>,
    pub todo: Vec<(Start, Todo)>,
    wires: BTreeMap<(Start, Start), Wire>,
    sessions: u64,
    /// Sessions that at least one end has given up, or that lead nowhere.
    broken: BTreeSet<u64>,
    pub dice: Edges,
    pub truth: Rc<RefCell<Truth>>,
    high_water: usize,
    /// In a hundred: how often a link thread comes in between while a component works.
    pub meddling: usize,
    /// In a hundred: how often a worker is not told yet where tasks are now.
    pub laziness: usize,
}

impl Net {
    pub fn new(dice: Edges, truth: Rc<RefCell<Truth>>, high_water: usize) -> Self {
        Net {
            processes: Vec::new(),
            todo: Vec::new(),
            wires: BTreeMap::new(),
            sessions: 0,
            broken: BTreeSet::new(),
            dice,
            truth,
            high_water,
            meddling: 0,
            laziness: 0,
        }
    }

    pub fn add(&mut self, process: Process) -> Start {
        let new = self.processes.len();
        for (other, peer) in self.processes.iter().enumerate() {
            if peer.life == Life::Live && peer.index != process.index {
                self.todo.push((new, Todo::Connect(other)));
            }
        }
        self.processes.push(process);
        new
    }

    pub fn live(&self) -> Vec<Start> {
        let all = 0..self.processes.len();
        all.filter(|one| self.processes[*one].life == Life::Live)
            .collect()
    }

    pub fn up(&self) -> Vec<Start> {
        (0..self.processes.len())
            .filter(|one| self.processes[*one].is_up())
            .collect()
    }

    /// The live start of a worker.
    pub fn of_index(&self, index: usize) -> Option<Start> {
        self.live()
            .into_iter()
            .find(|one| self.processes[*one].index == index)
    }

    fn end(&self, of: Start, with: Start) -> Option<End> {
        self.processes[of].ends[self.processes[with].index]
    }

    /// One thing that the link thread of this worker does. False if it has nothing to do.
    pub fn act(&mut self, start: Start) -> bool {
        let process = &mut self.processes[start];
        if process.bell.swap(false, Ordering::SeqCst) {
            process.hungry.fill(true);
        }
        enum Act {
            Fill(usize, End),
            Urgent(Start),
            Bulk(Start),
        }
        let mut acts = Vec::new();
        for (index, end) in process.ends.iter().enumerate() {
            let Some(end) = *end else { continue };
            if process.hungry[index] {
                acts.push(Act::Fill(index, end));
            }
            let Some(wire) = self.wires.get(&(end.peer, start)) else {
                continue;
            };
            let ready = |lane: &VecDeque<Post>| lane.front().is_some_and(|post| post.session == end.session);
            if ready(&wire.urgent) {
                acts.push(Act::Urgent(end.peer));
            }
            if ready(&wire.bulk) && (!ready(&wire.urgent) || self.dice.below(8) == 0) {
                acts.push(Act::Bulk(end.peer));
            }
        }
        if acts.is_empty() {
            return false;
        }
        match acts[self.dice.below(acts.len())] {
            Act::Fill(index, end) => self.fill(start, index, end),
            Act::Urgent(from) => self.deliver(from, start, |wire| &mut wire.urgent),
            Act::Bulk(from) => self.deliver(from, start, |wire| &mut wire.bulk),
        }
        true
    }

    fn fill(&mut self, start: Start, index: usize, end: End) {
        let process = &mut self.processes[start];
        process.hungry[index] = false;
        let wire =
            (!self.broken.contains(&end.session)).then(|| self.wires.entry((start, end.peer)).or_default());
        let mut sender = Sender {
            wire,
            session: end.session,
        };
        process.exchange.fill(index as u16, &mut sender);
        if self.truth.borrow().calm {
            self.check_credit(start);
        }
    }

    /// Nobody has more on the way to an executor than its high water, nor more than it knows of; but members of a ring
    /// do not wait.
    fn check_credit(&self, start: Start) {
        let shared = &self.processes[start].shared;
        let mut sent = vec![0; shared.gauges.len()];
        for end in self.processes[start].ends.iter().flatten() {
            let wire = self.wires.get(&(start, end.peer));
            let posts = wire.into_iter().flat_map(|wire| &wire.bulk);
            for post in posts.filter(|post| post.session == end.session) {
                if let Ok(Message::<Row>::Tuples(tuples)) = Message::read(&post.bytes) {
                    for tuple in tuples {
                        sent[shared.places[tuple.way.destination() as usize].number as usize] += 1;
                    }
                }
            }
        }
        for (gauge, sent) in shared.gauges.iter().zip(sent).skip(shared.figures.len()) {
            let known = gauge.queued();
            assert!(
                sent <= known,
                "{start} has {sent} on the way, and knows of {known}"
            );
            if gauge.ring.load(Ordering::Relaxed) == 0 {
                assert!(
                    known <= WINDOW * self.high_water,
                    "{start} has {known} on the way"
                );
            }
        }
    }

    fn deliver(&mut self, from: Start, to: Start, lane: impl Fn(&mut Wire) -> &mut VecDeque<Post>) {
        let wire = self.wires.get_mut(&(from, to)).unwrap();
        let post = lane(wire).pop_front().unwrap();
        let index = self.processes[from].index;
        let process = &mut self.processes[to];
        if let Ok(Message::<Row>::Lost(_)) = Message::read(&post.bytes) {
            assert!(!self.truth.borrow().calm, "a marker for nothing");
        }
        if process.exchange.message(index as u16, &post.bytes).unwrap() {
            process.bell.store(true, Ordering::SeqCst);
        }
    }

    /// What other threads of a worker do while one of its components works.
    pub fn meddle(&mut self, start: Start) {
        if self.dice.below(100) < self.meddling {
            let own: Vec<usize> = (0..self.todo.len())
                .filter(|number| self.todo[*number].0 == start)
                .collect();
            if !own.is_empty() && self.dice.below(4) == 0 {
                let number = own[self.dice.below(own.len())];
                self.perform(number);
            } else {
                self.act(start);
            }
        }
    }

    /// Do one of the things that are to be done; those that cannot be yet stay.
    pub fn perform(&mut self, number: usize) {
        let (start, todo) = self.todo.swap_remove(number);
        if !self.processes[start].is_up() {
            return;
        }
        match todo.clone() {
            Todo::Lose { peer, session } => {
                if self.end(start, peer) == Some(End { peer, session }) {
                    self.lose(start, peer);
                }
            }
            Todo::Down(peer) => self.down(start, peer),
            Todo::Connect(peer) => {
                if !self.connect(start, peer) {
                    self.todo.push((start, todo));
                }
            }
            Todo::Connected(peer, session) => {
                if self.broken.contains(&session) {
                    self.todo.push((start, Todo::Connect(peer)));
                } else {
                    self.connected(start, peer, session);
                }
            }
            Todo::Relayout(_) if self.dice.below(100) < self.laziness => self.todo.push((start, todo)),
            Todo::Relayout(relayout) => {
                let process = &self.processes[start];
                process.shared.relayout(Relayout {
                    places: Arc::clone(&relayout.0.places),
                    routes: relayout.0.routes.clone(),
                });
                process.exchange.set_places(Arc::clone(&relayout.0.places));
            }
        }
    }

    fn is_refused(&self, start: Start, peer: Start) -> bool {
        let peer = &self.processes[peer];
        !peer.is_up() || self.processes[start].down[peer.index] >= peer.incarnation
    }

    /// False if that has to wait.
    fn connect(&mut self, start: Start, peer: Start) -> bool {
        if self.is_refused(start, peer) || self.is_refused(peer, start) {
            return true;
        }
        let session = |end: Option<End>| end.map(|end| end.session);
        let ends = [self.end(start, peer), self.end(peer, start)].map(session);
        if ends[0] == ends[1] && ends[0].is_some_and(|session| !self.broken.contains(&session)) {
            return true;
        }
        for (one, other) in [(start, peer), (peer, start)] {
            match self.end(one, other) {
                Some(end) if end.peer == other => return false,
                // An incarnation that is up means that those before it are down.
                Some(end) => self.down(one, end.peer),
                None => {}
            }
        }
        for (one, other) in [(start, peer), (peer, start)] {
            let (index, incarnation) = (self.processes[other].index, self.processes[other].incarnation);
            self.processes[one].down[index] = incarnation - 1;
        }
        self.sessions += 1;
        let session = self.sessions;
        for way in [(start, peer), (peer, start)] {
            self.wires.entry(way).or_default().clear();
        }
        self.connected(start, peer, session);
        self.todo.push((peer, Todo::Connected(start, session)));
        true
    }

    fn connected(&mut self, start: Start, peer: Start, session: u64) {
        if self.is_refused(start, peer) {
            self.give_up(session, peer, start);
            return;
        }
        let (index, incarnation) = (self.processes[peer].index, self.processes[peer].incarnation);
        let process = &mut self.processes[start];
        assert!(process.ends[index].is_none());
        let again = process.last[index] == incarnation;
        assert!(!again || !self.truth.borrow().calm);
        process.last[index] = incarnation;
        process.exchange.connected(index as u16, again.then_some(session));
        process.ends[index] = Some(End { peer, session });
        process.hungry[index] = true;
    }

    fn down(&mut self, start: Start, peer: Start) {
        let (index, incarnation) = (self.processes[peer].index, self.processes[peer].incarnation);
        let known = &mut self.processes[start].down[index];
        *known = incarnation.max(*known);
        if self.end(start, peer).is_some_and(|end| end.peer == peer) {
            self.lose(start, peer);
        }
    }

    fn lose(&mut self, start: Start, peer: Start) {
        self.truth.borrow_mut().calm = false;
        let index = self.processes[peer].index;
        let Some(end) = self.processes[start].ends[index].take() else {
            return;
        };
        self.wires.entry((peer, start)).or_default().clear();
        self.wires.entry((start, peer)).or_default().cut(&mut self.dice);
        self.give_up(end.session, peer, start);
        self.processes[start].exchange.lost(index as u16, end.session);
    }

    /// One end knows that there is no such session; the other will.
    fn give_up(&mut self, session: u64, other: Start, peer: Start) {
        if self.broken.insert(session) {
            self.todo.push((other, Todo::Lose { peer, session }));
        }
    }

    /// The connection of two workers breaks for good. False if there is none.
    pub fn snap(&mut self, one: Start, other: Start) -> bool {
        let ends = [self.end(one, other), self.end(other, one)];
        let of_these = |end: &&End| end.peer == one || end.peer == other;
        let Some(session) = ends.iter().flatten().find(of_these).map(|end| end.session) else {
            return false;
        };
        if !self.broken.insert(session) {
            return false;
        }
        self.truth.borrow_mut().calm = false;
        for (from, to) in [(one, other), (other, one)] {
            self.wires.entry((from, to)).or_default().cut(&mut self.dice);
            self.todo.push((from, Todo::Lose { peer: to, session }));
        }
        self.todo.push((one, Todo::Connect(other)));
        true
    }

    /// Declare a worker dead. If that is true nothing of it is left but what is on its way.
    pub fn die(&mut self, start: Start, zombie: bool) {
        self.truth.borrow_mut().calm = false;
        self.processes[start].life = if zombie { Life::Zombie } else { Life::Gone };
        for peer in self.live() {
            self.todo.push((peer, Todo::Down(start)));
        }
        if !zombie {
            self.gone(start);
        }
    }

    /// The end of a process.
    pub fn gone(&mut self, start: Start) {
        self.processes[start].life = Life::Gone;
        for end in self.processes[start].ends.iter().flatten() {
            self.broken.insert(end.session);
        }
        for ((from, to), wire) in &mut self.wires {
            if *to == start {
                wire.clear();
            } else if *from == start {
                wire.cut(&mut self.dice);
            }
        }
        for (of, process) in self.processes.iter().enumerate() {
            for end in process.ends.iter().flatten().filter(|end| end.peer == start) {
                self.broken.insert(end.session);
                // Who is a zombie is told nothing, but sees that the connection is gone.
                let (peer, session) = (start, end.session);
                self.todo.push((of, Todo::Lose { peer, session }));
            }
        }
    }

    /// Nothing is on its way, or about to be.
    pub fn is_still(&self) -> bool {
        let ready = |(of, process): (usize, &Process)| {
            process.is_up()
                && (process.bell.load(Ordering::SeqCst)
                    || process.ends.iter().enumerate().any(|(index, end)| {
                        end.is_some_and(|end| {
                            process.hungry[index]
                                || self.wires.get(&(end.peer, of)).is_some_and(|w| !w.is_empty())
                        })
                    }))
        };
        self.todo.is_empty() && !self.processes.iter().enumerate().any(ready)
    }

    /// What is on its way, or about to be; for people.
    pub fn busy(&self) -> String {
        let mut text = format!("{:?}", self.todo);
        for (start, process) in self.processes.iter().enumerate() {
            let (life, ends, hungry) = (process.life, &process.ends, &process.hungry);
            let bell = process.bell.load(Ordering::SeqCst);
            text += &format!("\n{start}: {life:?}, bell {bell}, {ends:?}, hungry {hungry:?}");
        }
        for ((from, to), wire) in self.wires.iter().filter(|(_, wire)| !wire.is_empty()) {
            let session = |lane: &VecDeque<Post>| lane.front().map(|post| post.session);
            let fronts = (session(&wire.urgent), session(&wire.bulk));
            text += &format!("\n{from} -> {to}: {fronts:?}");
        }
        text
    }

    /// Nothing is left anywhere: neither of tuples on their way nor of room that was taken for them.
    pub fn check_empty(&self) {
        for start in self.live() {
            let process = &self.processes[start];
            let counts = process.exchange.counts();
            let (own, others) = process.shared.gauges.split_at(process.shared.figures.len());
            own.iter()
                .for_each(|gauge| assert_eq!(gauge.queued(), 0, "in worker {start}"));
            // So much is not worth a message.
            let least = (WINDOW * self.high_water / 16).max(1);
            for (number, gauge) in others.iter().enumerate() {
                assert!(
                    gauge.queued() < least,
                    "{start}: {} on the way to task {number}",
                    gauge.queued()
                );
            }
            for peer in &process.shared.peers {
                assert!(!peer.mailbox.is_filled(), "mail is left in worker {start}");
            }
            for end in process.ends.iter().flatten() {
                let peer = &self.processes[end.peer];
                let back = peer.exchange.counts()[process.index];
                assert_eq!(
                    counts[peer.index],
                    (back.1, back.0),
                    "sent and received, {start} and {}",
                    end.peer
                );
            }
        }
    }
}
