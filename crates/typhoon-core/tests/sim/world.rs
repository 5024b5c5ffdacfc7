use std::sync::Arc;
use std::time::Duration;

use typhoon_core::ack::Edges;
use typhoon_core::engine::{ExecutorPlan, Extent, Kind, Loop, Mail, Plan, Rest, Shared};
use typhoon_core::flow::{Outlet, Pick, Place, Route};

use super::{Sim, SimClock, SimKit};

/// A run that takes more steps than this hangs.
const STEPS: usize = 3_000_000;

/// A component of a topology: one executor per entry of `lines`, with `tasks` tasks each.
pub struct Part {
    pub kind: Kind,
    pub lines: Vec<u16>,
    pub tasks: usize,
    /// Who subscribes to its only stream.
    pub to: Vec<(usize, Pick)>,
    /// Makes the component of an executor with these tasks.
    pub make: Box<dyn Fn(Vec<u32>) -> Sim>,
    pub max_pending: Option<usize>,
    pub tick: Option<Duration>,
}

impl Part {
    pub fn spout(lines: &[u16], to: Vec<(usize, Pick)>, make: impl Fn(Vec<u32>) -> Sim + 'static) -> Self {
        let make = Box::new(make);
        Part {
            kind: Kind::Spout,
            lines: lines.to_vec(),
            tasks: 1,
            to,
            make,
            max_pending: None,
            tick: None,
        }
    }

    pub fn bolt(lines: &[u16], to: Vec<(usize, Pick)>, make: impl Fn(Vec<u32>) -> Sim + 'static) -> Self {
        Part {
            kind: Kind::Bolt,
            ..Self::spout(lines, to, make)
        }
    }

    pub fn tasks(self, tasks: usize) -> Self {
        Part { tasks, ..self }
    }

    pub fn max_pending(self, max: usize) -> Self {
        Part {
            max_pending: Some(max),
            ..self
        }
    }

    pub fn tick(self, interval: Duration) -> Self {
        Part {
            tick: Some(interval),
            ..self
        }
    }
}

/// What holds for the whole worker.
pub struct Rules {
    pub seed: u64,
    pub high_water: usize,
    pub hard_limit: usize,
    pub message_timeout: Option<Duration>,
    /// Parts that form a loop in the topology.
    pub ring: Vec<usize>,
}

impl Rules {
    pub fn of(seed: u64) -> Self {
        Rules {
            seed,
            high_water: 16,
            hard_limit: 1_000_000,
            message_timeout: None,
            ring: vec![],
        }
    }
}

pub struct World {
    pub shared: Arc<Shared<SimKit>>,
    pub clock: SimClock,
    pub dice: Edges,
    loops: Vec<Loop<SimKit>>,
    rests: Vec<Rest>,
    /// Which loops are not stepped for now.
    pub frozen: Vec<bool>,
    /// (line, local number, executor number) by part, by executor of it.
    pub executors: Vec<Vec<(u16, usize, usize)>>,
    seed: u64,
}

/// Says which seed to try again.
impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("seed: {}", self.seed);
        }
    }
}

