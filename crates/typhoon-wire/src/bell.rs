use std::io;
use std::sync::atomic::{AtomicU8, Ordering};

const AWAKE: u8 = 0;
const RUNG: u8 = 1;
const ASLEEP: u8 = 2;

/// Wakes who drives the links. It costs a system call only when that one sleeps.
pub(crate) struct Bell {
    state: AtomicU8,
    waker: mio::Waker,
}

impl Bell {
    pub fn new(waker: mio::Waker) -> Self {
        Bell {
            state: AtomicU8::new(AWAKE),
            waker,
        }
    }

    /// What was done before this call is seen by who drives after the next [`Bell::answer`] that says true.
    pub fn ring(&self) {
        // Always an exchange, never just a look: a look could see an old ring that is being answered without us.
        if self.state.swap(RUNG, Ordering::AcqRel) == ASLEEP {
            // It can fail only for want of memory in the kernel; the thread also wakes by its own timers.
            let _: io::Result<()> = self.waker.wake();
        }
    }

    /// Who drives is about to sleep. False if it was rung and must not.
    pub fn doze(&self) -> bool {
        self.state
            .compare_exchange(AWAKE, ASLEEP, Ordering::AcqRel, Ordering::Acquire)
            .is_ok()
    }

    /// Who drives is up. True if it was rung since the last time.
    pub fn answer(&self) -> bool {
        self.state.swap(AWAKE, Ordering::AcqRel) == RUNG
    }
}
