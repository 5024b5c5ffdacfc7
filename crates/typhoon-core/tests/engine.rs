//! Whole topologies in one thread, stepped in seeded random orders.

mod sim;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use sim::chaos::{Bolt, Spout, Temper};
use sim::truth::Truth;
use sim::world::{Part, Rules, World};
use sim::{Call, Row, Sim, SimKit, Told};
use typhoon_core::ack::{Edges, Lineage, Outcome, Root};
use typhoon_core::engine::{Desk, EmitError, Input, Mail, Next, Order, Rest};
use typhoon_core::flow::Pick;
use typhoon_core::measure::Counter;
use typhoon_core::native::{Native, Spec, Value};

fn native(told: &Rc<RefCell<Told>>, spec: Spec) -> impl Fn(Vec<u32>) -> Sim + 'static {
    let told = Rc::clone(told);
    move |tasks| {
        Sim::Native(
            Native::new(spec.clone(), tasks.len()),
            tasks.len(),
            Rc::clone(&told),
        )
    }
}

fn constant(value: Value, limit: u64) -> Spec {
    Spec::Const {
        value,
        limit: Some(limit),
        reliable: true,
    }
}

fn play(play: impl FnMut(&mut Desk<SimKit>, Call) -> Next + 'static) -> impl Fn(Vec<u32>) -> Sim + 'static {
    let play = RefCell::new(Some(play));
    move |_| Sim::Play(Box::new(play.borrow_mut().take().unwrap()))
}

/// A bolt that acks everything.
fn sink() -> impl Fn(Vec<u32>) -> Sim + 'static {
    play(|desk, _| {
        while let Some(envelope) = desk.take() {
            desk.ack(&envelope.lineage, 0);
        }
        Next::More
    })
}

/// Emit one tuple in a tree of its own.
fn emit_tracked(desk: &mut Desk<SimKit>, token: u64) -> Root {
    let (root, mut made) = (desk.open_tree(0, token).unwrap(), 0);
    desk.emit(
        0,
        0,
        Row::ints(&[token as i64, 0]),
        &mut Input(&Lineage::one(root, 0), &mut made),
    )
    .unwrap();
    desk.seal(root, made);
    root
}

#[test]
fn what_goes_in_comes_out_acked() {
    for (seed, lines) in (0..12).zip([[0, 0, 0], [0, 1, 2], [0, 1, 0], [1, 1, 0]].iter().cycle()) {
        let told = Rc::default();
        let [a, b, c] = *lines;
        let parts = vec![
            Part::spout(
                &[a],
                vec![(1, Pick::EVEN)],
                native(&told, constant(Value::Int(1), 500)),
            )
            .tasks(2),
            Part::bolt(&[b, a], vec![(2, Pick::Random)], native(&told, Spec::Identity)).tasks(2),
            Part::bolt(&[c], vec![], native(&told, Spec::Null)),
        ];
        let mut world = World::new(&Rules::of(seed), parts);
        world.run_to_the_end();
        assert!(
            told.borrow()
                .finished
                .iter()
                .all(|finished| finished.outcome == Outcome::Acked)
        );
        assert_eq!(told.borrow().finished.len(), 1000);
        assert_eq!(world.sum(0, |figures| figures.acked.get()), 1000);
        for bolt in [1, 2] {
            assert_eq!(world.sum(bolt, |figures| figures.all_calls()), 1000);
            assert_eq!(world.sum(bolt, |figures| figures.acked.get()), 1000);
        }
    }
}

#[test]
fn words_are_counted() {
    for seed in 0..8 {
        let told = Rc::default();
        let text = Value::Text("the cow jumped over the moon".into());
        let parts = vec![
            Part::spout(&[0, 1], vec![(1, Pick::EVEN)], native(&told, constant(text, 100))),
            Part::bolt(
                &[0, 1],
                vec![(2, Pick::Key([0].into()))],
                native(&told, Spec::Split { field: 0 }),
            ),
            Part::bolt(
                &[1, 2],
                vec![(3, Pick::All)],
                native(&told, Spec::Count { field: 0 }),
            )
            .tasks(2),
            Part::bolt(&[0, 2], vec![], native(&told, Spec::Null)),
        ];
        let mut world = World::new(&Rules::of(seed), parts);
        world.run_to_the_end();
        assert_eq!(world.sum(3, |figures| figures.all_calls()), 2 * 6 * 200);
        world.close();
        let told = told.borrow();
        assert_eq!(told.finished.len(), 200);
        assert_eq!(
            (told.counts["the"], told.counts["moon"], told.counts.len()),
            (400, 200, 5)
        );
    }
}

