//! A topology in several workers, all in one thread.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use typhoon_core::ack::Edges;
use typhoon_core::engine::{
    ExecutorPlan, Extent, Kind, Loop, Mail, Order, Plan, Relayout, Rest, Shared, WINDOW,
};
use typhoon_core::flow::{Outlet, Pick, Place, Places, Route};

use crate::net::{Life, Net, Process, Relaid, Start, Todo};
use crate::sim::chaos::{Bolt, Spout, Temper};
use crate::sim::truth::Truth;
use crate::sim::{Sim, SimClock, SimKit};

/// A run that takes more steps than this hangs.
const STEPS: usize = 2_000_000;
/// So often time passes without anything coming of it before the run counts as stuck.
const PATIENCE: usize = 60;
/// When nothing has come of it for a while, as much time passes.
const MOMENT: u64 = 2_000_000;

/// A component of the topology.
#[derive(Clone)]
pub struct Part {
    pub kind: Kind,
    pub executors: usize,
    pub tasks: usize,
    pub to: Vec<(usize, Pick)>,
}

/// What goes wrong.
#[derive(Debug, Clone, Copy)]
pub enum Event {
    /// A session is lost.
    Snap,
    /// A worker dies, or is only believed to have.
    Die { zombie: bool },
    /// The last zombie ends.
    End,
    /// An executor moves to another worker, after the topology came to rest or not.
    Move { rest: bool },
}

#[derive(Clone)]
pub struct Case {
    pub seed: u64,
    pub workers: usize,
    /// Loops of each.
    pub lines: usize,
    pub high_water: usize,
    pub parts: Vec<Part>,
    /// Parts that form a loop in the topology.
    pub ring: Vec<usize>,
    pub temper: Temper,
    /// Trees of each spout task, in each start of its worker.
    pub trees: u64,
    /// In a thousand: calls of a spout that emit a tuple in no tree.
    pub loose: usize,
    pub max_pending: usize,
    pub message_timeout: Option<Duration>,
    pub events: Vec<Event>,
    /// Steps between two events at most.
    pub pace: usize,
    /// A worker begins before it is connected with all others.
    pub eager: bool,
    /// See [`Net`].
    pub meddling: usize,
    pub laziness: usize,
}

/// One executor, wherever it is.
struct Seat {
    part: usize,
    tasks: Vec<u32>,
}

struct Line {
    start: Start,
    number: usize,
    looped: Loop<SimKit>,
    rest: Rest,
}

pub struct Cluster {
    pub case: Case,
    pub truth: Rc<RefCell<Truth>>,
    pub net: Rc<RefCell<Net>>,
    clock: SimClock,
    dice: Edges,
    seats: Vec<Seat>,
    /// The worker of each executor.
    homes: Vec<usize>,
    lines: Vec<Line>,
    /// Trees that each start of a worker has to begin, by start.
    expected: Vec<usize>,
    /// (line, local number, kind) of its executors, by start.
    members: Vec<Vec<(usize, usize, Kind)>>,
    incarnations: Vec<u64>,
    to_start: Vec<usize>,
    paused: bool,
    over: Rc<Cell<bool>>,
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("seed: {} (set TYPHOON_SIM_SEED to it)", self.case.seed);
        }
    }
}

impl Cluster {
    pub fn new(case: Case) -> Self {
        let truth: Rc<RefCell<Truth>> = Rc::default();
        let mut dice = Edges::new(case.seed);
        let mut net = Net::new(Edges::new(dice.draw()), Rc::clone(&truth), case.high_water);
        (net.meddling, net.laziness) = (case.meddling, case.laziness);
        let (mut seats, mut homes, mut task) = (Vec::new(), Vec::new(), 1);
        for (part, about) in case.parts.iter().enumerate() {
            for _ in 0..about.executors {
                let tasks: Vec<u32> = (task..task + about.tasks as u32).collect();
                task += about.tasks as u32;
                seats.push(Seat { part, tasks });
                homes.push(dice.below(case.workers));
            }
        }
        let mut cluster = Cluster {
            truth,
            net: Rc::new(RefCell::new(net)),
            clock: SimClock::default(),
            dice,
            seats,
            homes,
            lines: Vec::new(),
            expected: Vec::new(),
            members: Vec::new(),
            incarnations: vec![0; case.workers],
            to_start: (0..case.workers).collect(),
            paused: false,
            over: Rc::new(Cell::new(false)),
            case,
        };
        while let Some(index) = cluster.to_start.pop() {
            cluster.start(index);
        }
        cluster
    }

