//! Sockets, readiness and time. What is done with them is decided in `session`, `handshake` and `peer`.
//!
//! | part | |
//! |---|---|
//! | `mod` | a turn, and how long until the next |
//! | `socket`, `tls`, `connection` | one socket |
//! | `members` | peers that come up, go down, are lost |
//! | `doors` | connections that are dialled or come in, until they are attached to a session |
//! | `traffic` | reading and writing |

mod connection;
mod doors;
mod members;
mod socket;
mod tls;
mod traffic;

use crate::bell::Bell;
use crate::config::{Address, Config};
use crate::handler::{Handler, Refusal};
use crate::handshake::{Secret, TOPOLOGY_LIMIT};
use crate::links::{Command, Shared};
use crate::peer::Peer;
use crate::session::{Limits, Verdict};
use connection::Connection;
use mio::{Events, Poll, Token};
use socket::Listener;
use std::collections::{BTreeMap, HashMap};
use std::io::{self, ErrorKind};
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tls::Keyring;

const LISTENER: usize = 0;
const BELL: usize = 1;
/// Longest sleep: every wait has a deadline, this is for when nothing waits.
const NAP: Duration = Duration::from_secs(60);
/// Events of one turn; what is more comes in the next.
const EVENTS: usize = 256;

pub(crate) struct Driver {
    config: Config,
    limits: Limits,
    secret: Secret,
    keyring: Option<Keyring>,
    handler: Arc<dyn Handler>,
    shared: Arc<Shared>,
    poll: Poll,
    events: Events,
    /// None once everything is over.
    listener: Option<Listener>,
    /// When to accept again although no event says so: there may be more, or the process had no descriptors left.
    accept_at: Option<Instant>,
    peers: BTreeMap<u16, Peer>,
    /// Names are never used twice, so that an event that comes late means nobody.
    connections: HashMap<usize, Connection>,
    next_connection: usize,
    /// How often we dialled.
    attempts: u64,
    /// Connections that have more to read or write than one turn allowed.
    busy: Vec<usize>,
    /// There may be more events than one turn takes.
    flooded: bool,
    scratch: Vec<u8>,
}

impl Driver {
    pub fn new(config: Config, handler: Arc<dyn Handler>) -> io::Result<(Self, Arc<Shared>)> {
        check(&config)?;
        let keyring = config.tls.as_ref().map(Keyring::load).transpose()?;
        let poll = Poll::new()?;
        let bell = Bell::new(mio::Waker::new(poll.registry(), Token(BELL))?);
        let mut listener = Listener::bind(&config.listen)?;
        listener.register(poll.registry(), Token(LISTENER))?;
        let shared = Arc::new(Shared::new(bell));
        let driver = Driver {
            limits: Limits {
                message: config.message_limit,
                window: config.window,
                link_timeout: config.link_timeout,
            },
            secret: Secret::new(&config.secret),
            keyring,
            config,
            handler,
            shared: Arc::clone(&shared),
            poll,
            events: Events::with_capacity(EVENTS),
            listener: Some(listener),
            accept_at: None,
            peers: BTreeMap::new(),
            connections: HashMap::new(),
            next_connection: BELL + 1,
            attempts: 0,
            busy: Vec::new(),
            flooded: false,
            scratch: vec![0; traffic::SCRATCH],
        };
        Ok((driver, shared))
    }

    pub fn address(&self) -> io::Result<Address> {
        let listener = self.listener.as_ref().ok_or(ErrorKind::NotConnected)?;
        listener.address()
    }

    /// Do what can be done now, without waiting.
    pub fn turn(&mut self) {
        if self.listener.is_none() {
            return;
        }
        let mut events = std::mem::replace(&mut self.events, Events::with_capacity(0));
        let polled = self.poll.poll(&mut events, Some(Duration::ZERO));
        let now = Instant::now();
        if self.shared.bell.answer() {
            self.rung(now);
        }
        let mut ready = std::mem::take(&mut self.busy);
        if polled.is_ok() {
            events.iter().for_each(|event| self.note(event, &mut ready, now));
        }
        self.flooded = polled.is_ok() && events.iter().count() == EVENTS;
        self.events = events;
        for name in ready {
            self.read(name, now);
        }
        self.tick(now);
        // What was read may have brought something to write.
        if self.shared.bell.answer() {
            self.rung(now);
        }
        self.write_all(now);
    }