/// Spouts on two loops, bolts on three; the second bolt feeds the first one if `ring`.
fn chaos(
    seed: u64,
    temper: Temper,
    message_timeout: Option<Duration>,
    ring: bool,
) -> (World, Rc<RefCell<Truth>>) {
    let truth: Rc<RefCell<Truth>> = Rc::default();
    let dice = Rc::new(RefCell::new(Edges::new(seed)));
    let seeds = move || dice.borrow_mut().draw();
    let (of_spout, of_bolt) = (Rc::clone(&truth), Rc::clone(&truth));
    let more_seeds = seeds.clone();
    let spout = move |tasks| Sim::Spout(Spout::new(Rc::clone(&of_spout), seeds(), tasks, 150));
    let bolt = Rc::new(move |_| Sim::Bolt(Bolt::new(Rc::clone(&of_bolt), more_seeds(), temper)));
    let (first, second) = (Rc::clone(&bolt), bolt);
    let back = if ring {
        vec![(1, Pick::Key([0].into()))]
    } else {
        vec![]
    };
    let pick = [
        Pick::EVEN,
        Pick::All,
        Pick::Random,
        Pick::PartialKey([0].into(), [].into()),
    ];
    let pick = pick[seed as usize % pick.len()].clone();
    let parts = vec![
        Part::spout(&[0, 1], vec![(1, pick)], spout)
            .tasks(2)
            .max_pending(40),
        Part::bolt(&[0, 1, 2], vec![(2, Pick::EVEN)], move |tasks| first(tasks)),
        Part::bolt(&[1, 2], back, move |tasks| second(tasks)).tasks(2),
    ];
    let ring = if ring { vec![1, 2] } else { vec![] };
    let rules = Rules {
        message_timeout,
        ring,
        ..Rules::of(seed)
    };
    (World::new(&rules, parts), truth)
}

const ROUGH: Temper = Temper {
    fail: 20,
    drop: 20,
    hold: 200,
    join: 100,
    relay: 20,
    reset: 20,
    children: 2,
    depth: 2,
};

#[test]
fn in_chaos_every_tree_ends_once() {
    let mut trees = 0;
    for seed in 0..16 {
        let (mut world, truth) = chaos(seed, ROUGH, Some(Duration::from_millis(20)), seed % 2 == 1);
        world.run_to_the_end();
        let truth = truth.borrow();
        assert_eq!(truth.begun(0), (truth.trees(), 0));
        trees += truth.trees();
        for outcome in [Outcome::Acked, Outcome::Failed, Outcome::TimedOut] {
            assert!(
                truth.ended.values().any(|ended| *ended == outcome),
                "none {outcome:?}"
            );
        }
        let told = |outcome| truth.ended.values().filter(|ended| **ended == outcome).count() as u64;
        assert_eq!(world.sum(0, |figures| figures.acked.get()), told(Outcome::Acked));
        assert_eq!(
            world.sum(0, |figures| figures.failed.get()),
            told(Outcome::Failed)
        );
        assert_eq!(
            world.sum(0, |figures| figures.timed_out.get()),
            told(Outcome::TimedOut)
        );
        assert_eq!(world.sum(0, |figures| figures.pending.get()), 0);
    }
    assert_eq!(trees, 16 * 600);
}

/// Without a time-out: exactly the trees of which nothing failed are acked, however late and joined the acks.
#[test]
fn in_chaos_without_time_outs_the_outcome_is_exact() {
    for seed in 100..112 {
        let (mut world, truth) = chaos(seed, Temper { drop: 0, ..ROUGH }, None, seed % 2 == 1);
        world.run(|world| {
            (1..3).for_each(|bolt| world.ask(bolt));
            world.shared.ended()
        });
        assert_eq!(truth.borrow().trees(), 600);
        truth.borrow().check_exact();
    }
}