    /// The executors of a worker in the order of their numbers: line by line, spouts first.
    fn members_of(&self, index: usize) -> Vec<(usize, usize)> {
        let mut members: Vec<(usize, usize)> = (0..self.seats.len())
            .filter(|seat| self.homes[*seat] == index)
            .map(|seat| (seat % self.case.lines, seat))
            .collect();
        members.sort_by_key(|(line, seat)| (*line, self.kind(*seat) != Kind::Spout, *seat));
        members
    }

    fn kind(&self, seat: usize) -> Kind {
        self.case.parts[self.seats[seat].part].kind
    }

    /// Where all tasks are, as a worker with these executors sees it.
    fn places(&self, members: &[(usize, usize)]) -> Places {
        let last = self.seats.last().unwrap().tasks.last().unwrap();
        let mut places = vec![Place::default(); *last as usize + 1];
        for (index, seat) in self.seats.iter().enumerate() {
            let here = members.iter().position(|(_, member)| *member == index);
            for (slot, task) in seat.tasks.iter().enumerate() {
                places[*task as usize] = match here {
                    Some(number) => Place {
                        line: members[number].0 as u16,
                        slot: slot as u16,
                        local: local(members, number) as u32,
                        number: number as u32,
                    },
                    None => Place {
                        line: (self.case.lines + self.homes[index]) as u16,
                        slot: slot as u16,
                        local: 0,
                        number: members.len() as u32 + seat.tasks[0],
                    },
                };
            }
        }
        places.into()
    }

    fn targets(&self, part: usize) -> Box<[u32]> {
        let seats = self.seats.iter().filter(|seat| seat.part == part);
        seats.flat_map(|seat| seat.tasks.iter().copied()).collect()
    }

    fn rings(&self, members: &[(usize, usize)]) -> Vec<Vec<usize>> {
        if self.case.ring.is_empty() {
            return vec![vec![]];
        }
        let mut ring = Vec::new();
        for (index, seat) in self.seats.iter().enumerate() {
            if !self.case.ring.contains(&seat.part) {
                continue;
            }
            match members.iter().position(|(_, member)| *member == index) {
                Some(number) => ring.push(number),
                None => ring.extend(seat.tasks.iter().map(|task| members.len() + *task as usize)),
            }
        }
        vec![vec![], ring]
    }

