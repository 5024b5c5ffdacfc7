//! A worker that remembers all that its links told it.

use crate::pilot::Whims;
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};
use typhoon_wire::{
    Address, Config, Figures, Handler, Links, Lost, Outgoing, PeerFigures, Refusal, Unreadable,
};

/// No condition takes so long, on however slow a machine.
pub const PATIENCE: Duration = Duration::from_secs(60);
pub const SECRET: &[u8] = b"the secret of the topology";

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lane {
    Urgent,
    Bulk,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    Connected(u16, u64),
    Lost(u16, u64, Lost),
}

#[derive(Default)]
pub struct State {
    queues: HashMap<u16, [VecDeque<Vec<u8>>; 2]>,
    /// What came, as `message` was called.
    pub got: Vec<(u16, u64, Vec<u8>)>,
    /// The names of the threads that called it.
    pub readers: Vec<Option<String>>,
    /// How much came of which lane, where it was sent by [`Node::count`].
    pub counted: BTreeMap<(u16, u8), u64>,
    /// Of these nothing came in the present session, and there was one before: there may be a gap.
    first_of_session: HashSet<(u16, u8)>,
    pub gaps: u64,
    pub events: Vec<Event>,
    pub refused: Vec<(Option<u16>, Refusal)>,
    pub died: bool,
}

pub struct Desk {
    state: Mutex<State>,
    changed: Condvar,
}

pub struct Node {
    pub links: Links,
    pub index: u16,
    pub incarnation: u64,
    pub desk: Arc<Desk>,
    /// Half of all workers in these tests have one.
    _whims: Option<Whims>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Unix,
    Tcp,
}

pub fn unix_path() -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    std::env::temp_dir().join(format!("typhoon-wire-{}-{number}", std::process::id()))
}

pub fn fresh(kind: Kind) -> Address {
    match kind {
        Kind::Unix => Address::Unix(unix_path()),
        Kind::Tcp => Address::Tcp("127.0.0.1:0".parse().unwrap()),
    }
}

pub fn config(kind: Kind, index: u16, incarnation: u64) -> Config {
    Config::new(index, incarnation, "words", SECRET, fresh(kind))
}

