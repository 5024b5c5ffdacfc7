use super::socket::Socket;
use crate::handshake::{Dialler, Greeter};
use mio::{Interest, Registry, Token};
use std::io::{self, ErrorKind, IoSlice};
use std::time::Instant;

/// A socket, and what it is good for at the moment.
pub(super) struct Connection {
    pub socket: Socket,
    pub stage: Stage,
    /// What has come and is not a whole frame or message yet.
    pub left: Vec<u8>,
    /// What the handshake says and is not written yet; it goes before any frame.
    pub outbox: Vec<u8>,
    /// The socket may have more to read,
    pub readable: bool,
    /// or at least an end.
    pub finished: bool,
    /// The socket takes nothing until an event says so.
    pub blocked: bool,
    /// When the handshake must be over.
    pub deadline: Option<Instant>,
    /// We asked for events when it can be written to.
    watched: bool,
}

pub(super) enum Stage {
    /// We dialled this peer.
    Dialling(u16, Box<Dialler>),
    /// It came in, and has proved nothing yet.
    Greeting(Box<Greeter>),
    /// It carries the frames of the session with this peer.
    Attached(u16),
}

impl Connection {
    /// The connection that we dial: what is to be said waits until it stands.
    pub fn dialling(socket: Socket, peer: u16, dialler: Dialler, hello: Vec<u8>, deadline: Instant) -> Self {
        let mut connection = Connection::new(socket, Stage::Dialling(peer, Box::new(dialler)), deadline);
        connection.outbox = hello;
        connection.blocked = true;
        connection.watched = true;
        connection
    }

    /// A connection that came in.
    pub fn greeting(socket: Socket, deadline: Instant) -> Self {
        Connection::new(socket, Stage::Greeting(Box::new(Greeter::new())), deadline)
    }

    fn new(socket: Socket, stage: Stage, deadline: Instant) -> Self {
        Connection {
            socket,
            stage,
            left: Vec::new(),
            outbox: Vec::new(),
            readable: false,
            finished: false,
            blocked: false,
            deadline: Some(deadline),
            watched: false,
        }
    }

    pub fn register(&mut self, registry: &Registry, token: usize) -> io::Result<()> {
        registry.register(self.socket.source(), Token(token), interest(self.watched))
    }

    /// Write as much as the socket takes. Less than all means that it is blocked, and an event will come.
    ///
    /// Events for writing are asked for only while they are needed: a Unix socket has one for every read of the peer.
    pub fn write(socket: &mut Socket, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        loop {
            match socket.write(slices) {
                Err(error) if error.kind() == ErrorKind::Interrupted => (),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(0),
                // Events can be earlier than the connection; another follows.
                Err(error) if error.kind() == ErrorKind::NotConnected => return Ok(0),
                outcome => return outcome,
            }
        }
    }

    /// Is there anything to write beside frames?
    pub fn is_pending(&self) -> bool {
        !self.outbox.is_empty() || self.socket.is_pending()
    }

    /// Write what the handshake has to say, and what the socket holds inside.
    pub fn write_outbox(&mut self, registry: &Registry, token: usize) -> io::Result<()> {
        if self.blocked || !self.is_pending() {
            return Ok(());
        }
        if self.outbox.is_empty() {
            self.socket.flush()?;
        } else {
            let written = Self::write(&mut self.socket, &[IoSlice::new(&self.outbox)])?;
            self.outbox.drain(..written);
        }
        if self.is_pending() {
            self.block(registry, token)?;
        }
        Ok(())
    }

    pub fn block(&mut self, registry: &Registry, token: usize) -> io::Result<()> {
        self.blocked = true;
        self.watch(true, registry, token)
    }

    /// Ask for events for writing, or do not any more.
    pub fn watch(&mut self, watched: bool, registry: &Registry, token: usize) -> io::Result<()> {
        if self.watched != watched {
            self.watched = watched;
            registry.reregister(self.socket.source(), Token(token), interest(watched))?;
        }
        Ok(())
    }
}

fn interest(watched: bool) -> Interest {
    match watched {
        true => Interest::READABLE | Interest::WRITABLE,
        false => Interest::READABLE,
    }
}
