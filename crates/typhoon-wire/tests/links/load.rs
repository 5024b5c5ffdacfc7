//! Much, and fast.

use crate::node::{Event, Kind, Lane, Node, config};
use std::time::{Duration, Instant};
use typhoon_wire::Lost;

#[test]
fn messages_come_in_order_over_unix() {
    come_in_order(Kind::Unix);
}

#[test]
fn messages_come_in_order_over_tcp() {
    come_in_order(Kind::Tcp);
}

fn come_in_order(kind: Kind) {
    const COUNT: u64 = 200_000;
    let [one, two] = Node::pair(kind);
    let start = Instant::now();
    one.count(2, Lane::Bulk, 0..COUNT, 32);
    two.count(1, Lane::Bulk, 0..COUNT, 32);
    one.count(2, Lane::Urgent, 0..1000, 10);
    for (node, peer) in [(&one, 2), (&two, 1)] {
        node.until_counted(peer, Lane::Bulk, COUNT);
    }
    two.until_counted(1, Lane::Urgent, 1000);
    let took = start.elapsed();
    let figures = one.figures(2);
    println!(
        "{kind:?}: {} messages both ways in {took:?}; {figures:?}",
        2 * COUNT
    );
    assert_eq!(one.state().events, [Event::Connected(2, 20)]);
    assert_eq!(two.state().events, [Event::Connected(1, 10)]);
    assert_eq!(figures.messages_sent, COUNT + 1000);
    assert_eq!(figures.messages_received, COUNT);
    assert!(figures.writes * 100 < COUNT, "few system calls: {figures:?}");
    assert!(
        two.figures(1).reads * 100 < COUNT,
        "few system calls: {figures:?}"
    );
}

#[test]
fn a_message_alone_is_fast() {
    for kind in [Kind::Unix, Kind::Tcp] {
        let [one, two] = Node::pair(kind);
        one.until_connected(1);
        two.until_connected(1);
        let mut times: Vec<Duration> = (0..200)
            .map(|round| {
                let start = Instant::now();
                one.send(2, Lane::Bulk, vec![1]);
                two.until("ping", |state| state.got.len() == round + 1);
                two.send(1, Lane::Bulk, vec![2]);
                one.until("pong", |state| state.got.len() == round + 1);
                start.elapsed()
            })
            .collect();
        times.sort_unstable();
        println!(
            "{kind:?}: there and back, median {:?}, p99 {:?}",
            times[100], times[198]
        );
    }
}

#[test]
fn a_huge_message_holds_up_nobody() {
    const LENGTH: usize = 100 << 20;
    let [one, two] = Node::pair(Kind::Unix);
    one.until_connected(1);
    let huge: Vec<u8> = (0..LENGTH).map(|i| (i % 251) as u8 | 1).collect();
    one.send(2, Lane::Bulk, huge.clone());
    one.until_figures("the huge one is on its way", |f| f.peers[&2].frames_sent > 0);
    // Urgent ones overtake it, bulk ones come behind it.
    one.count(2, Lane::Urgent, 0..5000, 16);
    one.count(2, Lane::Bulk, 0..5000, 16);
    two.until_counted(1, Lane::Urgent, 5000);
    println!("the huge message had come: {}", !two.state().got.is_empty());
    two.until_counted(1, Lane::Bulk, 5000);
    let state = two.state();
    assert!(state.got.len() == 1 && state.got[0].2 == huge);
}

#[test]
fn a_message_at_the_limit_and_an_empty_one_pass() {
    let mut configs = [1, 2].map(|index| config(Kind::Tcp, index, 1));
    for config in &mut configs {
        config.message_limit = 300_000;
    }
    let [one, two] = configs.map(Node::start);
    one.knows(&two);
    two.knows(&one);
    one.send(2, Lane::Bulk, vec![7; 300_000]);
    one.send(2, Lane::Bulk, Vec::new());
    two.until("both", |state| state.got.len() == 2);
    let state = two.state();
    assert_eq!(state.got[0].2.len(), 300_000);
    assert!(state.got[1].2.is_empty());
}

/// Ends that disagree on the limit cannot go on with the session: the same would come again.
#[test]
fn a_message_beyond_the_receivers_limit_ends_the_session() {
    let (mut one, mut two) = (config(Kind::Tcp, 1, 10), config(Kind::Tcp, 2, 20));
    one.message_limit = 1000;
    for config in [&mut one, &mut two] {
        // The connection is closed at once, not when it has been silent.
        config.link_timeout = Duration::from_secs(600);
    }
    let [one, two] = [one, two].map(Node::start);
    one.knows(&two);
    two.knows(&one);
    two.send(1, Lane::Bulk, vec![0; 1001]);
    one.until("lost", |s| s.events.contains(&Event::Lost(2, 20, Lost::Broken)));
    two.until("lost", |s| {
        s.events.contains(&Event::Lost(1, 10, Lost::Forgotten))
    });
    one.until_connected(2);
    two.send(1, Lane::Bulk, vec![0; 1000]);
    one.until("a shorter one", |s| s.got.len() == 1);
}

#[test]
fn three_workers_talk_to_each_other() {
    const COUNT: u64 = 20_000;
    let nodes = [1, 2, 3].map(|index| {
        let kind = if index == 2 { Kind::Tcp } else { Kind::Unix };
        Node::start(config(kind, index, 1))
    });
    for one in &nodes {
        for other in &nodes {
            one.knows(other);
            if one.index != other.index {
                one.count(other.index, Lane::Bulk, 0..COUNT, 100);
            }
        }
    }
    for one in &nodes {
        for other in nodes.iter().filter(|other| other.index != one.index) {
            one.until_counted(other.index, Lane::Bulk, COUNT);
        }
    }
}