impl Node {
    pub fn start(config: Config) -> Self {
        let desk = Arc::new(Desk {
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        let (index, incarnation) = (config.worker, config.incarnation);
        let links = Links::start(config, Arc::clone(&desk) as Arc<dyn Handler>).unwrap();
        Node {
            _whims: index.is_multiple_of(2).then(|| Whims::start(links.pilot())),
            links,
            index,
            incarnation,
            desk,
        }
    }

    /// With no pilot whatever its index.
    pub fn start_alone(config: Config) -> Self {
        let mut node = Node::start(config);
        node._whims = None;
        node
    }

    /// Two workers, 1 and 2, that know each other.
    pub fn pair(kind: Kind) -> [Node; 2] {
        let [one, two] = [1, 2].map(|index| Node::start(config(kind, index, u64::from(index) * 10)));
        one.knows(&two);
        two.knows(&one);
        [one, two]
    }

    pub fn knows(&self, other: &Node) {
        self.knows_at(other, other.links.address().clone());
    }

    pub fn knows_at(&self, other: &Node, address: Address) {
        self.links.up(other.index, other.incarnation, address);
    }

    pub fn send(&self, peer: u16, lane: Lane, message: Vec<u8>) {
        self.send_all(peer, lane, [message]);
    }

    pub fn send_all(&self, peer: u16, lane: Lane, messages: impl IntoIterator<Item = Vec<u8>>) {
        // Made before the lock is taken: the link thread must not wait for it.
        let messages: Vec<Vec<u8>> = messages.into_iter().collect();
        self.state().queues.entry(peer).or_default()[lane as usize].extend(messages);
        self.links.ring();
    }

    /// Send messages that the receiver checks and counts instead of keeping them: the lane, a number, and as many
    /// bytes as `length` says.
    pub fn count(&self, peer: u16, lane: Lane, numbers: std::ops::Range<u64>, length: usize) {
        self.send_all(
            peer,
            lane,
            numbers.map(|number| {
                let mut message = vec![COUNTED, lane as u8];
                message.extend_from_slice(&number.to_le_bytes());
                message.resize(length.max(10), number as u8);
                message
            }),
        );
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.desk.state()
    }

    pub fn handler(&self) -> Arc<dyn Handler> {
        Arc::clone(&self.desk) as Arc<dyn Handler>
    }

    /// Wait until the condition holds.
    #[track_caller]
    pub fn until(&self, what: &str, mut condition: impl FnMut(&mut State) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        let mut state = self.state();
        while !condition(&mut state) {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero(),
                "not in time: {what}; {:?}; {:?}",
                state.events,
                self.links.figures()
            );
            state = self.desk.changed.wait_timeout(state, left).unwrap().0;
        }
    }

    #[track_caller]
    pub fn until_connected(&self, times: usize) {
        self.until("connected", |state| {
            let connected = |e: &&Event| matches!(e, Event::Connected(..));
            state.events.iter().filter(connected).count() >= times
        });
    }

    #[track_caller]
    pub fn until_counted(&self, peer: u16, lane: Lane, count: u64) {
        self.until("counted", |s| s.counted.get(&(peer, lane as u8)) == Some(&count));
    }

    /// Has so much of the bulk lane come, lost sessions apart?
    pub fn has_counted(&self, peer: u16, count: u64) -> bool {
        self.state().counted.get(&(peer, Lane::Bulk as u8)) == Some(&count)
    }

    pub fn figures(&self, peer: u16) -> PeerFigures {
        self.links.figures().peers.get(&peer).copied().unwrap_or_default()
    }

    /// Wait until the figures say so; they have no bell.
    #[track_caller]
    pub fn until_figures(&self, what: &str, condition: impl Fn(&Figures) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !condition(&self.links.figures()) {
            assert!(
                Instant::now() < deadline,
                "not in time: {what}: {:?}",
                self.links.figures()
            );
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

const COUNTED: u8 = 0xc0;
/// A message that its receiver cannot read.
pub const UNREADABLE: &[u8] = b"unreadable";
/// One that makes its receiver panic.
pub const PANIC: &[u8] = b"panic";

impl Handler for Desk {
    fn fill(&self, peer: u16, out: &mut Outgoing<'_>) -> bool {
        let mut state = self.state.lock().unwrap();
        let Some([urgent, bulk]) = state.queues.get_mut(&peer) else {
            return false;
        };
        while out.has_room() {
            if let Some(message) = urgent.pop_front() {
                out.urgent(&message).unwrap();
            } else if let Some(message) = bulk.pop_front() {
                out.bulk(&message).unwrap();
            } else {
                return false;
            }
        }
        true
    }

    fn message(&self, peer: u16, incarnation: u64, message: Cow<'_, [u8]>) -> Result<(), Unreadable> {
        if *message == *UNREADABLE {
            return Err(Unreadable);
        }
        assert!(*message != *PANIC, "as asked for");
        let mut state = self.state.lock().unwrap();
        if let [COUNTED, lane, rest @ ..] = &*message {
            let key = (peer, *lane);
            let first = state.first_of_session.remove(&key);
            let count = state.counted.entry(key).or_default();
            let number = u64::from_le_bytes(rest[..8].try_into().unwrap());
            assert!(
                number == *count || first && number > *count,
                "in order, once, no gap"
            );
            assert!(rest[8..].iter().all(|byte| *byte == number as u8));
            let gap = number != std::mem::replace(count, number + 1);
            state.gaps += u64::from(gap);
        } else {
            state.got.push((peer, incarnation, message.into_owned()));
            state
                .readers
                .push(std::thread::current().name().map(str::to_owned));
        }
        drop(state);
        self.changed.notify_all();
        Ok(())
    }

    fn connected(&self, peer: u16, incarnation: u64) {
        let mut state = self.state.lock().unwrap();
        if state.events.iter().any(|e| matches!(e, Event::Lost(..))) {
            state.first_of_session.extend([(peer, 0), (peer, 1)]);
        }
        drop(state);
        self.happened(Event::Connected(peer, incarnation));
    }

    fn lost(&self, peer: u16, incarnation: u64, why: Lost) {
        self.happened(Event::Lost(peer, incarnation, why));
    }

    fn refused(&self, peer: Option<u16>, why: Refusal) {
        self.state.lock().unwrap().refused.push((peer, why));
        self.changed.notify_all();
    }

    fn died(&self) {
        self.state.lock().unwrap().died = true;
        self.changed.notify_all();
    }
}

impl Desk {
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn happened(&self, event: Event) {
        self.state.lock().unwrap().events.push(event);
        self.changed.notify_all();
    }
}