/// Inboxes are fed from their own loop and from others: each keeps to the high water, and one call emits two at most.
#[test]
fn queues_are_bounded() {
    for seed in 200..212 {
        let (mut world, truth) = chaos(seed, ROUGH, Some(Duration::from_millis(20)), false);
        world.run_to_the_end();
        let truth = truth.borrow();
        assert!(
            truth.fullest_inbox > 8,
            "the test must fill queues: {}",
            truth.fullest_inbox
        );
        assert!(truth.fullest_inbox <= 2 * 16, "{}", truth.fullest_inbox);
    }
}

/// A bolt on a loop that stands still; what does not feed it goes on.
#[test]
fn a_full_inbox_stops_only_who_feeds_it() {
    for seed in 0..6 {
        let told = Rc::default();
        let spout = || native(&told, constant(Value::Int(1), 1000));
        let parts = vec![
            Part::spout(&[0], vec![(2, Pick::EVEN)], spout()),
            Part::spout(&[0], vec![(4, Pick::EVEN)], spout()),
            Part::bolt(&[0], vec![(3, Pick::EVEN)], native(&told, Spec::Identity)),
            Part::bolt(&[1], vec![], native(&told, Spec::Null)),
            Part::bolt(&[0], vec![], native(&told, Spec::Null)),
        ];
        let mut world = World::new(&Rules::of(seed), parts);
        world.step(0);
        world.frozen[1] = true;
        world.run(|world| world.clock.peek() > 50_000_000);
        assert_eq!(
            world.sum(1, |figures| figures.acked.get()),
            1000,
            "the other spout is done"
        );
        let calls = world.sum(0, |figures| figures.all_calls());
        assert!(
            (16..=3 * 16 + 2).contains(&calls),
            "high water of two bolts, and one call: {calls}"
        );
        assert!(world.shared.quiet().is_none() && !world.shared.ended());
        world.frozen[1] = false;
        world.run_to_the_end();
        assert_eq!(world.sum(0, |figures| figures.acked.get()), 1000);
    }
}

/// Tuples go round and round between bolts that fill each other's inboxes.
#[test]
fn rings_do_not_stand_still() {
    for seed in 300..312 {
        let temper = Temper {
            hold: 100,
            children: 2,
            depth: 6,
            ..Temper::default()
        };
        let (mut world, truth) = chaos(seed, temper, None, true);
        world.run(|world| {
            (1..3).for_each(|bolt| world.ask(bolt));
            world.shared.ended()
        });
        truth.borrow().check_exact();
    }
}

/// Members of a ring never wait for each other, but what they cannot pass on outside stops the entrance.
#[test]
fn a_ring_whose_exit_is_shut_stays_bounded() {
    for (seed, line) in [(0, 0), (1, 0), (2, 2), (3, 2)] {
        let told = Rc::default();
        let parts = vec![
            Part::spout(
                &[0],
                vec![(1, Pick::EVEN)],
                native(&told, constant(Value::Int(1), 2000)),
            ),
            Part::bolt(
                &[line],
                vec![(2, Pick::EVEN), (3, Pick::EVEN)],
                native(&told, Spec::Identity),
            ),
            Part::bolt(
                &[line],
                vec![(1, Pick::EVEN)],
                native(
                    &told,
                    Spec::Filter {
                        field: 0,
                        equals: Value::Nothing,
                    },
                ),
            ),
            Part::bolt(&[1], vec![], native(&told, Spec::Null)),
        ];
        let mut world = World::new(
            &Rules {
                ring: vec![1, 2],
                ..Rules::of(seed)
            },
            parts,
        );
        world.step(0);
        world.frozen[1] = true;
        world.run(|world| world.clock.peek() > 100_000_000);
        let calls = world.sum(0, |figures| figures.all_calls());
        assert!(
            (16..=6 * 16).contains(&calls),
            "{calls} went in and found no way out"
        );
        world.frozen[1] = false;
        world.run_to_the_end();
        assert_eq!(world.sum(0, |figures| figures.acked.get()), 2000);
    }
}

/// A word about a tree that has ended leads to nothing, on its own loop and on others.
#[test]
fn a_late_reset_of_a_time_out_is_forgotten() {
    for line in [0, 1] {
        let past: Rc<RefCell<Vec<Lineage>>> = Rc::default();
        let bolt = play(move |desk, _| {
            while let Some(envelope) = desk.take() {
                past.borrow()
                    .iter()
                    .for_each(|lineage| desk.reset_timeout(lineage));
                desk.ack(&envelope.lineage, 0);
                desk.reset_timeout(&envelope.lineage);
                past.borrow_mut().push(envelope.lineage);
            }
            Next::More
        });
        let told = Rc::default();
        let parts = vec![
            Part::spout(
                &[0],
                vec![(1, Pick::EVEN)],
                native(&told, constant(Value::Int(1), 10)),
            ),
            Part::bolt(&[line], vec![], bolt),
        ];
        let mut world = World::new(&Rules::of(1), parts);
        world.run_to_the_end();
        assert_eq!(told.borrow().finished.len(), 10);
    }
}

