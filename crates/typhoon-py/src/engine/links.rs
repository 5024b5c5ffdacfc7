//! The links of this worker to its peers: what is called by who drives them, and what Python may say.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use pyo3::exceptions::{PyOSError, PyValueError};
use pyo3::prelude::*;
use typhoon_core::engine::{Cause, Shared};
use typhoon_core::wire::{Exchange, Lanes};
use typhoon_wire::{Address, Config, Handler, Links, Lost, Outgoing, Refusal, Ringer, Unreadable};

use crate::codec;
use crate::component::Kit;

/// Peers with a session.
#[derive(Default)]
struct Present {
    now: HashSet<u16>,
    /// The incarnation of the last session with each.
    last: HashMap<u16, u64>,
    /// Why the last handshake failed with each that has no session, as far as nobody has asked; of those that did not
    /// say who they were by `None`.
    refused: HashMap<Option<u16>, Refusal>,
    /// Why the last session with each ended, as far as nobody has asked.
    lost: HashMap<u16, Lost>,
}

/// What is called by who drives the links, with or without the GIL.
pub(super) struct Ends {
    pub(super) exchange: Exchange<Kit>,
    /// This worker and its incarnation.
    own: (u16, u64),
    present: Mutex<Present>,
    changed: Condvar,
    ringer: OnceLock<Ringer>,
}

/// No message is longer than this: what is full leaves before the next tuple, and the codec limits that.
pub(super) const MESSAGE_LIMIT: usize = codec::LIMIT + (1 << 20);
const FITS: &str = "the values of a tuple within the codec's limit";

struct Both<'a, 'b>(&'a mut Outgoing<'b>);

impl Lanes for Both<'_, '_> {
    fn urgent(&mut self, message: Vec<u8>) {
        self.0.urgent(&message).expect(FITS);
    }

    fn bulk(&mut self, message: Vec<u8>) {
        self.0.bulk(&message).expect(FITS);
    }
}

impl Handler for Ends {
    fn fill(&self, peer: u16, out: &mut Outgoing<'_>) -> bool {
        self.exchange.fill(peer, &mut Both(out));
        false
    }

    fn message(&self, peer: u16, _incarnation: u64, message: Cow<'_, [u8]>) -> Result<(), Unreadable> {
        if self.exchange.message(peer, &message).map_err(|_| Unreadable)? {
            self.ring();
        }
        Ok(())
    }

    fn connected(&self, peer: u16, incarnation: u64) {
        let mut present = self.present();
        let again = present.last.insert(peer, incarnation) == Some(incarnation);
        let cause = again.then(|| self.cause(peer, incarnation, Lost::Forgotten));
        self.exchange.connected(peer, cause);
        present.now.insert(peer);
        present.refused.remove(&Some(peer));
        self.changed.notify_all();
    }

    fn lost(&self, peer: u16, incarnation: u64, why: Lost) {
        let mut present = self.present();
        present.now.remove(&peer);
        if why != Lost::Down {
            present.lost.insert(peer, why);
        }
        self.exchange.lost(peer, self.cause(peer, incarnation, why));
    }

    fn refused(&self, peer: Option<u16>, why: Refusal) {
        self.present().refused.insert(peer, why);
    }

    /// A worker without links would look alive and be deaf: its next start has new ones.
    fn died(&self) {
        std::process::abort();
    }
}

impl Ends {
    pub(super) fn start(
        shared: Arc<Shared<Kit>>,
        high_water: usize,
        config: Config,
    ) -> PyResult<(Arc<Self>, Links)> {
        let ends = Arc::new(Ends {
            exchange: Exchange::new(Arc::clone(&shared), high_water),
            own: (config.worker, config.incarnation),
            present: Mutex::default(),
            changed: Condvar::new(),
            ringer: OnceLock::new(),
        });
        let listen = config.listen.to_string();
        let links = Links::start(config, Arc::clone(&ends) as Arc<dyn Handler>)
            .map_err(|error| PyOSError::new_err(format!("cannot listen at {listen}: {error}")))?;
        let _ = ends.ringer.set(links.ringer());
        for peer in &shared.peers[shared.lines..] {
            let ringer = links.ringer();
            peer.ring_by(Arc::new(move || ringer.ring()));
        }
        Ok((ends, links))
    }

    /// A death has the same cause in all workers, a lost session the same at both ends.
    fn cause(&self, peer: u16, incarnation: u64, why: Lost) -> Cause {
        let name = |(worker, incarnation): (u16, u64)| u64::from(worker) << 32 | incarnation & 0xFFFF_FFFF;
        match why {
            Lost::Down => name((peer, incarnation)),
            _ => 1 << 63 | (name((peer, incarnation)).wrapping_mul(31) ^ name(self.own).wrapping_mul(31)),
        }
    }

    fn ring(&self) {
        if let Some(ringer) = self.ringer.get() {
            ringer.ring();
        }
    }

    fn present(&self) -> MutexGuard<'_, Present> {
        self.present.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What went wrong since the last call.
    pub(super) fn take_troubles(&self) -> Vec<(Option<u16>, String)> {
        let mut present = self.present();
        let lost = present
            .lost
            .drain()
            .map(|(peer, why)| (Some(peer), format!("it was lost: {why}")));
        let mut troubles: Vec<_> = lost.collect();
        troubles.extend(present.refused.drain().map(|(peer, why)| (peer, why.to_string())));
        troubles
    }

    /// Wait until these workers are connected; false if that takes too long.
    pub(super) fn wait(&self, workers: &[u16], timeout: Duration) -> bool {
        let until = Instant::now() + timeout;
        let mut present = self.present();
        while !workers.iter().all(|worker| present.now.contains(worker)) {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            present = self
                .changed
                .wait_timeout(present, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        true
    }
}

/// `unix:PATH` or `tcp:HOST:PORT`.
pub(super) fn address(text: &str) -> PyResult<Address> {
    match text.split_once(':') {
        Some(("unix", path)) => Ok(Address::Unix(path.into())),
        Some(("tcp", place)) => place
            .parse()
            .map(Address::Tcp)
            .map_err(|error| PyValueError::new_err(format!("'{text}' is no address: {error}"))),
        _ => Err(PyValueError::new_err(format!(
            "'{text}' is no address: it begins with neither unix: nor tcp:"
        ))),
    }
}
