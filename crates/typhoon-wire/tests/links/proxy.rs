//! A man in the middle, who stalls, cuts and damages what he carries.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;
use typhoon_wire::Address;

/// Between a dialler and the listener at `target`; only what the dialler sends is damaged.
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    stalled: Mutex<bool>,
    changed: Condvar,
    stopping: AtomicBool,
    /// Refuse new connections.
    closed: AtomicBool,
    /// After so many bytes from the dialler on each connection: cut it.
    cut_after: AtomicU64,
    /// How many bytes from the dialler to let pass until a bit of one is flipped.
    flip_after: AtomicU64,
    connections: AtomicUsize,
    streams: Mutex<Vec<TcpStream>>,
}

const NEVER: u64 = u64::MAX;

impl Proxy {
    pub fn start(target: &Address) -> Self {
        let Address::Tcp(target) = *target else {
            panic!("a proxy is for TCP")
        };
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            cut_after: AtomicU64::new(NEVER),
            flip_after: AtomicU64::new(NEVER),
            ..Shared::default()
        });
        let mine = Arc::clone(&shared);
        let thread = std::thread::spawn(move || serve(&listener, target, &mine));
        Proxy {
            address,
            shared,
            thread: Some(thread),
        }
    }

    pub fn address(&self) -> Address {
        Address::Tcp(self.address)
    }

    /// Stop reading in both directions, or go on.
    pub fn stall(&self, stalled: bool) {
        *self.shared.stalled.lock().unwrap() = stalled;
        self.shared.changed.notify_all();
    }

    /// Cut all connections and take no others, or take them again.
    pub fn close(&self, closed: bool) {
        self.shared.closed.store(closed, Ordering::SeqCst);
        if closed {
            for stream in self.shared.streams.lock().unwrap().drain(..) {
                let _ = stream.shutdown(Shutdown::Both);
            }
        }
    }

    pub fn cut_after(&self, bytes: Option<u64>) {
        self.shared
            .cut_after
            .store(bytes.unwrap_or(NEVER), Ordering::SeqCst);
    }

    pub fn flip_after(&self, bytes: u64) {
        self.shared.flip_after.store(bytes, Ordering::SeqCst);
    }

    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        self.stall(false);
        self.close(true);
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn serve(listener: &TcpListener, target: SocketAddr, shared: &Arc<Shared>) {
    for dialler in listener.incoming() {
        if shared.stopping.load(Ordering::SeqCst) {
            return;
        }
        let Ok(dialler) = dialler else { continue };
        if shared.closed.load(Ordering::SeqCst) {
            continue;
        }
        let Ok(listener) = TcpStream::connect(target) else {
            continue;
        };
        shared.connections.fetch_add(1, Ordering::SeqCst);
        for stream in [&dialler, &listener] {
            stream.set_nodelay(true).unwrap();
            stream.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
            shared.streams.lock().unwrap().push(stream.try_clone().unwrap());
        }
        let both = [
            (dialler.try_clone().unwrap(), listener.try_clone().unwrap(), true),
            (listener, dialler, false),
        ];
        for (from, to, damaged) in both {
            let shared = Arc::clone(shared);
            std::thread::spawn(move || {
                pump(&from, &to, damaged, &shared);
                let _ = from.shutdown(Shutdown::Both);
                let _ = to.shutdown(Shutdown::Both);
            });
        }
    }
}

fn pump(mut from: &TcpStream, mut to: &TcpStream, damaged: bool, shared: &Shared) {
    let mut bytes = vec![0; 16 * 1024];
    let mut passed = 0;
    loop {
        let mut length = match from.read(&mut bytes) {
            Ok(0) => return,
            Ok(length) => length,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => continue,
            Err(_) => return,
        };
        // What was read when the stall began is held as well.
        let mut stalled = shared.stalled.lock().unwrap();
        while *stalled {
            stalled = shared.changed.wait(stalled).unwrap();
        }
        drop(stalled);
        let mut ends = false;
        if damaged {
            let until_cut = shared.cut_after.load(Ordering::SeqCst).saturating_sub(passed);
            if length as u64 >= until_cut {
                length = until_cut as usize;
                ends = true;
            }
            let until_flip = shared.flip_after.load(Ordering::SeqCst);
            if until_flip < length as u64 {
                bytes[until_flip as usize] ^= 0x10;
                shared.flip_after.store(NEVER, Ordering::SeqCst);
            } else if until_flip != NEVER {
                shared
                    .flip_after
                    .store(until_flip - length as u64, Ordering::SeqCst);
            }
        }
        passed += length as u64;
        if to.write_all(&bytes[..length]).is_err() || ends {
            return;
        }
    }
}