/// A tuple that is reset again and again does not time out; left alone it does.
#[test]
fn a_reset_gives_a_whole_time_out() {
    let (held, resets) = (Rc::new(RefCell::new(Lineage::NONE)), Rc::new(Cell::new(0)));
    let bolt = {
        let resets = Rc::clone(&resets);
        play(move |desk, _| {
            while let Some(envelope) = desk.take() {
                if envelope.lineage.is_tracked() {
                    *held.borrow_mut() = envelope.lineage;
                } else {
                    desk.ticked(0);
                    if resets.get() < 10 {
                        resets.set(resets.get() + 1);
                        desk.reset_timeout(&held.borrow());
                    }
                }
            }
            Next::More
        })
    };
    let told: Rc<RefCell<Told>> = Rc::default();
    let parts = vec![
        Part::spout(
            &[0],
            vec![(1, Pick::EVEN)],
            native(&told, constant(Value::Int(1), 1)),
        ),
        Part::bolt(&[1], vec![], bolt).tick(Duration::from_millis(9)),
    ];
    let rules = Rules {
        message_timeout: Some(Duration::from_millis(10)),
        ..Rules::of(1)
    };
    let mut world = World::new(&rules, parts);
    world.run(|world| world.shared.ended());
    let told = told.borrow();
    let [end] = told.finished.as_slice() else {
        panic!("{:?}", told.finished)
    };
    assert_eq!((end.outcome, resets.get()), (Outcome::TimedOut, 10));
    let lasted = world.clock.peek() - end.born;
    assert!(lasted >= 90_000_000, "{lasted}");
}

/// A spout whose call took longer than the time-out: what it emits at the end of it is as young as any.
#[test]
fn a_long_call_does_not_age_what_it_emits() {
    let clock: Rc<RefCell<Option<sim::SimClock>>> = Rc::default();
    let ends = Rc::new(RefCell::new(Vec::new()));
    let spout = {
        let (clock, ends) = (Rc::clone(&clock), Rc::clone(&ends));
        play(move |desk, call| {
            match call {
                Call::Next => {
                    clock.borrow().as_ref().unwrap().pass(35_000_000);
                    emit_tracked(desk, 1);
                }
                Call::Settled(finished) => ends.borrow_mut().push(finished),
                Call::Process => {}
            }
            Next::Done
        })
    };
    let parts = vec![
        Part::spout(&[0], vec![(1, Pick::EVEN)], spout),
        Part::bolt(
            &[0],
            vec![],
            play(|desk, _| {
                desk.take();
                Next::More
            }),
        ),
    ];
    let rules = Rules {
        message_timeout: Some(Duration::from_millis(10)),
        ..Rules::of(1)
    };
    let mut world = World::new(&rules, parts);
    *clock.borrow_mut() = Some(world.clock.clone());
    world.run_to_the_end();
    let ends = ends.borrow();
    let [end] = ends.as_slice() else {
        panic!("{ends:?}")
    };
    assert_eq!(end.outcome, Outcome::TimedOut);
    let lasted = world.clock.peek() - end.born;
    assert!(lasted >= 10_000_000, "timed out after {lasted} ns");
    assert!(lasted < 35_000_000, "it counts from the beginning of the call");
}

/// A tuple that could not be sent must not count as processed.
#[test]
fn a_refused_tuple_of_a_native_spout_is_not_acked() {
    let told = Rc::default();
    let parts = vec![
        Part::spout(
            &[0],
            vec![(1, Pick::Key([0].into()))],
            native(&told, constant(Value::Float(0.5), 10)),
        ),
        Part::bolt(&[0], vec![], native(&told, Spec::Null)),
    ];
    let mut world = World::new(&Rules::of(1), parts);
    world.run_to_the_end();
    assert_eq!(told.borrow().finished.len(), 10);
    assert!(
        told.borrow()
            .finished
            .iter()
            .all(|finished| finished.outcome == Outcome::Failed)
    );
}

