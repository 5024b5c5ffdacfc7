//! Connections that are dialled or come in, until they are attached to a session.

use super::Driver;
use super::connection::{Connection, Stage};
use super::socket::Socket;
use crate::handler::{Lost, Refusal};
use crate::handshake::{Answer, Dialled, Dialler, Greeting, Hello, Offer, random, refusal};
use crate::session::Session;
use std::io::{self, ErrorKind, IoSlice};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// So many connections are let in before those that are in have their turn.
const ACCEPTS: usize = 16;
/// How long to wait when the process has no descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

impl Driver {
    pub(super) fn accept(&mut self, now: Instant) {
        self.accept_at = Some(now);
        for _ in 0..ACCEPTS {
            let Some(listener) = &self.listener else { return };
            match listener.accept(self.keyring.as_ref()) {
                Ok(socket) => self.let_in(socket, now),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.accept_at = None;
                    return;
                }
                Err(error) if is_passing(&error) => (),
                Err(_) => {
                    self.accept_at = Some(now + ACCEPT_PAUSE);
                    return;
                }
            }
        }
    }

    fn let_in(&mut self, socket: Socket, now: Instant) {
        let strangers =
            |(name, c): (&usize, &Connection)| matches!(c.stage, Stage::Greeting(_)).then_some(*name);
        let strangers: Vec<usize> = self.connections.iter().filter_map(strangers).collect();
        if strangers.len() >= self.config.half_open_limit
            && let Some(oldest) = strangers.into_iter().min()
        {
            self.refuse(oldest, Refusal::Crowded, now);
        }
        self.enter(Connection::greeting(socket, now + self.config.handshake_timeout));
    }

    pub(super) fn dial(&mut self, index: u16, now: Instant) {
        self.attempts += 1;
        let Some(present) = self.peers.get_mut(&index).and_then(|p| p.present.as_mut()) else {
            return;
        };
        let hello = Hello {
            topology: self.config.topology.clone(),
            from: (self.config.worker, self.config.incarnation),
            to: (index, present.incarnation),
            attempt: self.attempts,
            nonce: random(),
        };
        let Ok(socket) = Socket::connect(&present.address, self.keyring.as_ref()) else {
            present.back_off(now);
            return;
        };
        let (dialler, hello) = Dialler::new(&self.secret, &hello, present.offer());
        let deadline = now + self.config.handshake_timeout;
        let name = self.enter(Connection::dialling(socket, index, dialler, hello, deadline));
        if let Some(present) = self.present(index) {
            present.dialling = name;
            if name.is_none() {
                present.back_off(now);
            }
        }
    }

    fn enter(&mut self, mut connection: Connection) -> Option<usize> {
        let name = self.next_connection;
        self.next_connection += 1;
        connection.register(self.poll.registry(), name).ok()?;
        self.connections.insert(name, connection);
        self.shared.ledger.connections(self.connections.len());
        Some(name)
    }

    /// A message of a handshake has come.
    pub(super) fn hear(&mut self, name: usize, message: &[u8], now: Instant) -> Result<(), Refusal> {
        let Some(connection) = self.connections.get_mut(&name) else {
            return Ok(());
        };
        match &mut connection.stage {
            Stage::Dialling(index, dialler) => {
                let (index, offer) = (*index, dialler.offer);
                match dialler.hear(message)? {
                    Dialled::Say(bytes) => self.say(name, &bytes, now),
                    Dialled::Done(answer) => self.answered(name, index, offer, answer, now),
                }
            }
            Stage::Greeting(greeter) => {
                let (config, peers) = (&self.config, &self.peers);
                let admit = |hello: &Hello| {
                    if hello.topology != config.topology {
                        return Err(Refusal::Topology);
                    }
                    // The higher index dials.
                    if hello.to != (config.worker, config.incarnation) || hello.from.0 <= config.worker {
                        return Err(Refusal::Address);
                    }
                    peers
                        .get(&hello.from.0)
                        .map_or(Err(Refusal::Incarnation), |peer| peer.admit(hello))
                };
                match greeter.hear(message, &self.secret, random, admit)? {
                    Greeting::Say(bytes) => self.say(name, &bytes, now),
                    Greeting::Offered(offer) => self.offered(name, offer, now)?,
                }
            }
            Stage::Attached(_) => (),
        }
        Ok(())
    }

    /// A peer that has proved who it is wants to go on with this session, or begin it.
    fn offered(&mut self, name: usize, offer: Offer, now: Instant) -> Result<(), Refusal> {
        let Some(Stage::Greeting(greeter)) = self.connections.get(&name).map(|c| &c.stage) else {
            return Ok(());
        };
        let Some(hello) = greeter.hello().cloned() else {
            return Ok(());
        };
        let index = hello.from.0;
        // Much can have happened since its hello.
        let peer = self.peers.get(&index).ok_or(Refusal::Incarnation)?;
        peer.admit(&hello)?;
        self.detach_old(index);
        let known = self.known(index, offer, now);
        let Some(present) = self.present(index) else {
            return Ok(());
        };
        present.accepted(hello.attempt);
        let answer = match (known, &present.session) {
            (true, Some(session)) => Answer::Resume(session.received()),
            (false, _) if offer.fresh => Answer::Resume(0),
            _ => Answer::Unknown,
        };
        let said = match self.connections.get_mut(&name).map(|c| &mut c.stage) {
            Some(Stage::Greeting(greeter)) => greeter.answer(answer),
            _ => return Ok(()),
        };
        match answer {
            Answer::Resume(_) if known => self.attach(name, index),
            Answer::Resume(_) => self.begin(name, index, offer.session, now),
            // The dialler closes, and comes again with another offer.
            Answer::Unknown => (),
        }
        self.say(name, &said, now);
        Ok(())
    }

    /// The dialler has given its last connection up, if there was one.
    fn detach_old(&mut self, index: u16) {
        let Some(present) = self.present(index) else {
            return;
        };
        let old = present.connection.take();
        if let Some(session) = &mut present.session {
            session.detach();
        }
        if let Some(old) = old {
            self.close(old);
        }
    }

    /// Is this our session, and can it go on? If another one begins instead, ours is lost.
    fn known(&mut self, index: u16, offer: Offer, now: Instant) -> bool {
        let session = self.present(index).and_then(|present| present.session.as_mut());
        let Some(session) = session else { return false };
        if session.id == offer.session {
            if session.resume(offer.received, now).is_ok() {
                return true;
            }
            self.lose(index, Lost::Broken, now);
        } else if offer.fresh {
            self.lose(index, Lost::Forgotten, now);
        }
        false
    }

    /// The listener has answered our offer.
    fn answered(&mut self, name: usize, index: u16, offer: Offer, answer: Answer, now: Instant) {
        let Some(present) = self.present(index) else {
            return;
        };
        match (answer, &mut present.session) {
            (Answer::Resume(received), Some(session)) => match session.resume(received, now) {
                Ok(news) => {
                    if news {
                        present.worked();
                    }
                    self.attach(name, index);
                }
                Err(_) => self.lose(index, Lost::Broken, now),
            },
            (Answer::Resume(0), None) => self.begin(name, index, offer.session, now),
            (Answer::Resume(_) | Answer::Unknown, _) => self.lose(index, Lost::Forgotten, now),
        }
    }

    fn begin(&mut self, name: usize, index: u16, id: u64, now: Instant) {
        let limits = self.limits;
        let Some(peer) = self.peers.get_mut(&index) else {
            return;
        };
        let Some(present) = &mut peer.present else { return };
        present.session = Some(Session::new(id, limits, Arc::clone(&peer.counters), now));
        peer.counters.sessions.add(1);
        let incarnation = present.incarnation;
        self.attach(name, index);
        self.handler.connected(index, incarnation);
    }

    fn attach(&mut self, name: usize, index: u16) {
        if let Some(connection) = self.connections.get_mut(&name) {
            connection.stage = Stage::Attached(index);
            connection.deadline = None;
        }
        if let Some(present) = self.present(index) {
            present.connection = Some(name);
            present.dialling = None;
            present.hungry = true;
        }
    }

    fn say(&mut self, name: usize, bytes: &[u8], now: Instant) {
        let Some(connection) = self.connections.get_mut(&name) else {
            return;
        };
        connection.outbox.extend_from_slice(bytes);
        if connection.write_outbox(self.poll.registry(), name).is_err() {
            self.broken(name, now);
        }
    }

    /// A handshake has failed. Who is at the other end is told, if that costs no wait.
    pub(super) fn refuse(&mut self, name: usize, why: Refusal, now: Instant) {
        let Some(connection) = self.connections.get_mut(&name) else {
            return;
        };
        let peer = match &connection.stage {
            Stage::Dialling(index, _) => Some(*index),
            Stage::Greeting(greeter) => {
                let claimed = greeter.hello().map(|hello| hello.from.0);
                if connection.outbox.is_empty() && why != Refusal::Garbage {
                    let _: io::Result<usize> =
                        Connection::write(&mut connection.socket, &[IoSlice::new(&refusal(why))]);
                }
                claimed
            }
            Stage::Attached(_) => return,
        };
        self.shared.ledger.refused(why);
        self.broken(name, now);
        self.handler.refused(peer, why);
    }
}

/// Errors of one connection that came in, not of the listener.
fn is_passing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Interrupted | ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset
    )
}
