//! Who drives the links: a thread of the worker that comes by anyway, or else the link thread.

use crate::driver::Driver;
use crate::links::Shared;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use std::io::{self, ErrorKind};
use std::os::fd::{AsRawFd, RawFd};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::thread::{self, Thread};
use std::time::Duration;

/// A pilot that has not come by for so long is busy with something else.
const PATIENCE: Duration = Duration::from_millis(2);
/// So seldom, at last, the link thread looks at a pilot that only waits.
const LEISURE: Duration = Duration::from_millis(20);

/// The driver, and who may take a turn at it.
pub(crate) struct Helm {
    driver: Mutex<Driver>,
    shared: Arc<Shared>,
    /// Readable when there is something to do.
    fd: RawFd,
    /// Turns that the pilot has taken.
    turns: AtomicU64,
    /// The pilot waits for the descriptor.
    watched: AtomicBool,
    /// The link thread waits for it, in the pilot's stead.
    stood_in: AtomicBool,
    thread: OnceLock<Thread>,
    /// Ends the link thread's wait for the descriptor.
    call: mio::Waker,
}

/// The link thread's side of the helm.
pub(crate) struct Keeper {
    helm: Arc<Helm>,
    /// Holds the driver's descriptor, and the call.
    poll: Poll,
    events: Events,
}

/// A thread that drives the links between other work, as long as it comes by: then what it sends is written, and what it
/// gets is read, without waking another thread. While it does not come, the link thread does it.
pub struct Pilot(Arc<Helm>);

impl Helm {
    pub fn new(driver: Driver, shared: Arc<Shared>) -> io::Result<(Arc<Self>, Keeper)> {
        let poll = Poll::new()?;
        let fd = driver.as_raw_fd();
        poll.registry()
            .register(&mut SourceFd(&fd), Token(0), Interest::READABLE)?;
        let helm = Arc::new(Helm {
            driver: Mutex::new(driver),
            shared,
            fd,
            turns: AtomicU64::new(0),
            watched: AtomicBool::new(false),
            stood_in: AtomicBool::new(false),
            thread: OnceLock::new(),
            call: mio::Waker::new(poll.registry(), Token(1))?,
        });
        let keeper = Keeper {
            helm: Arc::clone(&helm),
            poll,
            events: Events::with_capacity(2),
        };
        Ok((helm, keeper))
    }

    /// End whatever the link thread waits for.
    pub fn rouse(&self) {
        let _ = self.call.wake();
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }

    /// # Panics
    /// If the driver has: then it is in no state to go on.
    fn driver(&self) -> MutexGuard<'_, Driver> {
        self.driver.lock().expect("the links are broken")
    }
}

impl Keeper {
    /// Until the links are stopped.
    pub fn run(mut self) {
        let helm = Arc::clone(&self.helm);
        let _ = helm.thread.set(thread::current());
        let (mut seen, mut pause) = (0, PATIENCE);
        while !helm.shared.is_stopped() {
            let turns = helm.turns.load(Ordering::SeqCst);
            let watched = helm.watched.load(Ordering::SeqCst);
            if !watched && turns == seen {
                self.stand_in(seen);
                continue;
            }
            seen = turns;
            pause = if watched { LEISURE.min(2 * pause) } else { PATIENCE };
            thread::park_timeout(pause);
        }
        let mut driver = helm.driver();
        driver.turn();
        driver.close_all();
    }

    /// Do what there is to do, and wait for more; unless the pilot is back.
    fn stand_in(&mut self, seen: u64) {
        let helm = &self.helm;
        let mut driver = helm.driver();
        // It says that it watches before it comes for the driver; after that a turn would answer the bell in its stead.
        if helm.watched.load(Ordering::SeqCst) {
            return;
        }
        driver.turn();
        let timeout = driver.doze();
        drop(driver);
        helm.stood_in.store(true, Ordering::SeqCst);
        let alone = helm.turns.load(Ordering::SeqCst) == seen && !helm.watched.load(Ordering::SeqCst);
        let timeout = if alone { timeout } else { Duration::ZERO };
        match self.poll.poll(&mut self.events, Some(timeout)) {
            Err(error) if error.kind() != ErrorKind::Interrupted => {
                // Only a programming error, or no memory in the kernel. Do not burn the processor over it.
                thread::sleep(PATIENCE);
            }
            _ => (),
        }
        helm.stood_in.store(false, Ordering::SeqCst);
    }
}

impl Pilot {
    pub(crate) fn new(helm: &Arc<Helm>) -> Self {
        Pilot(Arc::clone(helm))
    }

    /// Read and write what can be read and written now. Calls the handler; never waits.
    pub fn turn(&self) {
        self.0.turns.fetch_add(1, Ordering::SeqCst);
        if self.0.stood_in.load(Ordering::SeqCst) && self.0.stood_in.swap(false, Ordering::SeqCst) {
            let _ = self.0.call.wake();
        }
        if let Ok(mut driver) = self.0.driver.try_lock() {
            driver.turn();
        }
    }

    /// The caller is about to wait until [`Pilot::fd`] is readable, but no longer than this; then it calls
    /// [`Pilot::woke`].
    #[must_use]
    pub fn doze(&self) -> Duration {
        self.0.watched.store(true, Ordering::SeqCst);
        self.0.driver().doze()
    }

    /// The wait is over.
    pub fn woke(&self) {
        self.0.watched.store(false, Ordering::SeqCst);
    }

    /// Readable when there is something to do.
    #[must_use]
    pub fn fd(&self) -> RawFd {
        self.0.fd
    }
}
