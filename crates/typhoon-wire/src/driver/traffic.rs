//! Reading and writing.

use super::Driver;
use super::connection::{Connection, Stage};
use crate::frame::{self, Fault, SEGMENT};
use crate::handler::{Handler, Lost, Refusal};
use crate::handshake::split;
use crate::peer::Peer;
use mio::Registry;
use std::io::{self, ErrorKind, IoSlice};
use std::time::Instant;

const READ: usize = 256 * 1024;
/// Place for a read behind what an earlier one left over, which is less than a frame.
pub(super) const SCRATCH: usize = SEGMENT + READ;
/// What one connection may read or write before the others have their turn.
const TURN: usize = 1024 * 1024;
const SLICES: usize = 16;

/// Why a connection cannot go on.
enum Wrong {
    Handshake(Refusal),
    Frame(u16, Fault),
}

impl Driver {
    /// Read what there is, up to a turn's worth.
    pub(super) fn read(&mut self, name: usize, now: Instant) {
        let mut scratch = std::mem::take(&mut self.scratch);
        let mut read = 0;
        while let Some(connection) = self.connections.get_mut(&name)
            && connection.readable
        {
            if read >= TURN {
                self.busy.push(name);
                break;
            }
            let left = connection.left.len();
            scratch[..left].copy_from_slice(&connection.left);
            match connection.socket.read(&mut scratch[left..]) {
                Ok(0) => self.broken(name, now),
                Ok(bytes) => {
                    read += bytes;
                    // Less than asked for is all there was, and an event follows with the next byte. Not so the end:
                    // that may have had its event already.
                    connection.readable = left + bytes == scratch.len()
                        || connection.finished
                        || !connection.socket.reads_all();
                    connection.left.clear();
                    self.digest(name, &scratch[..left + bytes], bytes, now);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => connection.readable = false,
                Err(error) if error.kind() == ErrorKind::Interrupted => (),
                Err(error) if error.kind() == ErrorKind::NotConnected && !connection.finished => {
                    connection.readable = false;
                }
                Err(error) if error.kind() == ErrorKind::InvalidData => self.undecipherable(name, now),
                Err(_) => self.broken(name, now),
            }
        }
        self.scratch = scratch;
    }

    /// Take in whole messages and frames, and leave the rest for the next read.
    fn digest(&mut self, name: usize, bytes: &[u8], fresh: usize, now: Instant) {
        let mut at = 0;
        let wrong = loop {
            let Some(connection) = self.connections.get(&name) else {
                return;
            };
            if let Stage::Attached(index) = connection.stage {
                match self.frames(index, &bytes[at..], fresh, now) {
                    Ok(used) => at += used,
                    Err(fault) => break Some(Wrong::Frame(index, fault)),
                }
                break None;
            }
            match split(&bytes[at..]) {
                Ok(Some((message, length))) => {
                    at += length;
                    if let Err(why) = self.hear(name, message, now) {
                        break Some(Wrong::Handshake(why));
                    }
                }
                Ok(None) => break None,
                Err(why) => break Some(Wrong::Handshake(why)),
            }
        };
        match wrong {
            None => {
                if let Some(connection) = self.connections.get_mut(&name) {
                    connection.left.extend_from_slice(&bytes[at..]);
                }
            }
            Some(Wrong::Handshake(why)) => self.refuse(name, why, now),
            Some(Wrong::Frame(index, fault)) => self.faulty(name, index, fault, now),
        }
    }

    /// Give the frames at the front of `bytes` to their session. Returns how many bytes they were.
    fn frames(&mut self, index: u16, bytes: &[u8], fresh: usize, now: Instant) -> Result<usize, Fault> {
        let handler = &*self.handler;
        let Some(peer) = self.peers.get_mut(&index) else {
            return Ok(bytes.len());
        };
        peer.counters.reads.add(1);
        peer.counters.bytes_received.add(fresh as u64);
        let Some((present, session)) = peer
            .present
            .as_mut()
            .and_then(|p| p.session.take().map(|session| (p, session)))
        else {
            return Ok(bytes.len());
        };
        let session = present.session.insert(session);
        let incarnation = present.incarnation;
        let mut at = 0;
        let outcome = loop {
            match frame::open(&bytes[at..]) {
                Ok(None) => break Ok(at),
                Err(fault) => break Err(fault),
                Ok(Some((frame, length))) => {
                    at += length;
                    let mut read = Ok(());
                    let outcome = session.receive(&frame, now, &mut |message| {
                        if read.is_ok() {
                            read = handler.message(index, incarnation, message);
                        }
                    });
                    if let Err(fault) = outcome.and(read.map_err(|_| Fault::Malformed)) {
                        break Err(fault);
                    }
                }
            }
        };
        if at > 0 {
            present.worked();
        }
        outcome
    }

    /// What came is not TLS, or not from whom we want.
    fn undecipherable(&mut self, name: usize, now: Instant) {
        match self.connections.get(&name).map(|c| &c.stage) {
            Some(Stage::Attached(index)) => self.faulty(name, *index, Fault::Checksum, now),
            _ => self.refuse(name, Refusal::Tls, now),
        }
    }

    fn faulty(&mut self, name: usize, index: u16, fault: Fault, now: Instant) {
        if let Some(peer) = self.peers.get(&index) {
            peer.counters.faults.add(1);
        }
        if fault.is_fatal() {
            self.lose(index, Lost::Broken, now);
        } else {
            self.broken(name, now);
        }
    }

    /// Fill and write, for each peer with a connection.
    pub(super) fn write_all(&mut self, now: Instant) {
        let mut broken = Vec::new();
        for (index, peer) in &mut self.peers {
            let Some(name) = peer.present.as_ref().and_then(|p| p.connection) else {
                continue;
            };
            let Some(connection) = self.connections.get_mut(&name) else {
                continue;
            };
            fill(*index, peer, &*self.handler);
            match write(name, connection, peer, self.poll.registry(), now) {
                Ok(true) => self.busy.push(name),
                Ok(false) => (),
                Err(_) => broken.push(name),
            }
        }
        for (name, connection) in &mut self.connections {
            if connection.blocked || !connection.is_pending() {
                continue;
            }
            let outcome = connection.socket.error();
            if outcome
                .and_then(|()| connection.write_outbox(self.poll.registry(), *name))
                .is_err()
            {
                broken.push(*name);
            }
        }
        for name in broken {
            self.broken(name, now);
        }
    }
}

/// Ask the handler for what it has, while there is room.
fn fill(index: u16, peer: &mut Peer, handler: &dyn Handler) {
    let Some(present) = &mut peer.present else { return };
    let Some(session) = &mut present.session else {
        return;
    };
    while present.hungry && session.has_room() {
        let mut out = session.outgoing();
        let more = handler.fill(index, &mut out);
        present.hungry = more && out.appended();
    }
}

/// Write frames, up to a turn's worth. True if there is more, and the socket takes it.
fn write(
    name: usize,
    connection: &mut Connection,
    peer: &mut Peer,
    registry: &Registry,
    now: Instant,
) -> io::Result<bool> {
    let session = peer.present.as_mut().and_then(|p| p.session.as_mut());
    let Some(session) = session else { return Ok(false) };
    connection.write_outbox(registry, name)?;
    if connection.blocked || connection.is_pending() {
        return Ok(false);
    }
    let mut written = 0;
    while session.prepare() {
        if written >= TURN {
            return Ok(true);
        }
        let mut slices = [IoSlice::new(&[]); SLICES];
        let used = session.slices(&mut slices);
        let length: usize = slices[..used].iter().map(|slice| slice.len()).sum();
        let bytes = Connection::write(&mut connection.socket, &slices[..used])?;
        peer.counters.writes.add(1);
        session.wrote(bytes, now);
        written += bytes;
        if bytes < length || connection.socket.is_pending() {
            connection.block(registry, name)?;
            return Ok(false);
        }
    }
    connection.watch(false, registry, name)?;
    Ok(false)
}
