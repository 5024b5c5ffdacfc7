//! A thread that drives the links between other work.

use crate::chaos::Dice;
use crate::node::{Kind, Lane, Node, PATIENCE, config};
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use typhoon_wire::Pilot;

const NAME: &str = "pilot";

/// How a loop of a worker waits for its pilot's descriptor.
pub struct Wait {
    poll: Poll,
    events: Events,
    pub waker: Arc<mio::Waker>,
}

impl Wait {
    pub fn new(pilot: &Pilot) -> Self {
        let poll = Poll::new().unwrap();
        let waker = Arc::new(mio::Waker::new(poll.registry(), Token(1)).unwrap());
        poll.registry()
            .register(&mut SourceFd(&pilot.fd()), Token(0), Interest::READABLE)
            .unwrap();
        Wait {
            poll,
            events: Events::with_capacity(2),
            waker,
        }
    }

    pub fn wait(&mut self, pilot: &Pilot) {
        let timeout = pilot.doze();
        // What has been readable for long counts as well: this asks for the state, and not for its change.
        let source = &mut SourceFd(&pilot.fd());
        let registry = self.poll.registry();
        registry.reregister(source, Token(0), Interest::READABLE).unwrap();
        let _ = self.poll.poll(&mut self.events, Some(timeout));
        pilot.woke();
    }
}

/// A pilot of whims: it comes by often or seldom, waits, or is away for many milliseconds.
pub struct Whims {
    over: Arc<AtomicBool>,
    waker: Arc<mio::Waker>,
    thread: Option<JoinHandle<()>>,
}

impl Whims {
    pub fn start(pilot: Pilot) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let mut wait = Wait::new(&pilot);
        let waker = Arc::clone(&wait.waker);
        let ended = Arc::clone(&over);
        let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
        let fly = move || {
            while !ended.load(Ordering::SeqCst) {
                match dice.below(20) {
                    0 => thread::sleep(Duration::from_millis(dice.below(20))),
                    1..5 => (0..dice.below(50)).for_each(|_| pilot.turn()),
                    _ => {
                        pilot.turn();
                        wait.wait(&pilot);
                        pilot.turn();
                    }
                }
            }
        };
        Whims {
            over,
            waker,
            thread: Some(thread::Builder::new().name(NAME.to_owned()).spawn(fly).unwrap()),
        }
    }
}

impl Drop for Whims {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        self.waker.wake().unwrap();
        // One of the tests makes whoever reads panic.
        let _ = self.thread.take().unwrap().join();
    }
}

/// Two workers of which neither has a pilot, yet.
fn pair() -> [Node; 2] {
    let [one, two] = [1, 2].map(|index| Node::start_alone(config(Kind::Unix, index, u64::from(index) * 10)));
    one.knows(&two);
    two.knows(&one);
    one.until_connected(1);
    two.until_connected(1);
    [one, two]
}

#[test]
fn who_waits_reads_and_writes() {
    let [one, two] = pair();
    let pilot = two.links.pilot();
    let mut wait = Wait::new(&pilot);
    let thread = thread::Builder::new().name(NAME.to_owned());
    let flown = thread::scope(|scope| {
        let two = &two;
        let flown = thread
            .spawn_scoped(scope, move || {
                let deadline = Instant::now() + PATIENCE;
                while two.state().got.len() < 200 {
                    assert!(Instant::now() < deadline, "they come");
                    pilot.turn();
                    wait.wait(&pilot);
                }
            })
            .unwrap();
        for number in 0..200 {
            one.send(2, Lane::Bulk, vec![number]);
            two.until("it has come", |s| s.got.len() > usize::from(number));
        }
        flown.join()
    });
    flown.unwrap();
    let by_pilot = |reader: &&Option<String>| reader.as_deref() == Some(NAME);
    let count = two.state().readers.iter().filter(by_pilot).count();
    // The link thread may have been at it when the pilot came, or when the machine let that wait.
    assert!(count > 150, "{count} of 200");
}

#[test]
fn while_it_is_away_the_link_thread_stands_in() {
    let [one, two] = pair();
    let pilot = two.links.pilot();
    for number in 0..20 {
        // It comes by, and then is busy with something else for long.
        pilot.turn();
        one.send(2, Lane::Bulk, vec![number]);
        two.until("read without it", |s| s.got.len() > usize::from(number));
        two.send(1, Lane::Bulk, vec![number]);
        one.until("written without it", |s| s.got.len() > usize::from(number));
    }
    assert!(!two.state().readers.contains(&Some(NAME.to_owned())));
}

#[test]
fn after_a_long_wait_as_well() {
    let [one, two] = pair();
    let pilot = two.links.pilot();
    let mut wait = Wait::new(&pilot);
    for number in 0..3 {
        let began = Instant::now();
        // Long enough for the link thread to look seldom.
        while began.elapsed() < Duration::from_millis(150) {
            let waker = Arc::clone(&wait.waker);
            let ring = thread::spawn(move || {
                thread::sleep(Duration::from_millis(100));
                waker.wake().unwrap();
            });
            pilot.turn();
            wait.wait(&pilot);
            ring.join().unwrap();
        }
        one.send(2, Lane::Bulk, vec![number]);
        two.until("read without it", |s| s.got.len() > usize::from(number));
    }
}

#[test]
fn a_pilot_that_is_gone_is_not_missed() {
    let [one, two] = pair();
    for number in 0..5 {
        let pilot = two.links.pilot();
        pilot.turn();
        drop(pilot);
        one.send(2, Lane::Bulk, vec![number]);
        two.until("read without it", |s| s.got.len() > usize::from(number));
    }
}

#[test]
fn links_that_have_stopped_call_nobody() {
    let [one, two] = pair();
    let pilot = two.links.pilot();
    let mut wait = Wait::new(&pilot);
    let Node { links, desk, .. } = two;
    thread::scope(|scope| {
        let waker = Arc::clone(&wait.waker);
        let waiting = scope.spawn(|| wait.wait(&pilot));
        // Stopped in the middle of its wait, which that does not end.
        links.stop();
        waker.wake().unwrap();
        waiting.join().unwrap();
    });
    one.until("its end", |state| !state.events.is_empty());
    let before = desk.state().events.len();
    (0..100).for_each(|_| pilot.turn());
    assert_eq!(desk.state().events.len(), before);
    assert!(
        pilot.doze() > Duration::from_secs(1),
        "there is nothing to do any more"
    );
}