    /// Somebody is about to wait for the descriptor: so long at most. No time, if there is something to do already.
    pub fn doze(&mut self) -> Duration {
        if self.listener.is_none() {
            NAP
        } else if self.busy.is_empty() && !self.flooded && self.shared.bell.doze() {
            self.next_deadline().saturating_duration_since(Instant::now())
        } else {
            Duration::ZERO
        }
    }

    /// The last that is done.
    pub fn close_all(&mut self) {
        self.listener = None;
        for name in self.connections.keys().copied().collect::<Vec<_>>() {
            self.close(name);
        }
    }

    fn rung(&mut self, now: Instant) {
        for command in self.shared.take_commands() {
            match command {
                Command::Up(peer, incarnation, address) => self.up(peer, incarnation, address, now),
                Command::Down(peer, incarnation) => self.down(peer, incarnation),
                Command::Cut(peer) => self.cut(peer, now),
            }
        }
        for peer in self.peers.values_mut() {
            if let Some(present) = &mut peer.present {
                present.hungry = true;
            }
        }
    }

    fn note(&mut self, event: &mio::event::Event, ready: &mut Vec<usize>, now: Instant) {
        let name = event.token().0;
        if name == LISTENER {
            self.accept(now);
        } else if let Some(connection) = self.connections.get_mut(&name) {
            connection.readable |= event.is_readable() || event.is_read_closed() || event.is_error();
            connection.finished |= event.is_read_closed() || event.is_error();
            if event.is_writable() {
                connection.blocked = false;
            }
            ready.push(name);
        }
    }

    /// All that time alone brings about.
    fn tick(&mut self, now: Instant) {
        if self.accept_at.is_some_and(|at| now >= at) {
            self.accept(now);
        }
        let late: Vec<usize> = self
            .connections
            .iter()
            .filter(|(_, c)| c.deadline.is_some_and(|at| now >= at))
            .map(|(name, _)| *name)
            .collect();
        for name in late {
            self.refuse(name, Refusal::TimedOut, now);
        }
        let mut due = Vec::new();
        for (index, peer) in &mut self.peers {
            let Some(present) = &mut peer.present else {
                continue;
            };
            let verdict = present.session.as_mut().map_or(Verdict::Fine, |s| s.tick(now));
            let dials = present.is_undialled() && self.config.worker > *index && now >= present.dial_at;
            if dials || verdict != Verdict::Fine {
                due.push((*index, verdict));
            }
        }
        for (index, verdict) in due {
            match verdict {
                Verdict::Lost => self.lose(index, crate::Lost::TimedOut, now),
                Verdict::Silent => self.cut(index, now),
                Verdict::Fine => self.dial(index, now),
            }
        }
    }

    fn next_deadline(&self) -> Instant {
        let mut next = Instant::now() + NAP;
        let mut at = |deadline: Option<Instant>| next = deadline.map_or(next, |d| d.min(next));
        at(self.accept_at);
        for connection in self.connections.values() {
            at(connection.deadline);
        }
        for (index, peer) in &self.peers {
            let Some(present) = &peer.present else { continue };
            at(present.session.as_ref().map(|session| session.deadline()));
            at((present.is_undialled() && self.config.worker > *index).then_some(present.dial_at));
        }
        next
    }
}

impl AsRawFd for Driver {
    fn as_raw_fd(&self) -> RawFd {
        self.poll.as_raw_fd()
    }
}

fn check(config: &Config) -> io::Result<()> {
    let wrong = if config.topology.len() > TOPOLOGY_LIMIT {
        "the topology's name is longer than 255 bytes"
    } else if u32::try_from(config.message_limit).is_err() {
        "the limit of a message is beyond 4 GiB - 1"
    } else if config.link_timeout.is_zero() || config.handshake_timeout.is_zero() {
        "a time-out of links is zero"
    } else if config.window == 0 || config.half_open_limit == 0 {
        "a limit of links is zero"
    } else {
        return Ok(());
    };
    Err(io::Error::new(ErrorKind::InvalidInput, wrong))
}