impl World {
    pub fn new(rules: &Rules, parts: Vec<Part>) -> Self {
        let lines = parts
            .iter()
            .flat_map(|part| &part.lines)
            .max()
            .map_or(1, |line| usize::from(*line) + 1);
        let mut places = vec![Place::default()];
        let mut executors: Vec<Vec<(u16, usize, usize)>> = vec![vec![]; parts.len()];
        let mut tasks: Vec<Vec<Vec<u32>>> = vec![vec![]; parts.len()];
        let (mut locals, mut number) = (vec![0; lines], 0);
        // A loop's spouts come first.
        let of = |kind| {
            (0..parts.len())
                .filter(|index| parts[*index].kind == kind)
                .collect::<Vec<_>>()
        };
        let order = [of(Kind::Spout), of(Kind::Bolt)].concat();
        for index in &order {
            for line in &parts[*index].lines {
                let local = &mut locals[usize::from(*line)];
                let mut own = Vec::new();
                for slot in 0..parts[*index].tasks {
                    own.push(places.len() as u32);
                    let (local, number) = (*local as u32, number as u32);
                    places.push(Place {
                        line: *line,
                        slot: slot as u16,
                        local,
                        number,
                    });
                }
                tasks[*index].push(own);
                executors[*index].push((*line, *local, number));
                *local += 1;
                number += 1;
            }
        }
        let rings = match rules.ring.as_slice() {
            [] => vec![vec![]],
            ring => vec![
                vec![],
                ring.iter()
                    .flat_map(|part| executors[*part].iter().map(|e| e.2))
                    .collect(),
            ],
        };
        let extent = Extent {
            lines,
            executors: number,
            streams: parts.len(),
            ..Extent::default()
        };
        let shared = Arc::new(Shared::new(places.into(), extent, rings).unwrap());
        let mut plans: Vec<(Vec<ExecutorPlan>, Vec<Sim>)> = (0..lines).map(|_| (vec![], vec![])).collect();
        for index in order {
            let part = &parts[index];
            let route = |(to, pick): &(usize, Pick)| {
                let targets: Box<[u32]> = tasks[*to].concat().into();
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
                    stream: index as u16,
                    routes: part.to.iter().map(route).collect(),
                    count: Arc::default(),
                }]
            };
            for (own, (line, _, number)) in tasks[index].iter().zip(&executors[index]) {
                let (plan, components) = &mut plans[usize::from(*line)];
                components.push((part.make)(own.clone()));
                plan.push(ExecutorPlan {
                    kind: part.kind,
                    number: *number,
                    tasks: own.clone(),
                    outlets: own.iter().map(outlet).collect(),
                    max_pending: part.max_pending,
                    tick: part.tick,
                });
            }
        }
        let clock = SimClock::default();
        let make = |(line, (executors, components)): (usize, (Vec<ExecutorPlan>, Vec<Sim>))| {
            let plan = Plan {
                line: line as u16,
                worker: 0,
                incarnation: 0,
                executors,
                message_timeout: rules.message_timeout,
                high_water: rules.high_water,
                load_aware: true,
                hard_limit: rules.hard_limit,
                seed: rules.seed.wrapping_mul(31).wrapping_add(line as u64),
                active: true,
                poll: (Duration::from_micros(100), Duration::from_millis(1)),
                timed_every: 3,
            };
            Loop::new(Arc::clone(&shared), plan, components, clock.clone())
        };
        let mut loops: Vec<_> = plans.into_iter().enumerate().map(make).collect();
        loops.iter_mut().for_each(|line| line.open().unwrap());
        World {
            rests: vec![Rest::Busy; lines],
            frozen: vec![false; lines],
            dice: Edges::new(rules.seed),
            seed: rules.seed,
            shared,
            clock,
            loops,
            executors,
        }
    }

    pub fn step(&mut self, line: usize) -> Rest {
        self.rests[line] = self.loops[line].step().unwrap();
        self.rests[line]
    }

    /// Step loops in random order until nothing is left to do at this time. The time at which something is.
    pub fn settle_down(&mut self) -> Option<u64> {
        for _ in 0..STEPS {
            let line = self.dice.below(self.loops.len());
            if !self.frozen[line] {
                self.step(line);
            }
            if self.dice.below(4) == 0 {
                let time = self.dice.below(50_000) as u64;
                self.clock.pass(time);
            }
            let now = self.clock.peek();
            let idle = |line: &usize| {
                let due = match self.rests[*line] {
                    Rest::Busy => true,
                    Rest::Until(time) => time <= now,
                    Rest::Idle => false,
                };
                !due && !self.shared.peers[*line].mailbox.is_filled()
            };
            let awake: Vec<usize> = (0..self.loops.len()).filter(|line| !self.frozen[*line]).collect();
            if awake.iter().all(idle) {
                let times = awake.iter().filter_map(|line| match self.rests[*line] {
                    Rest::Until(time) if time < u64::MAX => Some(time),
                    _ => None,
                });
                return times.min();
            }
        }
        panic!("still busy after {STEPS} steps");
    }

    /// Let time pass as long as that leads to anything, and until `over` says so.
    pub fn run(&mut self, mut over: impl FnMut(&mut World) -> bool) {
        for _ in 0..STEPS {
            let next = self.settle_down();
            if over(self) {
                return;
            }
            match next {
                Some(time) => self.clock.pass(time.saturating_sub(self.clock.peek())),
                None if self.shared.peers.iter().any(|peer| peer.mailbox.is_filled()) => {}
                None => panic!("nothing left to do, and not over"),
            }
        }
        panic!("not over");
    }

    /// Until every spout is done, no tree is pending and all is quiet.
    pub fn run_to_the_end(&mut self) {
        self.run(|world| world.shared.ended() && world.shared.quiet().is_some());
    }

    /// Would this spout's first executor be asked, if it had data?
    pub fn would_ask(&self, part: usize) -> bool {
        let (line, local, _) = self.executors[part][0];
        self.loops[usize::from(line)].would_ask(local)
    }

    /// Have the bolts of a part let go of what they hold.
    pub fn ask(&self, part: usize) {
        for (line, local, _) in &self.executors[part] {
            self.shared.peers[usize::from(*line)].post(vec![Mail::Request(*local, ())]);
        }
    }

    pub fn close(&mut self) {
        self.loops.iter_mut().for_each(Loop::close);
    }

    /// The sum of one figure over the executors of a part.
    pub fn sum(&self, part: usize, figure: impl Fn(&typhoon_core::engine::Figures) -> u64) -> u64 {
        self.executors[part]
            .iter()
            .map(|(.., number)| figure(&self.shared.figures[*number]))
            .sum()
    }
}
