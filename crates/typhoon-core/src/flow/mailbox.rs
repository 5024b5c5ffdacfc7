#[cfg(loom)]
use loom::sync::{
    Mutex,
    atomic::{AtomicBool, Ordering},
};
#[cfg(not(loom))]
use std::sync::{
    Mutex,
    atomic::{AtomicBool, Ordering},
};

/// What other threads hand in to a loop: tuples, acks, requests, in the order of each sender.
///
/// The owner looks at one flag per round; the lock is held only to push, or to swap the whole content out, never while
/// anything is handled or dropped.
pub struct Mailbox<M> {
    queue: Mutex<Vec<M>>,
    filled: AtomicBool,
}

impl<M> Default for Mailbox<M> {
    fn default() -> Self {
        Mailbox {
            queue: Mutex::new(Vec::new()),
            filled: AtomicBool::new(false),
        }
    }
}

impl<M> Mailbox<M> {
    /// Hand in. True if the owner may be asleep and must be rung (it was empty before).
    pub fn post(&self, mail: impl IntoIterator<Item = M>) -> bool {
        let mut queue = self.lock();
        queue.extend(mail);
        !self.filled.swap(true, Ordering::AcqRel)
    }

    /// Is there anything? One load.
    #[inline(always)]
    pub fn is_filled(&self) -> bool {
        self.filled.load(Ordering::Acquire)
    }

    /// Take everything, in order, leaving `spare` (empty) in its place.
    pub fn take(&self, spare: Vec<M>) -> Vec<M> {
        debug_assert!(spare.is_empty());
        let mut queue = self.lock();
        self.filled.store(false, Ordering::Release);
        std::mem::replace(&mut *queue, spare)
    }

    #[cfg(not(loom))]
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<M>> {
        self.queue
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    #[cfg(loom)]
    fn lock(&self) -> loom::sync::MutexGuard<'_, Vec<M>> {
        self.queue.lock().unwrap()
    }
}

#[cfg(all(test, loom))]
mod tests {
    use super::Mailbox;
    use loom::sync::Arc;

    /// In every interleaving: nothing lost, nothing twice, each sender's order kept, and whoever fills an empty box is
    /// told to ring.
    #[test]
    fn nothing_is_lost() {
        loom::model(|| {
            let mailbox = Arc::new(Mailbox::default());
            let senders: Vec<_> = (0..2)
                .map(|sender| {
                    let mailbox = Arc::clone(&mailbox);
                    loom::thread::spawn(move || {
                        let first = mailbox.post([(sender, 0)]);
                        let second = mailbox.post([(sender, 1)]);
                        u32::from(first) + u32::from(second)
                    })
                })
                .collect();
            let mut got = mailbox.take(Vec::new());
            let takes_with_mail = u32::from(!got.is_empty());
            let rings: u32 = senders.into_iter().map(|s| s.join().unwrap()).sum();
            let rest = mailbox.take(Vec::new());
            assert_eq!(rings, takes_with_mail + u32::from(!rest.is_empty()));
            got.extend(rest);
            assert!(!mailbox.is_filled());
            assert_eq!(got.len(), 4);
            for sender in 0..2 {
                let order: Vec<_> = got
                    .iter()
                    .filter(|(s, _)| *s == sender)
                    .map(|(_, n)| *n)
                    .collect();
                assert_eq!(order, [0, 1]);
            }
        });
    }
}
