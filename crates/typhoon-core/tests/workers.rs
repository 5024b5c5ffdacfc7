//! Whole topologies in several workers, in one thread: messages take their time, sessions are lost, workers die, tasks
//! move. A seed that fails is printed; `TYPHOON_SIM_SEED` runs only that one, `TYPHOON_SIM_SEEDS` so many of each kind.

#[path = "sim/cluster.rs"]
mod cluster;
#[path = "sim/net.rs"]
mod net;
#[allow(dead_code)] // There is more in it than is used here.
mod sim;

use std::sync::Arc;
use std::time::Duration;

use cluster::{Case, Cluster, Event, Part};
use sim::chaos::Temper;
use sim::{Row, SimKit};
use typhoon_core::ack::{Edges, Lineage, Outcome, Root};
use typhoon_core::engine::{Extent, Kind, Mail, Shared};
use typhoon_core::flow::{Envelope, Parcel, Pick, Place, Way};
use typhoon_core::wire::{Exchange, Message};

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

/// Run many seeds of a kind of case. How many trees ended how.
fn many(seeds: std::ops::Range<u64>, case: impl Fn(u64, &mut Edges) -> Case) -> [usize; 4] {
    let seeds = match (number("TYPHOON_SIM_SEED"), number("TYPHOON_SIM_SEEDS")) {
        (Some(one), _) => one..one + 1,
        (None, Some(count)) => seeds.start..seeds.start + count,
        (None, None) => seeds,
    };
    let mut sums = [0; 4];
    for seed in seeds {
        let mut dice = Edges::new(seed);
        let mut cluster = Cluster::new(case(seed, &mut dice));
        cluster.run();
        for outcome in cluster.truth.borrow().ended.values() {
            sums[*outcome as usize] += 1;
        }
    }
    sums
}

const ROUGH: Temper = Temper {
    fail: 20,
    drop: 0,
    hold: 200,
    join: 100,
    relay: 60,
    reset: 20,
    children: 2,
    depth: 2,
};

/// A spout and two bolts, the second of which feeds the first in every third case.
fn rough(seed: u64, dice: &mut Edges) -> Case {
    let picks = [
        Pick::EVEN,
        Pick::All,
        Pick::Random,
        Pick::Key([0].into()),
        Pick::PartialKey([0].into(), [].into()),
    ];
    let ring = dice.below(3) == 0;
    let back = if ring {
        vec![(1, Pick::Key([0].into()))]
    } else {
        vec![]
    };
    let mut part = |kind, executors, to| Part {
        kind,
        executors: 1 + dice.below(executors),
        tasks: 1 + dice.below(2),
        to,
    };
    let parts = vec![
        part(Kind::Spout, 3, vec![(1, picks[seed as usize % 5].clone())]),
        part(Kind::Bolt, 4, vec![(2, Pick::EVEN)]),
        part(Kind::Bolt, 3, back),
    ];
    Case {
        seed,
        workers: 2 + dice.below(3),
        lines: 1 + dice.below(2),
        high_water: [1, 2, 3, 4, 8, 9, 16][dice.below(7)],
        parts,
        ring: if ring { vec![1, 2] } else { vec![] },
        temper: ROUGH,
        trees: 3 + dice.below(8) as u64,
        loose: 100,
        max_pending: 1 + dice.below(12),
        message_timeout: None,
        events: vec![],
        pace: [10, 60, 300][dice.below(3)],
        eager: dice.below(4) == 0,
        meddling: [0, 10, 40][dice.below(3)],
        laziness: [0, 70][dice.below(2)],
    }
}

fn events(dice: &mut Edges, most: usize, choice: &[Event]) -> Vec<Event> {
    let count = 1 + dice.below(most);
    (0..count).map(|_| choice[dice.below(choice.len())]).collect()
}

#[test]
fn in_peace_every_outcome_is_exact() {
    let [acked, failed, timed_out, lost] = many(0..400, rough);
    assert!(acked > 0 && failed > 0);
    assert_eq!((timed_out, lost), (0, 0));
}

#[test]
fn sessions_are_lost() {
    many(10_000..10_400, |seed, dice| Case {
        events: events(dice, 4, &[Event::Snap]),
        ..rough(seed, dice)
    });
}

