//! Who may not come in, and does not disturb who may.

use crate::node::{Event, Kind, Lane, Node, config};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;
use typhoon_wire::{Address, Config, Refusal};

fn dial(node: &Node) -> TcpStream {
    let Address::Tcp(address) = node.links.address() else {
        panic!("TCP only")
    };
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(crate::node::PATIENCE)).unwrap();
    stream
}

/// The connection ends; what came before its end.
fn until_closed(mut stream: TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    match stream.read_to_end(&mut bytes) {
        Ok(_) => (),
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset),
    }
    bytes
}

fn still_works(one: &Node, two: &Node) {
    let before = one.state().got.len();
    two.send(1, Lane::Bulk, b"hello".to_vec());
    one.until("a message", |state| state.got.len() == before + 1);
}

#[test]
fn garbage_is_dropped() {
    let [one, two] = Node::pair(Kind::Tcp);
    for garbage in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0; 100], &[0xff; 100_000]] {
        let mut stream = dial(&one);
        let _ = stream.write_all(garbage);
        until_closed(stream);
        still_works(&one, &two);
    }
    one.until("refused", |s| s.refused == [(None, Refusal::Garbage); 3]);
    assert_eq!(one.links.figures().refused[&Refusal::Garbage], 3);
}

#[test]
fn who_says_nothing_is_dropped_in_time() {
    let mut config = config(Kind::Tcp, 1, 10);
    config.handshake_timeout = Duration::from_millis(100);
    let one = Node::start(config);
    assert!(!until_closed(dial(&one)).is_empty(), "it is told why");
    one.until("refused", |s| s.refused == [(None, Refusal::TimedOut)]);
}

#[test]
fn who_hangs_up_is_forgotten_at_once() {
    let mut patient = config(Kind::Tcp, 1, 10);
    patient.handshake_timeout = Duration::from_secs(600);
    let one = Node::start(patient);
    for _ in 0..20 {
        let _ = dial(&one).write_all(b"?");
    }
    // It comes in after them.
    let _ = dial(&one).write_all(&[0; 10]);
    one.until("refused", |s| s.refused == [(None, Refusal::Garbage)]);
    one.until_figures("all are gone", |figures| figures.connections == 0);
}

#[test]
fn a_crowd_does_not_keep_a_worker_out() {
    let mut limited = config(Kind::Tcp, 1, 10);
    limited.half_open_limit = 8;
    limited.handshake_timeout = Duration::from_secs(60);
    let (one, two) = (Node::start(limited), Node::start(config(Kind::Tcp, 2, 20)));
    let crowd: Vec<TcpStream> = (0..50).map(|_| dial(&one)).collect();
    one.until_figures("the crowd is limited", |figures| {
        figures.refused.get(&Refusal::Crowded) == Some(&42) && figures.connections == 8
    });
    one.knows(&two);
    two.knows(&one);
    still_works(&one, &two);
    drop(crowd);
    one.until_figures("the crowd is gone", |figures| figures.connections == 1);
}

/// Worker 2 as `change` makes it knocks at 1, which knows the proper one.
fn knocks(change: impl FnOnce(&mut Config)) -> (Node, Node) {
    let mut changed = config(Kind::Tcp, 2, 20);
    change(&mut changed);
    let (one, two) = (Node::start(config(Kind::Tcp, 1, 10)), Node::start(changed));
    one.links.up(2, 20, two.links.address().clone());
    two.knows(&one);
    (one, two)
}

fn is_refused(change: impl FnOnce(&mut Config), why: Refusal) {
    let (one, two) = knocks(change);
    two.until("refused", |state| state.refused.contains(&(Some(1), why)));
    assert!(one.state().events.is_empty() && two.state().events.is_empty());
}

#[test]
fn another_secret_is_refused() {
    is_refused(|c| c.secret = b"another secret".to_vec(), Refusal::Secret);
}

#[test]
fn another_topology_is_refused() {
    is_refused(|c| c.topology = "numbers".to_owned(), Refusal::Topology);
}

#[test]
fn an_unknown_worker_is_refused() {
    is_refused(|c| c.worker = 3, Refusal::Incarnation);
}

#[test]
fn a_predecessor_is_refused() {
    is_refused(|c| c.incarnation = 19, Refusal::Incarnation);
}

/// Whoever dials an address that another incarnation has now is turned away.
#[test]
fn a_successor_is_not_taken_for_its_predecessor() {
    let (one, two) = (
        Node::start(config(Kind::Tcp, 1, 11)),
        Node::start(config(Kind::Tcp, 2, 20)),
    );
    one.knows(&two);
    two.links.up(1, 10, one.links.address().clone());
    two.until("refused", |s| s.refused.contains(&(Some(1), Refusal::Address)));
    two.knows(&one);
    still_works(&one, &two);
    assert_eq!(two.state().events, [Event::Connected(1, 11)]);
}

#[test]
fn who_is_early_comes_in_as_soon_as_it_is_known() {
    let (one, two) = (
        Node::start(config(Kind::Unix, 1, 10)),
        Node::start(config(Kind::Unix, 2, 20)),
    );
    two.knows(&one);
    two.until("refused", |s| {
        s.refused.contains(&(Some(1), Refusal::Incarnation))
    });
    one.knows(&two);
    still_works(&one, &two);
}

#[test]
fn who_dials_before_there_is_a_listener_comes_in_later() {
    let later = config(Kind::Unix, 1, 10);
    let two = Node::start(config(Kind::Unix, 2, 20));
    two.links.up(1, 10, later.listen.clone());
    let one = Node::start(later);
    one.knows(&two);
    still_works(&one, &two);
}
