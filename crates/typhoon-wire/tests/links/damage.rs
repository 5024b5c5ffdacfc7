//! What networks do to connections: sessions go on.

use crate::node::{Event, Kind, Lane, Node, config};
use crate::proxy::Proxy;
use std::time::Duration;

/// Workers 1 and 2; 2 dials 1 through the proxy.
fn pair_through_proxy() -> (Node, Node, Proxy) {
    let [one, two] = [1, 2].map(|index| Node::start(config(Kind::Tcp, index, u64::from(index) * 10)));
    let proxy = Proxy::start(one.links.address());
    one.knows(&two);
    two.knows_at(&one, proxy.address());
    (one, two, proxy)
}

fn one_session_only(one: &Node, two: &Node) {
    assert_eq!(one.state().events, [Event::Connected(2, 20)]);
    assert_eq!(two.state().events, [Event::Connected(1, 10)]);
}

#[test]
fn connections_that_break_amid_a_frame_are_resumed() {
    let (one, two, proxy) = pair_through_proxy();
    // Each connection lives for so many bytes, handshake included.
    proxy.cut_after(Some(100_001));
    two.count(1, Lane::Bulk, 0..300, 10_000);
    one.count(2, Lane::Bulk, 0..300, 10_000);
    one.until_counted(2, Lane::Bulk, 300);
    two.until_counted(1, Lane::Bulk, 300);
    assert!(one.figures(2).resumes >= 20, "{:?}", one.figures(2));
    one_session_only(&one, &two);
}

#[test]
fn a_flipped_bit_anywhere_is_repaired() {
    let (one, two, proxy) = pair_through_proxy();
    one.until_connected(1);
    two.until_connected(1);
    let mut sent = 0;
    for offset in [0, 3, 5, 9, 11, 13, 25, 27, 28, 40, 900] {
        let faults = one.figures(2).faults;
        proxy.flip_after(offset);
        two.count(1, Lane::Bulk, sent..sent + 10, 100);
        sent += 10;
        one.until_counted(2, Lane::Bulk, sent);
        // Heartbeats see to it that the byte comes.
        one.until_figures("the flip is seen", |f| f.peers[&2].faults > faults);
    }
    one_session_only(&one, &two);
}

#[test]
fn a_flip_amid_the_load_is_repaired() {
    let (one, two, proxy) = pair_through_proxy();
    for round in 0..5 {
        proxy.flip_after(1_000_000 + round * 77_777);
        two.count(1, Lane::Bulk, round * 500..(round + 1) * 500, 10_000);
        one.until_counted(2, Lane::Bulk, (round + 1) * 500);
    }
    assert_eq!(one.figures(2).faults, 5);
    one_session_only(&one, &two);
}

#[test]
fn a_cut_at_either_end_is_resumed() {
    let (one, two, _proxy) = pair_through_proxy();
    two.count(1, Lane::Bulk, 0..3000, 10_000);
    for round in 0u64..10 {
        let node = if round % 2 == 0 { &one } else { &two };
        let peer = 3 - node.index;
        node.links.cut(peer);
        one.until_figures("resumed", |f| f.peers.get(&2).is_some_and(|f| f.resumes > round));
        two.until_figures("resumed", |f| f.peers.get(&1).is_some_and(|f| f.resumes > round));
    }
    one.until_counted(2, Lane::Bulk, 3000);
    one_session_only(&one, &two);
}

#[test]
fn a_reader_that_stalls_costs_bounded_memory() {
    let (mut one, mut two) = (config(Kind::Tcp, 1, 10), config(Kind::Tcp, 2, 20));
    for config in [&mut one, &mut two] {
        config.window = 1 << 20;
        // The stall is shorter than what would break the connection.
        config.link_timeout = Duration::from_secs(120);
    }
    let [one, two] = [one, two].map(Node::start);
    let proxy = Proxy::start(one.links.address());
    one.knows(&two);
    two.knows_at(&one, proxy.address());
    two.until_connected(1);
    proxy.stall(true);
    two.count(1, Lane::Bulk, 0..20_000, 1000);
    two.until_figures("it has stopped", |figures| {
        let before = figures.peers[&1].messages_sent;
        std::thread::sleep(Duration::from_millis(100));
        before > 0 && two.figures(1).messages_sent == before
    });
    let figures = two.figures(1);
    assert!(figures.messages_sent < 10_000, "not all was taken: {figures:?}");
    // What is taken is the window at most, beside what was acknowledged: nothing.
    assert!(figures.messages_sent * 1000 <= 3 << 20, "{figures:?}");
    proxy.stall(false);
    one.until_counted(2, Lane::Bulk, 20_000);
    one_session_only(&one, &two);
}

/// A connection that is silent is replaced before the session is lost.
#[test]
fn a_stalled_connection_is_replaced() {
    let (one, two, proxy) = pair_through_proxy();
    two.until_connected(1);
    one.until_connected(1);
    let (fresh, before) = (Proxy::start(one.links.address()), proxy.connections());
    two.knows_at(&one, fresh.address());
    proxy.stall(true);
    two.count(1, Lane::Bulk, 0..10, 100);
    one.until_counted(2, Lane::Bulk, 10);
    assert_eq!((proxy.connections(), fresh.connections()), (before, 1));
    proxy.stall(false);
    one_session_only(&one, &two);
}

/// The dialler comes again, and the end of its old connection is still stuck somewhere.
#[test]
fn a_new_connection_takes_the_place_of_the_old() {
    let mut configs = [1u16, 2].map(|index| config(Kind::Tcp, index, u64::from(index) * 10));
    for config in &mut configs {
        config.link_timeout = Duration::from_secs(600);
    }
    let [one, two] = configs.map(Node::start);
    let (stuck, fresh) = (
        Proxy::start(one.links.address()),
        Proxy::start(one.links.address()),
    );
    one.knows(&two);
    two.knows_at(&one, stuck.address());
    two.until_connected(1);
    stuck.stall(true);
    two.count(1, Lane::Bulk, 0..10, 100);
    two.until_figures("under way", |figures| figures.peers[&1].frames_sent > 0);
    two.knows_at(&one, fresh.address());
    two.links.cut(1);
    one.until_counted(2, Lane::Bulk, 10);
    one.until_figures("one connection", |figures| figures.connections == 1);
    stuck.stall(false);
    two.count(1, Lane::Bulk, 10..20, 100);
    one.until_counted(2, Lane::Bulk, 20);
    one_session_only(&one, &two);
}

#[test]
fn after_a_lost_session_a_new_one_begins() {
    let mut configs = [1u16, 2].map(|index| config(Kind::Tcp, index, u64::from(index) * 10));
    for config in &mut configs {
        config.link_timeout = Duration::from_millis(300);
    }
    let [one, two] = configs.map(Node::start);
    let proxy = Proxy::start(one.links.address());
    one.knows(&two);
    two.knows_at(&one, proxy.address());
    one.until_connected(1);
    two.until_connected(1);
    proxy.close(true);
    for (node, lost) in [
        (&one, Event::Lost(2, 20, typhoon_wire::Lost::TimedOut)),
        (&two, Event::Lost(1, 10, typhoon_wire::Lost::TimedOut)),
    ] {
        node.until("lost", |state| state.events.last() == Some(&lost));
    }
    assert!(matches!(
        one.state().events[..],
        [Event::Connected(..), Event::Lost(..)]
    ));
    proxy.close(false);
    one.until_connected(2);
    two.until_connected(2);
    two.send(1, Lane::Bulk, b"again".to_vec());
    one.until("the message", |s| s.got == [(2, 20, b"again".to_vec())]);
}
