use crate::handler::Refusal;
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// A number that one thread raises and all may read.
#[derive(Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    /// Only ever called by who has the driver, so no exchange is needed.
    pub fn add(&self, n: u64) {
        self.0
            .store(self.0.load(Ordering::Relaxed).wrapping_add(n), Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// What has passed between us and one peer since the start, over all sessions with all of its incarnations.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct PeerFigures { $($(#[$doc])* pub $name: u64),* }

        #[derive(Default)]
        pub(crate) struct Counters { $(pub $name: Count),* }

        impl Counters {
            pub fn read(&self) -> PeerFigures {
                PeerFigures { $($name: self.$name.get()),* }
            }
        }
    };
}

counters! {
    /// Messages appended by `fill`.
    messages_sent,
    messages_received,
    /// Frames with data that were begun; after a resume, those that are sent again count again.
    frames_sent,
    /// Frames with data that were new.
    frames_received,
    /// Bytes handed to the socket, headers and repetitions included.
    bytes_sent,
    bytes_received,
    /// System calls.
    writes,
    reads,
    /// Sessions that began.
    sessions,
    /// Connections on which a session went on.
    resumes,
    /// Connections broken because of what came over them.
    faults,
    lost,
}

/// What [`crate::Links::figures`] tells.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    pub peers: BTreeMap<u16, PeerFigures>,
    /// Open at the moment: of sessions, dialled, come in.
    pub connections: usize,
    /// Failed handshakes of all peers and strangers, by reason.
    pub refused: HashMap<Refusal, u64>,
}

#[derive(Default)]
pub(crate) struct Ledger(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    connections: usize,
    peers: BTreeMap<u16, Arc<Counters>>,
    refused: HashMap<Refusal, u64>,
}

impl Ledger {
    pub fn peer(&self, peer: u16) -> Arc<Counters> {
        Arc::clone(self.lock().peers.entry(peer).or_default())
    }

    pub fn refused(&self, why: Refusal) {
        *self.lock().refused.entry(why).or_default() += 1;
    }

    pub fn connections(&self, count: usize) {
        self.lock().connections = count;
    }

    pub fn read(&self) -> Figures {
        let inner = self.lock();
        Figures {
            peers: inner.peers.iter().map(|(peer, c)| (*peer, c.read())).collect(),
            connections: inner.connections,
            refused: inner.refused.clone(),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
