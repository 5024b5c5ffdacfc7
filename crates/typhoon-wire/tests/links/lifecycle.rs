//! Incarnations come and go.

use crate::node::{Event, Kind, Lane, Node, PANIC, UNREADABLE, config};
use crate::proxy::Proxy;
use std::time::{Duration, Instant};
use typhoon_wire::{Address, Links, Lost, Refusal};

#[test]
fn down_is_told_at_once_and_for_ever() {
    let [one, two] = Node::pair(Kind::Unix);
    one.until_connected(1);
    two.until_connected(1);
    one.links.down(2, 20);
    one.until("lost", |s| {
        s.events == [Event::Connected(2, 20), Event::Lost(2, 20, Lost::Down)]
    });
    // It lives on, and tries in vain.
    two.until("refused", |s| {
        s.refused.contains(&(Some(1), Refusal::Incarnation))
    });
    one.knows(&two);
    let refused = two.state().refused.len();
    two.until("refused again", |s| s.refused.len() > refused + 1);
    assert_eq!(one.state().events.len(), 2);
    // For it, the session is lost once its time is over.
    two.until("lost", |s| {
        s.events == [Event::Connected(1, 10), Event::Lost(1, 10, Lost::TimedOut)]
    });
    // Told for the second time, it is no news.
    one.links.down(2, 20);
    one.links.down(2, 7);
    let successor = Node::start(config(Kind::Unix, 2, 21));
    one.knows(&successor);
    successor.knows(&one);
    one.until_connected(2);
    assert_eq!(one.state().events.last(), Some(&Event::Connected(2, 21)));
}

#[test]
fn a_later_incarnation_ends_the_one_before() {
    let [one, two] = Node::pair(Kind::Tcp);
    one.until_connected(1);
    two.count(1, Lane::Bulk, 0..10, 10);
    one.until_counted(2, Lane::Bulk, 10);
    let successor = Node::start(config(Kind::Tcp, 2, 21));
    one.knows(&successor);
    successor.knows(&one);
    one.until_connected(2);
    assert_eq!(
        one.state().events,
        [
            Event::Connected(2, 20),
            Event::Lost(2, 20, Lost::Down),
            Event::Connected(2, 21)
        ]
    );
    // The zombie is refused, and takes nothing of what is for its successor.
    two.until("refused", |s| {
        s.refused.contains(&(Some(1), Refusal::Incarnation))
    });
    one.count(2, Lane::Bulk, 0..10, 10);
    successor.until_counted(1, Lane::Bulk, 10);
    assert!(two.state().counted.is_empty());
}

/// What was queued or under way for a session that is lost is dropped before that is told.
#[test]
fn nothing_goes_over_to_the_next_session() {
    let (one, two) = (
        Node::start(config(Kind::Tcp, 1, 10)),
        Node::start(config(Kind::Tcp, 2, 20)),
    );
    let proxy = Proxy::start(one.links.address());
    one.knows(&two);
    two.knows_at(&one, proxy.address());
    one.until_connected(1);
    proxy.stall(true);
    one.send_all(2, Lane::Bulk, (0..100).map(|_| vec![1; 1000]));
    one.until_figures("appended", |f| f.peers[&2].messages_sent == 100);
    one.links.down(2, 20);
    one.until("lost", |s| {
        s.events.last() == Some(&Event::Lost(2, 20, Lost::Down))
    });
    assert!(two.state().got.is_empty());
    let successor = Node::start(config(Kind::Tcp, 2, 21));
    one.knows(&successor);
    successor.knows(&one);
    one.send(2, Lane::Bulk, vec![2]);
    successor.until("the message", |s| !s.got.is_empty());
    assert_eq!(successor.state().got, [(1, 10, vec![2])]);
}

/// Both ends hear of it, and what follows the message is not taken either.
#[test]
fn a_message_that_says_nothing_ends_the_session() {
    let [one, two] = Node::pair(Kind::Unix);
    one.until_connected(1);
    two.until_connected(1);
    one.send_all(2, Lane::Bulk, [UNREADABLE.to_vec(), vec![1]]);
    for (node, peer) in [(&one, (2, 20)), (&two, (1, 10))] {
        node.until_connected(2);
        let events = node.state().events.clone();
        assert_eq!(events[0], Event::Connected(peer.0, peer.1));
        assert!(matches!(events[1], Event::Lost(..)), "{events:?}");
    }
    assert!(matches!(two.state().events[1], Event::Lost(1, 10, Lost::Broken)));
    one.send(2, Lane::Bulk, vec![2]);
    two.until("the next session", |s| !s.got.is_empty());
    assert_eq!(two.state().got, [(1, 10, vec![2])]);
}

#[test]
fn a_panic_of_the_link_thread_is_told() {
    let [one, two] = Node::pair(Kind::Unix);
    one.until_connected(1);
    one.send(2, Lane::Bulk, PANIC.to_vec());
    two.until("told", |s| s.died);
    one.until("lost", |s| s.events.len() == 2);
}

#[test]
fn a_worker_that_stops_lets_others_be() {
    let [one, two] = Node::pair(Kind::Unix);
    let three = Node::start(config(Kind::Unix, 3, 30));
    one.knows(&three);
    three.knows(&one);
    one.until_connected(2);
    let Address::Unix(path) = two.links.address().clone() else {
        panic!("Unix only")
    };
    assert!(path.exists());
    two.links.stop();
    assert!(!path.exists(), "its socket file is gone");
    three.count(1, Lane::Bulk, 0..100, 10);
    one.until_counted(3, Lane::Bulk, 100);
}

#[test]
fn limits_that_cannot_be_kept_are_refused() {
    let handler = Node::start(config(Kind::Unix, 9, 1));
    let mut wrong = config(Kind::Unix, 1, 10);
    wrong.topology = "x".repeat(256);
    assert!(Links::start(wrong, handler.handler()).is_err());
    let mut wrong = config(Kind::Unix, 1, 10);
    wrong.link_timeout = Duration::ZERO;
    assert!(Links::start(wrong, handler.handler()).is_err());
    let taken = handler.links.address().clone();
    let mut wrong = config(Kind::Unix, 1, 10);
    wrong.listen = taken;
    assert!(Links::start(wrong, handler.handler()).is_err());
}

#[test]
fn an_idle_pair_costs_nothing_and_stays_together() {
    let mut configs = [1u16, 2].map(|index| config(Kind::Unix, index, u64::from(index) * 10));
    for config in &mut configs {
        config.link_timeout = Duration::from_secs(1);
    }
    let [one, two] = configs.map(Node::start);
    one.knows(&two);
    two.knows(&one);
    one.until_connected(1);
    two.until_connected(1);
    let start = Instant::now();
    one.until_figures("it beats for longer than the time-out", |_| {
        start.elapsed().as_millis() > 1500
    });
    let figures = one.figures(2);
    assert!((5..50).contains(&figures.writes), "{figures:?}");
    assert_eq!((one.state().events.len(), figures.resumes), (1, 0));
}
