//! Acks between workers that die: every state of three small workers, with death, restart, zombies and broken links.
//!
//! Spouts with their ledgers, bolts that send on to any worker and may hold their input meanwhile, a queue for each pair
//! of processes. How far a queue had got when a session was lost is open: any prefix of it. Each of the [`Rules`] but
//! the right ones and the variants breaks one rule, and the checker must notice.

mod bounds;
mod broken;
#[path = "../explore/mod.rs"]
mod explore;
mod links;
mod rules;
mod state;

use bounds::{Bounds, Rules};
use explore::check;
use rules::{Counts, Workers};

/// One tree that crosses workers up to twice; a worker crashes and starts again.
const DEATH: Bounds = Bounds {
    trees: 1,
    spouts: 0b001,
    copies: 1,
    depth: 1,
    held: None,
    near: false,
    fails: false,
    deaths: 1,
    zombies: false,
    restarts: 1,
    breaks: 0,
    impatient: false,
    late_markers: false,
    purge: true,
    again: false,
    count: false,
};

/// As [`DEATH`], and nobody starts it again.
const LAST: Bounds = Bounds { restarts: 0, ..DEATH };

const ZOMBIE: Bounds = Bounds {
    zombies: true,
    ..DEATH
};

/// All live, and one session is lost.
const BREAK: Bounds = Bounds {
    deaths: 0,
    restarts: 0,
    breaks: 1,
    ..DEATH
};

const TWO: Bounds = Bounds {
    trees: 2,
    spouts: 0b011,
    ..DEATH
};

/// One message that is sent again whenever its tree fails, and every fail is counted.
const AGAIN: Bounds = Bounds {
    trees: 4,
    depth: 0,
    again: true,
    count: true,
    ..DEATH
};

fn holds(rules: Rules, bounds: Bounds) -> Counts {
    let model = Workers {
        rules,
        bounds,
        counts: Counts::default(),
    };
    match check(&model) {
        Ok(states) => println!("{rules:?}: {states} states of {bounds:?}"),
        Err(why) => panic!("{why}"),
    }
    model.counts
}

#[test]
fn a_death_and_a_restart() {
    holds(
        Rules::Right,
        Bounds {
            depth: 2,
            held: Some(1),
            ..ZOMBIE
        },
    );
    holds(
        Rules::Right,
        Bounds {
            copies: 2,
            held: Some(0),
            ..LAST
        },
    );
}

#[test]
fn frames_for_trees_that_have_ended_are_for_nobody() {
    holds(
        Rules::Right,
        Bounds {
            purge: false,
            ..ZOMBIE
        },
    );
    holds(
        Rules::Right,
        Bounds {
            purge: false,
            fails: true,
            copies: 2,
            ..LAST
        },
    );
    holds(
        Rules::Right,
        Bounds {
            purge: false,
            trees: 2,
            depth: 0,
            ..BREAK
        },
    );
}

#[test]
fn bolts_beside_their_spout() {
    holds(
        Rules::Right,
        Bounds {
            near: true,
            held: Some(0),
            ..DEATH
        },
    );
}

#[test]
fn two_deaths() {
    holds(Rules::Right, Bounds { deaths: 2, ..DEATH });
    holds(
        Rules::Right,
        Bounds {
            deaths: 2,
            held: Some(0),
            zombies: true,
            ..LAST
        },
    );
}

#[test]
fn two_ledgers_and_a_death() {
    holds(
        Rules::Right,
        Bounds {
            zombies: true,
            restarts: 0,
            ..TWO
        },
    );
    holds(Rules::Right, Bounds { depth: 0, ..TWO });
}

#[test]
fn two_ledgers_and_a_lost_session() {
    holds(
        Rules::Right,
        Bounds {
            deaths: 0,
            restarts: 0,
            breaks: 1,
            ..TWO
        },
    );
}

/// With a restart too it is a wide one.
#[test]
fn a_death_and_a_lost_session() {
    holds(
        Rules::Right,
        Bounds {
            breaks: 1,
            zombies: true,
            held: Some(0),
            ..LAST
        },
    );
}

#[test]
fn a_session_is_given_up_before_the_death_is_known() {
    holds(
        Rules::Right,
        Bounds {
            impatient: true,
            ..ZOMBIE
        },
    );
}

#[test]
fn markers_leave_one_by_one_and_late() {
    holds(
        Rules::Right,
        Bounds {
            late_markers: true,
            ..DEATH
        },
    );
}

/// The wide ones. `cargo test --release -p typhoon-core --test worker_model -- --ignored --nocapture`
#[test]
#[ignore = "takes minutes and two gigabytes"]
fn wide() {
    for rules in [Rules::Right, Rules::OnlyOwed] {
        assert!(holds(rules, AGAIN).most.get() <= 3);
        holds(rules, Bounds { zombies: true, ..TWO });
        holds(
            rules,
            Bounds {
                late_markers: true,
                impatient: true,
                ..ZOMBIE
            },
        );
        holds(
            rules,
            Bounds {
                breaks: 1,
                impatient: true,
                ..ZOMBIE
            },
        );
        holds(
            rules,
            Bounds {
                breaks: 2,
                deaths: 0,
                restarts: 0,
                depth: 2,
                held: Some(0),
                ..DEATH
            },
        );
    }
    holds(
        Rules::Right,
        Bounds {
            deaths: 2,
            impatient: true,
            ..ZOMBIE
        },
    );
}

#[test]
fn what_was_queued_may_go_to_the_successor_too() {
    holds(
        Rules::SendAgain,
        Bounds {
            purge: false,
            held: Some(0),
            ..ZOMBIE
        },
    );
}

#[test]
fn frames_of_a_zombie_do_no_harm() {
    holds(
        Rules::HearZombies,
        Bounds {
            purge: false,
            ..ZOMBIE
        },
    );
}

#[test]
fn a_session_may_open_without_a_marker_where_none_is_owed() {
    holds(
        Rules::OnlyOwed,
        Bounds {
            held: Some(0),
            ..ZOMBIE
        },
    );
    holds(
        Rules::OnlyOwed,
        Bounds {
            breaks: 1,
            depth: 0,
            ..DEATH
        },
    );
    holds(Rules::OnlyOwed, Bounds { trees: 2, ..BREAK });
}

/// Its own loss, the other survivor's marker, and the marker that the successor's session opens with.
#[test]
fn one_death_fails_the_same_message_more_than_once() {
    assert_eq!(holds(Rules::Right, Bounds { trees: 3, ..AGAIN }).most.get(), 3);
    assert_eq!(holds(Rules::OnlyOwed, Bounds { trees: 3, ..AGAIN }).most.get(), 2);
    assert_eq!(holds(Rules::Right, Bounds { restarts: 0, ..AGAIN }).most.get(), 2);
}

/// How many trees fail that touched nothing dead: a figure, not a promise.
#[test]
fn trees_that_touched_nothing_dead_fail_too() {
    let counts = holds(
        Rules::Right,
        Bounds {
            trees: 2,
            count: true,
            ..LAST
        },
    );
    println!("{counts:?}");
    assert!(0 < counts.innocent.get() && counts.innocent.get() < counts.lost.get());
}