/// A spout that must still hear of its trees, and may emit again then, is not at its end.
#[test]
fn the_end_comes_after_the_last_word_to_a_spout() {
    let heard = Rc::new(Cell::new(0));
    let spout = {
        let heard = Rc::clone(&heard);
        play(move |desk, call| {
            match call {
                Call::Next => {
                    emit_tracked(desk, 1);
                    for n in 0..30 {
                        desk.emit(0, 0, Row::ints(&[n, 0]), &mut Input(&Lineage::NONE, &mut 0))
                            .unwrap();
                    }
                }
                Call::Settled(..) => heard.set(heard.get() + 1),
                Call::Process => {}
            }
            Next::Done
        })
    };
    let parts = vec![
        Part::spout(&[0], vec![(1, Pick::EVEN)], spout),
        Part::bolt(&[1], vec![], sink()),
    ];
    let mut world = World::new(
        &Rules {
            high_water: 2,
            ..Rules::of(1)
        },
        parts,
    );
    for _ in 0..100 {
        // Until the spout's loop finds no room; then the bolt makes some.
        while world.step(0) == Rest::Busy {}
        assert!(
            !world.shared.ended() || heard.get() == 1,
            "ended before it was told"
        );
        while world.step(1) == Rest::Busy {}
    }
    world.run_to_the_end();
    assert_eq!(
        (heard.get(), world.sum(1, |figures| figures.all_calls())),
        (1, 31)
    );
}

/// A source that stays readable must not keep a loop awake for a spout that nobody would ask.
#[test]
fn a_spout_is_wanted_only_while_it_may_emit() {
    let answers = Rc::new(Cell::new(Next::More));
    let spout = {
        let answers = Rc::clone(&answers);
        play(move |desk, call| {
            if let Call::Next = call {
                emit_tracked(desk, 1);
            }
            answers.get()
        })
    };
    let parts = vec![
        Part::spout(&[0], vec![(1, Pick::EVEN)], spout).max_pending(2),
        Part::bolt(&[1], vec![], sink()),
    ];
    let mut world = World::new(&Rules::of(1), parts);
    assert!(!world.would_ask(0), "not every executor is open");
    world.step(1);
    for _ in 0..3 {
        world.step(0);
    }
    assert!(!world.would_ask(0), "two are pending");
    world.step(1);
    world.shared.order(Order::Deactivate);
    world.step(0);
    assert!(!world.would_ask(0), "it is not active");
    answers.set(Next::Done);
    world.shared.order(Order::Activate);
    world.run(|world| world.would_ask(0) || world.shared.ended());
    world.run_to_the_end();
    assert!(!world.would_ask(0), "it has no more data");
}

#[test]
fn a_spout_that_had_nothing_is_wanted() {
    let parts = vec![
        Part::spout(&[0], vec![(1, Pick::EVEN)], play(|_, _| Next::More)),
        Part::bolt(&[0], vec![], sink()),
    ];
    let mut world = World::new(&Rules::of(1), parts);
    for _ in 0..3 {
        world.step(0);
    }
    assert!(world.would_ask(0));
}

#[test]
fn no_spout_has_more_pending_than_it_may() {
    let (most, now) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
    let spout = {
        let (most, now) = (Rc::clone(&most), Rc::clone(&now));
        play(move |desk, call| {
            match call {
                Call::Next => {
                    now.set(now.get() + 1);
                    most.set(now.get().max(most.get()));
                    emit_tracked(desk, most.get());
                }
                Call::Settled(..) => now.set(now.get() - 1),
                Call::Process => {}
            }
            Next::More
        })
    };
    let parts = vec![
        Part::spout(&[0], vec![(1, Pick::EVEN)], spout).max_pending(7),
        Part::bolt(&[1], vec![], sink()),
    ];
    let mut world = World::new(&Rules::of(1), parts);
    for _ in 0..2000 {
        let line = world.dice.below(2);
        world.step(line);
        world.clock.pass(10_000);
    }
    assert_eq!(most.get(), 7);
    assert!(world.sum(0, |figures| figures.acked.get()) > 100);
}

