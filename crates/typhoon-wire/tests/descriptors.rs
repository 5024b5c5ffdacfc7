//! Connections that come and go leave no descriptors behind. Alone in its process, since it counts them all.
#![cfg(target_os = "linux")]

use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};
use typhoon_wire::{Address, Config, Handler, Links, Lost, Outgoing, Unreadable};

const PATIENCE: Duration = Duration::from_secs(60);

/// Says when something came.
struct Witness {
    came: mpsc::Sender<()>,
    /// There is something to send.
    filled: AtomicBool,
}

impl Handler for Witness {
    fn fill(&self, _peer: u16, out: &mut Outgoing<'_>) -> bool {
        if self.filled.swap(false, Ordering::AcqRel) {
            out.bulk(b"?").unwrap();
        }
        false
    }

    fn message(&self, _peer: u16, _incarnation: u64, _message: Cow<'_, [u8]>) -> Result<(), Unreadable> {
        self.came.send(()).unwrap();
        Ok(())
    }

    fn connected(&self, _peer: u16, _incarnation: u64) {}

    fn lost(&self, _peer: u16, _incarnation: u64, why: Lost) {
        panic!("lost: {why}");
    }
}

fn worker(index: u16, listen: Address) -> (Links, Arc<Witness>, mpsc::Receiver<()>) {
    let (sender, receiver) = mpsc::channel();
    let witness = Arc::new(Witness {
        came: sender,
        filled: AtomicBool::new(false),
    });
    let mut config = Config::new(index, 1, "words", b"secret", listen);
    config.link_timeout = PATIENCE;
    let links = Links::start(config, Arc::clone(&witness) as Arc<dyn Handler>).unwrap();
    (links, witness, receiver)
}

fn open_descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

fn cycles(listen: impl Fn(u16) -> Address) {
    let before = open_descriptors();
    let (one, _, came) = worker(1, listen(1));
    let (two, witness, _) = worker(2, listen(2));
    one.up(2, 1, two.address().clone());
    two.up(1, 1, one.address().clone());
    let carry = || {
        witness.filled.store(true, Ordering::Release);
        two.ring();
        came.recv_timeout(PATIENCE).unwrap();
    };
    carry();
    let connected = open_descriptors();
    for round in 0..200 {
        let (links, peer) = if round % 2 == 0 { (&one, 2) } else { (&two, 1) };
        links.cut(peer);
        carry();
    }
    // The old end of the last connection may have to be noticed yet.
    until(|| open_descriptors() <= connected);
    one.stop();
    two.stop();
    until(|| open_descriptors() <= before);
}

fn until(condition: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(
            Instant::now() < deadline,
            "{} descriptors are open",
            open_descriptors()
        );
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn none_are_left() {
    let unix = |index| std::env::temp_dir().join(format!("typhoon-fds-{}-{index}", std::process::id()));
    cycles(|index| Address::Unix(unix(index)));
    cycles(|_| Address::Tcp("127.0.0.1:0".parse().unwrap()));
}