    /// Start a worker with the executors that it has now.
    fn start(&mut self, index: usize) {
        self.incarnations[index] += 1;
        let incarnation = self.incarnations[index];
        let members = self.members_of(index);
        let extent = Extent {
            lines: self.case.lines,
            executors: members.len(),
            workers: self.case.workers,
            elsewhere: self.places(&members).len(),
            streams: self.case.parts.len(),
        };
        let shared = Shared::new(self.places(&members), extent, self.rings(&members)).unwrap();
        let shared = Arc::new(shared);
        let process = Process::new(
            (index, incarnation),
            &shared,
            self.case.high_water,
            self.case.workers,
        );
        let start = self.net.borrow_mut().add(process);
        let mut expected = 0;
        for line in 0..self.case.lines {
            let (mut executors, mut components) = (Vec::new(), Vec::new());
            for (number, (_, seat)) in members.iter().enumerate().filter(|(_, (of, _))| *of == line) {
                executors.push(self.plan(number, *seat));
                components.push(self.component(start, *seat));
                if self.kind(*seat) == Kind::Spout {
                    expected += self.case.trees as usize * self.seats[*seat].tasks.len();
                }
            }
            let plan = Plan {
                line: line as u16,
                worker: index as u16,
                incarnation,
                executors,
                message_timeout: self.case.message_timeout,
                high_water: self.case.high_water,
                load_aware: self.case.seed.is_multiple_of(2),
                hard_limit: 1_000_000,
                seed: self.dice.draw(),
                active: !self.paused,
                poll: (Duration::from_micros(100), Duration::from_millis(1)),
                timed_every: 3,
            };
            let looped = Loop::new(Arc::clone(&shared), plan, components, self.clock.clone());
            let rest = Rest::Busy;
            let number = line;
            self.lines.push(Line {
                start,
                number,
                looped,
                rest,
            });
        }
        for line in self.lines.iter_mut().filter(|line| line.start == start) {
            line.looped.open().unwrap();
        }
        self.expected.push(expected);
        let member = |(number, (line, seat)): (usize, &(usize, usize))| {
            (*line, local(&members, number), self.kind(*seat))
        };
        self.members
            .push(members.iter().enumerate().map(member).collect());
    }

    fn plan(&self, number: usize, seat: usize) -> ExecutorPlan {
        let Seat { part, tasks } = &self.seats[seat];
        let about = &self.case.parts[*part];
        let route = |(to, pick): &(usize, Pick)| {
            let targets = self.targets(*to);
            let pick = match pick {
                Pick::PartialKey(positions, _) => {
                    Pick::PartialKey(positions.clone(), vec![0; targets.len()].into())
                }
                pick => pick.clone(),
            };
            Route { pick, targets }
        };
        let outlet = |task: &u32| {
            vec![Outlet {
                source: *task,
                stream: *part as u16,
                routes: about.to.iter().map(route).collect(),
                count: Arc::default(),
            }]
        };
        ExecutorPlan {
            kind: about.kind,
            number,
            tasks: tasks.clone(),
            outlets: tasks.iter().map(outlet).collect(),
            max_pending: Some(self.case.max_pending),
            tick: None,
        }
    }

    fn component(&mut self, start: Start, seat: usize) -> Sim {
        let (truth, seed) = (Rc::clone(&self.truth), self.dice.draw());
        let net = Rc::clone(&self.net);
        let start = start as u64;
        if self.kind(seat) == Kind::Spout {
            let mut spout = Spout::new(truth, seed, self.seats[seat].tasks.clone(), self.case.trees);
            (spout.start, spout.over, spout.loose) = (start, Rc::clone(&self.over), self.case.loose);
            return Sim::Spout(spout);
        }
        let mut bolt = Bolt::new(truth, seed, self.case.temper);
        bolt.start = start;
        bolt.meanwhile = Rc::new(move || net.borrow_mut().meddle(start as Start));
        Sim::Bolt(bolt)
    }

    // ------------------------------------------------------------------ what goes wrong

    fn happen(&mut self, event: Event) {
        let live = self.net.borrow().live();
        if live.is_empty() {
            return;
        }
        let one = live[self.dice.below(live.len())];
        match event {
            Event::Snap => {
                let other = live[self.dice.below(live.len())];
                if one != other {
                    self.net.borrow_mut().snap(one, other);
                }
            }
            Event::Die { zombie } => self.die(one, zombie),
            Event::End => {
                let processes = self.net.borrow().processes.len();
                let is = |start: &usize| self.net.borrow().processes[*start].life == Life::Zombie;
                if let Some(start) = (0..processes).rev().find(is) {
                    self.bury(start);
                }
            }
            Event::Move { rest } => self.relocate(rest),
        }
    }

    fn die(&mut self, start: Start, zombie: bool) {
        let index = self.net.borrow().processes[start].index;
        self.net.borrow_mut().die(start, zombie);
        if !zombie {
            self.lines.retain(|line| line.start != start);
        }
        self.to_start.push(index);
    }