#[test]
fn at_the_hard_limit_an_emit_is_refused() {
    let refused = Rc::new(Cell::new(0));
    let spout = {
        let refused = Rc::clone(&refused);
        play(move |desk, _| {
            for n in 0..100 {
                match desk.emit(0, 0, Row::ints(&[n, 0]), &mut Input(&Lineage::NONE, &mut 0)) {
                    Ok(()) => {}
                    Err(EmitError::Full) => refused.set(refused.get() + 1),
                    Err(error) => panic!("{error:?}"),
                }
            }
            Next::Done
        })
    };
    let parts = vec![
        Part::spout(&[0], vec![(1, Pick::EVEN)], spout),
        Part::bolt(&[0], vec![], sink()),
    ];
    let mut world = World::new(
        &Rules {
            hard_limit: 20,
            ..Rules::of(1)
        },
        parts,
    );
    world.run_to_the_end();
    assert_eq!(refused.get(), 100 - 16 - 20, "beyond the inbox and the outbox");
    assert_eq!(world.sum(1, |figures| figures.all_calls()), 36);
}

#[test]
fn only_one_tick_waits_for_a_task() {
    let ticks = Rc::new(Counter::default());
    let bolt = {
        let ticks = Rc::clone(&ticks);
        play(move |desk, _| {
            while desk.take().is_some() {
                ticks.add(1);
                desk.ticked(0);
            }
            Next::More
        })
    };
    let parts = vec![Part::bolt(&[0], vec![], bolt).tick(Duration::from_millis(1))];
    let mut world = World::new(&Rules::of(1), parts);
    world.shared.peers[0].post((0..5).map(|_| Mail::Order(Order::Tick(0))).collect());
    world.clock.pass(5_500_000);
    assert_eq!(world.step(0), Rest::Busy);
    assert_eq!(
        ticks.get(),
        1,
        "the ones by order, by time, and those missed are one"
    );
    world.clock.pass(1_000_000);
    world.step(0);
    assert_eq!(ticks.get(), 2);
}

#[test]
fn a_direct_emit_wants_a_subscriber() {
    let spout = play(|desk, call| {
        if let Call::Next = call {
            let emit = desk.emit_to(
                0,
                0,
                Row::ints(&[1, 0]),
                None,
                &mut Input(&Lineage::NONE, &mut 0),
                Some(3),
                &[],
            );
            assert_eq!(emit.unwrap(), [3]);
            let emit = desk.emit_to(
                0,
                0,
                Row::ints(&[1, 0]),
                None,
                &mut Input(&Lineage::NONE, &mut 0),
                Some(1),
                &[],
            );
            assert!(matches!(emit, Err(EmitError::NotATarget(1))));
            let emit = desk.emit_to(
                0,
                0,
                Row::ints(&[1, 0]),
                None,
                &mut Input(&Lineage::NONE, &mut 0),
                None,
                &[],
            );
            assert_eq!(emit.unwrap(), [0; 0]);
        }
        Next::Done
    });
    let told = Rc::default();
    let parts = vec![
        Part::spout(&[0], vec![(1, Pick::Direct)], spout),
        Part::bolt(&[0], vec![], native(&told, Spec::Null)).tasks(2),
    ];
    let mut world = World::new(&Rules::of(1), parts);
    world.run_to_the_end();
    assert_eq!(world.sum(1, |figures| figures.all_calls()), 1);
}

#[test]
fn one_tuple_in_three_is_timed_however_small_the_turns() {
    for (seed, high_water) in [(0, 1), (1, 2), (2, 3), (3, 1000)] {
        let told = Rc::default();
        let timed = Rc::new(Cell::new(0));
        let noted = Rc::clone(&timed);
        let bolt = play(move |desk, _| {
            while let Some(envelope) = desk.take() {
                noted.set(noted.get() + u32::from(envelope.way.is_timed()));
                desk.ack(&envelope.lineage, 0);
            }
            Next::More
        });
        let parts = vec![
            Part::spout(
                &[0],
                vec![(1, Pick::EVEN)],
                native(&told, constant(Value::Int(1), 300)),
            ),
            Part::bolt(&[0], vec![], bolt),
        ];
        let mut rules = Rules::of(seed);
        rules.high_water = high_water;
        let mut world = World::new(&rules, parts);
        world.run_to_the_end();
        assert_eq!(world.sum(1, |figures| figures.inputs[0].get()), 300);
        assert_eq!(timed.get(), 100, "high water {high_water}");
    }
}