const DEATH: Event = Event::Die { zombie: false };
const ZOMBIE: Event = Event::Die { zombie: true };

#[test]
fn workers_die() {
    let outcomes = many(20_000..20_500, |seed, dice| Case {
        events: events(dice, 4, &[Event::Snap, DEATH, DEATH, ZOMBIE, Event::End]),
        ..rough(seed, dice)
    });
    assert!(outcomes[Outcome::Lost as usize] > 0);
}

#[test]
fn tasks_move() {
    let calm = Event::Move { rest: true };
    let hasty = Event::Move { rest: false };
    many(30_000..30_500, |seed, dice| Case {
        events: events(dice, 6, &[Event::Snap, DEATH, calm, hasty, hasty, hasty, hasty]),
        ..rough(seed, dice)
    });
}

/// Bolts forget tuples, and trees time out, while all else goes wrong as well.
#[test]
fn trees_time_out() {
    let forgetful = Temper { drop: 20, ..ROUGH };
    let outcomes = many(40_000..40_150, |seed, dice| Case {
        events: events(dice, 3, &[Event::Snap, DEATH, ZOMBIE]),
        temper: forgetful,
        message_timeout: Some(Duration::from_millis(20)),
        ..rough(seed, dice)
    });
    assert!(outcomes[Outcome::TimedOut as usize] > 0);
}

/// A spout in front of a ring of so many bolts, and one more; most of what it emits is in no tree.
fn entrance(seed: u64, dice: &mut Edges, executors: usize) -> Case {
    let part = |kind, executors, to| Part {
        kind,
        executors,
        tasks: 1,
        to,
    };
    Case {
        workers: 2,
        parts: vec![
            part(Kind::Spout, 1, vec![(1, Pick::EVEN)]),
            part(Kind::Bolt, executors, vec![(2, Pick::EVEN)]),
            part(Kind::Bolt, 1, vec![(1, Pick::EVEN)]),
        ],
        ring: vec![1, 2],
        temper: Temper::default(),
        loose: 950,
        high_water: 16,
        ..rough(seed, dice)
    }
}

/// Many members elsewhere, each of which gets too little to be worth a message, and has nothing else to say.
#[test]
fn the_entrance_of_a_wide_ring_does_not_stand_still() {
    many(50_000..50_100, |seed, dice| entrance(seed, dice, 10));
}

#[test]
fn a_ring_takes_no_more_than_others_from_another_worker() {
    many(60_000..60_100, |seed, dice| Case {
        high_water: 4,
        ..entrance(seed, dice, 1)
    });
}

/// A tuple that was sent on once and finds its task gone again: its trees fail, those of this worker too.
#[test]
fn what_is_sent_on_twice_fails() {
    let place = |line| Place {
        line,
        number: line.into(),
        ..Place::default()
    };
    // Worker 0 of two runs task 1, worker 1 runs task 2.
    let places = vec![Place::default(), place(0), place(2)];
    let extent = Extent {
        lines: 1,
        executors: 1,
        workers: 2,
        elsewhere: 3,
        streams: 1,
    };
    let shared = Arc::new(Shared::<SimKit>::new(places.into(), extent, vec![vec![]]).unwrap());
    let exchange = Exchange::new(Arc::clone(&shared), 4);
    let roots = [0, 1].map(|worker| Root::from_bits(worker << 52 | 1));
    let tuples = roots.map(|root| Envelope {
        payload: Row::ints(&[1]).pack().unwrap(),
        lineage: Lineage::one(root, 1),
        way: Way::new(2, 2, 0).forwarded(),
    });
    exchange
        .message(1, &Message::Tuples(Vec::from(tuples)).write())
        .unwrap();
    let failed = shared.peers[0].mailbox.take(vec![]).into_iter();
    let failed: Vec<Root> = failed
        .map(|mail| match mail {
            Mail::Fail(root) => root,
            _ => panic!("something else"),
        })
        .collect();
    assert_eq!(failed, roots);
    assert!(
        shared.peers[1..].iter().all(|peer| !peer.mailbox.is_filled()),
        "nobody empties the box for this worker itself"
    );
}