    fn bury(&mut self, start: Start) {
        self.net.borrow_mut().gone(start);
        self.lines.retain(|line| line.start != start);
    }

    fn order(&self, order: Order) {
        let net = self.net.borrow();
        for start in net.up() {
            net.processes[start].shared.order(order);
        }
    }

    /// Move an executor: the two workers start anew, the others are told.
    fn relocate(&mut self, rest: bool) {
        let seat = self.dice.below(self.seats.len());
        let (from, to) = (self.homes[seat], self.dice.below(self.case.workers));
        if from == to {
            return;
        }
        if rest {
            self.paused = true;
            self.order(Order::Deactivate);
            self.come_to_rest();
        }
        self.homes[seat] = to;
        for index in [from, to] {
            let start = self.net.borrow().of_index(index);
            if let Some(start) = start {
                self.die(start, false);
            }
        }
        let live = self.net.borrow().live();
        for start in live {
            let index = self.net.borrow().processes[start].index;
            let relayout = Arc::new(Relaid(self.relayout(index)));
            let todo = &mut self.net.borrow_mut().todo;
            // What comes later holds.
            todo.retain(|(of, todo)| *of != start || !matches!(todo, Todo::Relayout(_)));
            todo.push((start, Todo::Relayout(relayout)));
        }
        if rest {
            self.settle();
            self.paused = false;
            self.order(Order::Activate);
        }
    }

    fn relayout(&self, index: usize) -> Relayout {
        let members = self.members_of(index);
        let of = |(_, seat): &(usize, usize)| {
            let Seat { part, tasks } = &self.seats[*seat];
            let to = &self.case.parts[*part].to;
            let routes: Vec<_> = to.iter().map(|(to, _)| (self.targets(*to), 0)).collect();
            tasks.iter().map(|_| vec![routes.clone()]).collect()
        };
        Relayout {
            places: self.places(&members),
            routes: members.iter().map(of).collect(),
        }
    }

    // ------------------------------------------------------------------ running

    fn is_idle(&self, line: &Line) -> bool {
        if !self.may_run(line) {
            return true;
        }
        let due = match line.rest {
            Rest::Busy => true,
            Rest::Until(time) => time <= self.clock.peek(),
            Rest::Idle => false,
        };
        let net = self.net.borrow();
        let process = &net.processes[line.start];
        !due && !process.shared.peers[line.number].mailbox.is_filled()
    }

    fn may_run(&self, line: &Line) -> bool {
        self.case.eager || self.net.borrow().processes[line.start].is_ready()
    }

    /// One random thing. True if something came of it.
    fn step(&mut self) -> bool {
        match self.dice.below(16) {
            0..=7 if !self.lines.is_empty() => {
                let line = self.dice.below(self.lines.len());
                if !self.may_run(&self.lines[line]) {
                    return false;
                }
                let line = &mut self.lines[line];
                line.rest = line.looped.step().unwrap();
                line.rest == Rest::Busy
            }
            8..=12 => {
                let up = self.net.borrow().up();
                match up.is_empty() {
                    true => false,
                    false => self.net.borrow_mut().act(up[self.dice.below(up.len())]),
                }
            }
            13 => {
                let todo = self.net.borrow().todo.len();
                if todo > 0 {
                    let number = self.dice.below(todo);
                    self.net.borrow_mut().perform(number);
                }
                todo > 0
            }
            14 if !self.to_start.is_empty() => {
                let number = self.dice.below(self.to_start.len());
                let index = self.to_start.swap_remove(number);
                self.start(index);
                true
            }
            _ => {
                self.clock.pass(self.dice.below(20_000) as u64);
                false
            }
        }
    }

    fn is_still(&self) -> bool {
        let net = self.net.borrow();
        self.to_start.is_empty() && net.is_still() && self.lines.iter().all(|line| self.is_idle(line))
    }

