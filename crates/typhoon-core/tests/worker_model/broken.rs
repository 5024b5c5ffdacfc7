//! Each rule is broken once, and the checker must notice.

use super::bounds::{Bounds, Rules};
use super::explore::check;
use super::rules::{Counts, Workers};
use super::{BREAK, DEATH, LAST, ZOMBIE};

fn breaks(rules: Rules, bounds: Bounds, how: &str) {
    let model = Workers {
        rules,
        bounds,
        counts: Counts::default(),
    };
    match check(&model) {
        Ok(states) => panic!("{rules:?} was not noticed in {states} states"),
        Err(why) => assert!(why.contains(how), "{rules:?} was noticed as: {why}"),
    }
}

#[test]
fn leaving_ones_own_trees_alone_is_noticed() {
    breaks(Rules::NoOwnFail, LAST, "never ends");
}

#[test]
fn telling_nobody_is_noticed() {
    breaks(Rules::NoMarker, DEATH, "never ends");
    breaks(Rules::NoMarker, BREAK, "never ends");
}

#[test]
fn failing_before_the_drop_is_noticed() {
    breaks(Rules::FailFirst, LAST, "never ends");
}

#[test]
fn a_marker_before_the_drop_is_noticed() {
    breaks(Rules::MarkFirst, LAST, "never ends");
    breaks(Rules::MarkFirst, DEATH, "never ends");
}

#[test]
fn a_session_without_a_marker_is_noticed() {
    breaks(Rules::NoOpening, DEATH, "never ends");
    breaks(Rules::NoOpening, BREAK, "never ends");
}

#[test]
fn a_session_that_is_lost_silently_is_noticed() {
    breaks(Rules::SilentBreak, BREAK, "never ends");
}

#[test]
fn a_new_session_that_ends_the_old_one_silently_is_noticed() {
    breaks(Rules::SilentOpening, BREAK, "never ends");
}

#[test]
fn sending_again_what_may_have_arrived_is_noticed() {
    breaks(Rules::SendTwice, Bounds { depth: 2, ..BREAK }, "is acked, but");
}

#[test]
fn a_session_with_a_zombie_that_goes_on_is_noticed() {
    breaks(
        Rules::KeepZombies,
        Bounds {
            restarts: 0,
            ..ZOMBIE
        },
        "never ends",
    );
}

#[test]
fn roots_without_incarnations_are_noticed() {
    breaks(
        Rules::NoIncarnation,
        Bounds {
            trees: 2,
            purge: false,
            ..DEATH
        },
        "is credited with",
    );
}

#[test]
fn roots_without_generations_are_noticed() {
    breaks(
        Rules::NoGenerations,
        Bounds {
            trees: 2,
            purge: false,
            ..DEATH
        },
        "is credited with",
    );
}
