//! Unix and TCP sockets under one name.

use super::tls::{Keyring, Layer};
use crate::config::Address;
use mio::event::Source;
use mio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use mio::{Interest, Registry, Token};
use std::io::{self, IoSlice, Read, Write};
use std::net::Shutdown;
use std::path::PathBuf;

pub(super) enum Socket {
    Unix(UnixStream),
    Tcp(TcpStream),
    Tls(Box<Layer>),
}

impl Socket {
    /// Begin to connect; the first event that says writable tells the outcome.
    pub fn connect(address: &Address, keyring: Option<&Keyring>) -> io::Result<Self> {
        let stream = match address {
            Address::Unix(path) => return UnixStream::connect(path).map(Socket::Unix),
            Address::Tcp(address) => Self::prompt(TcpStream::connect(*address)?),
        };
        match keyring {
            None => Ok(Socket::Tcp(stream)),
            Some(keyring) => Ok(Socket::Tls(Box::new(keyring.client(stream)?))),
        }
    }

    /// A TCP connection that lets nothing wait.
    fn prompt(stream: TcpStream) -> TcpStream {
        // Without it a small frame would wait for the acknowledgement of the one before. It fails only for a socket
        // that is broken already, which the next read tells.
        let _: io::Result<()> = stream.set_nodelay(true);
        stream
    }

    /// Why connecting failed, if it did.
    pub fn error(&self) -> io::Result<()> {
        let error = match self {
            Socket::Unix(stream) => stream.take_error()?,
            Socket::Tcp(stream) => stream.take_error()?,
            Socket::Tls(layer) => layer.stream.take_error()?,
        };
        error.map_or(Ok(()), Err)
    }

    /// Tell the other end now, even if another process holds the descriptor too.
    pub fn shut_down(&self) {
        let _: io::Result<()> = match self {
            Socket::Unix(stream) => stream.shutdown(Shutdown::Both),
            Socket::Tcp(stream) => stream.shutdown(Shutdown::Both),
            Socket::Tls(layer) => layer.stream.shutdown(Shutdown::Both),
        };
    }

    pub fn source(&mut self) -> &mut dyn Source {
        match self {
            Socket::Unix(stream) => stream,
            Socket::Tcp(stream) => stream,
            Socket::Tls(layer) => &mut layer.stream,
        }
    }

    pub fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        match self {
            Socket::Unix(stream) => stream.read(bytes),
            Socket::Tcp(stream) => stream.read(bytes),
            Socket::Tls(layer) => layer.read(bytes),
        }
    }

    /// Does a read of less than asked for mean that there is no more?
    pub fn reads_all(&self) -> bool {
        !matches!(self, Socket::Tls(_))
    }

    /// Hand over what was written and is held inside.
    pub fn flush(&mut self) -> io::Result<()> {
        match self {
            Socket::Unix(_) | Socket::Tcp(_) => Ok(()),
            Socket::Tls(layer) => layer.flush(),
        }
    }

    /// Is anything held inside that was written?
    pub fn is_pending(&self) -> bool {
        matches!(self, Socket::Tls(layer) if layer.is_pending())
    }

    pub fn write(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Socket::Unix(stream) => stream.write_vectored(slices),
            Socket::Tcp(stream) => stream.write_vectored(slices),
            Socket::Tls(layer) => layer.write(slices),
        }
    }
}

pub(super) enum Listener {
    Unix(UnixListener, PathBuf),
    Tcp(TcpListener),
}

impl Listener {
    pub fn bind(address: &Address) -> io::Result<Self> {
        match address {
            Address::Unix(path) => Ok(Listener::Unix(UnixListener::bind(path)?, path.clone())),
            Address::Tcp(address) => TcpListener::bind(*address).map(Listener::Tcp),
        }
    }

    pub fn address(&self) -> io::Result<Address> {
        match self {
            Listener::Unix(_, path) => Ok(Address::Unix(path.clone())),
            Listener::Tcp(listener) => listener.local_addr().map(Address::Tcp),
        }
    }

    pub fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        match self {
            Listener::Unix(listener, _) => registry.register(listener, token, Interest::READABLE),
            Listener::Tcp(listener) => registry.register(listener, token, Interest::READABLE),
        }
    }

    pub fn accept(&self, keyring: Option<&Keyring>) -> io::Result<Socket> {
        let stream = match self {
            Listener::Unix(listener, _) => return Ok(Socket::Unix(listener.accept()?.0)),
            Listener::Tcp(listener) => Socket::prompt(listener.accept()?.0),
        };
        match keyring {
            None => Ok(Socket::Tcp(stream)),
            Some(keyring) => Ok(Socket::Tls(Box::new(keyring.server(stream)?))),
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Listener::Unix(_, path) = self {
            // Whoever cleans up the directory may have been faster.
            let _: io::Result<()> = std::fs::remove_file(path);
        }
    }
}