    /// Until nothing is left to do at this time.
    fn settle(&mut self) {
        let mut nothing = 0u32;
        for _ in 0..STEPS {
            nothing = if self.step() { 0 } else { nothing + 1 };
            if nothing >= 8 && nothing.is_multiple_of(8) && self.is_still() {
                return;
            }
        }
        let net = self.net.borrow();
        for line in self.lines.iter().filter(|line| !self.is_idle(line)) {
            eprintln!("{} line {} is {:?}", line.start, line.number, line.rest);
        }
        panic!("still busy after {STEPS} steps: {}", net.busy());
    }

    /// Have the bolts let go of what they hold; time passes where nothing else is left.
    fn come_to_rest(&mut self) {
        loop {
            self.settle();
            let before = self.truth.borrow().acts;
            self.ask(Kind::Bolt);
            self.settle();
            if self.truth.borrow().acts == before {
                return;
            }
        }
    }

    fn ask(&self, kind: Kind) {
        let net = self.net.borrow();
        for start in net.up() {
            for (line, local, _) in self.members[start].iter().filter(|(.., of)| *of == kind) {
                net.processes[start].shared.peers[*line].post(vec![Mail::Request(*local, ())]);
            }
        }
    }

    /// What is not done yet: (start, trees to begin, trees to end).
    fn left(&self) -> Vec<(Start, usize, usize)> {
        let (net, truth) = (self.net.borrow(), self.truth.borrow());
        let left = |start: Start| {
            let (begun, open) = truth.begun(start as u64);
            (start, self.expected[start] - begun, open)
        };
        let all = net.live().into_iter().map(left);
        all.filter(|(_, unbegun, open)| unbegun + open > 0).collect()
    }

    /// Until every tree of those who live has ended.
    fn finish(&mut self) {
        let (mut patience, mut seen) = (PATIENCE, 0);
        loop {
            self.come_to_rest();
            let left = self.left();
            if left.is_empty() {
                return;
            }
            let acts = self.truth.borrow().acts;
            patience = if acts == seen { patience - 1 } else { PATIENCE };
            seen = acts;
            assert!(
                patience > 0,
                "it stands still: (worker, to begin, to end) {left:?}"
            );
            let until = |line: &Line| match line.rest {
                Rest::Until(time) if time < u64::MAX => Some(time),
                _ => None,
            };
            let next = self.lines.iter().filter_map(until).min();
            let next = next.unwrap_or_else(|| panic!("nothing left to do, and not over: {left:?}"));
            let least = if patience < PATIENCE - 9 { MOMENT } else { 0 };
            self.clock.pass(next.saturating_sub(self.clock.peek()).max(least));
        }
    }

    /// All that is to go wrong goes wrong, in the midst of work as a rule; then all ends well.
    pub fn run(&mut self) {
        for event in std::mem::take(&mut self.case.events) {
            for _ in 0..self.dice.below(self.case.pace) {
                self.step();
            }
            self.happen(event);
        }
        self.finish();
        self.net.borrow().check_empty();
        let grows = !self.case.ring.is_empty() && self.case.temper.children > 0;
        if self.truth.borrow().calm && !grows {
            let fullest = self.truth.borrow().fullest_inbox;
            assert!(
                fullest <= self.case.workers * WINDOW * self.case.high_water,
                "{fullest} waited for one bolt"
            );
        }
        self.once_more();
    }

    /// Nothing of what went wrong is felt any more.
    fn once_more(&mut self) {
        self.truth.borrow_mut().calm = true;
        let live = self.net.borrow().live();
        live.into_iter().for_each(|start| self.expected[start] *= 2);
        self.ask(Kind::Spout);
        self.finish();
        self.over.set(true);
        self.finish();
        self.net.borrow().check_empty();
    }
}

/// Which executor of its line it is.
fn local(members: &[(usize, usize)], number: usize) -> usize {
    let line = members[number].0;
    members[..number].iter().filter(|(of, _)| *of == line).count()
}
