//! What a link carries and how fast: `cargo run --release -p typhoon-wire --example links`.
//!
//! Two ends in one process, each with a link thread of its own; so both ends share the machine.

use std::borrow::Cow;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};
use typhoon_wire::{Address, Config, Handler, Links, Lost, Outgoing, Unreadable};

const SECONDS: Duration = Duration::from_secs(2);

/// Sends as many messages as it is told to, and says when so many have come.
struct Pump {
    message: Vec<u8>,
    to_send: AtomicU64,
    received: AtomicU64,
    woken: mpsc::SyncSender<()>,
    /// Each message is answered.
    echoes: bool,
    /// An urgent message to send: the time of its making. 0 if there is none.
    urgent: AtomicU64,
    epoch: Instant,
    /// How long urgent messages took.
    took: Mutex<Vec<Duration>>,
}

impl Handler for Pump {
    fn fill(&self, _peer: u16, out: &mut Outgoing<'_>) -> bool {
        let made = self.urgent.swap(0, Ordering::AcqRel);
        if made > 0 {
            out.urgent(&made.to_le_bytes()).expect("within the limit");
        }
        let mut left = self.to_send.load(Ordering::Acquire);
        let before = left;
        while left > 0 && out.has_room() {
            out.bulk(&self.message).expect("within the limit");
            left -= 1;
        }
        self.to_send.fetch_sub(before - left, Ordering::AcqRel);
        left > 0
    }

    fn message(&self, _peer: u16, _incarnation: u64, message: Cow<'_, [u8]>) -> Result<(), Unreadable> {
        if let Ok(made) = <[u8; 8]>::try_from(&*message) {
            let made = Duration::from_nanos(u64::from_le_bytes(made));
            self.took
                .lock()
                .expect("no panic")
                .push(self.epoch.elapsed() - made);
            return Ok(());
        }
        assert_eq!(message.len(), self.message.len());
        self.received
            .store(self.received.load(Ordering::Relaxed) + 1, Ordering::Release);
        if self.echoes {
            self.to_send.fetch_add(1, Ordering::AcqRel);
        }
        self.wake();
        Ok(())
    }

    fn connected(&self, _peer: u16, _incarnation: u64) {
        self.wake();
    }

    fn lost(&self, _peer: u16, _incarnation: u64, why: Lost) {
        println!("lost: {why}");
    }
}

impl Pump {
    /// There is something to look at: whoever was told so and has not looked yet need not be told again.
    fn wake(&self) {
        let _ = self.woken.try_send(());
    }
}

struct End {
    links: Links,
    pump: Arc<Pump>,
    woken: mpsc::Receiver<()>,
}

fn end(index: u16, listen: Address, length: usize, echoes: bool, epoch: Instant) -> End {
    let (sender, woken) = mpsc::sync_channel(1);
    let pump = Arc::new(Pump {
        message: vec![7; length],
        to_send: AtomicU64::new(0),
        received: AtomicU64::new(0),
        woken: sender,
        echoes,
        urgent: AtomicU64::new(0),
        epoch,
        took: Mutex::default(),
    });
    let config = Config::new(index, 1, "bench", b"secret", listen);
    let links = Links::start(config, Arc::clone(&pump) as Arc<dyn Handler>).expect("a link");
    End { links, pump, woken }
}

fn pair(kind: &str, length: usize, echoes: bool) -> (End, End) {
    let listen = |index| match kind {
        "unix" => {
            Address::Unix(std::env::temp_dir().join(format!("typhoon-links-{}-{index}", std::process::id())))
        }
        _ => Address::Tcp("127.0.0.1:0".parse().expect("an address")),
    };
    let epoch = Instant::now();
    let one = end(1, listen(1), length, false, epoch);
    let two = end(2, listen(2), length, echoes, epoch);
    one.links.up(2, 1, two.links.address().clone());
    two.links.up(1, 1, one.links.address().clone());
    one.woken.recv().expect("connected");
    two.woken.recv().expect("connected");
    (one, two)
}

fn throughput(kind: &str, length: usize) {
    let (one, two) = pair(kind, length, false);
    let batch = (64u64 << 20) / (length as u64 + 100);
    let start = Instant::now();
    let mut sent = 0;
    while start.elapsed() < SECONDS {
        one.pump.to_send.fetch_add(batch, Ordering::AcqRel);
        one.links.ring();
        sent += batch;
        while two.pump.received.load(Ordering::Acquire) + batch / 4 < sent {
            two.woken.recv().expect("messages");
        }
    }
    while two.pump.received.load(Ordering::Acquire) < sent {
        two.woken.recv().expect("messages");
    }
    let seconds = start.elapsed().as_secs_f64();
    let (out, back) = (one.links.figures().peers[&2], two.links.figures().peers[&1]);
    println!(
        "{kind:5} {length:6} B: {:11.0} messages/s {:7.1} MB/s  {:7.1} KB per write, {:6.1} KB per read, {:6} writes of acks",
        sent as f64 / seconds,
        (sent * length as u64) as f64 / seconds / 1e6,
        out.bytes_sent as f64 / out.writes as f64 / 1e3,
        back.bytes_received as f64 / back.reads as f64 / 1e3,
        back.writes,
    );
}

fn latency(kind: &str) {
    let (one, two) = pair(kind, 32, true);
    let mut times = Vec::new();
    let start = Instant::now();
    while start.elapsed() < SECONDS {
        let begin = Instant::now();
        one.pump.to_send.fetch_add(1, Ordering::AcqRel);
        one.links.ring();
        // The echo is rung for by the other end's bench thread, as a loop would: each way has two threads.
        two.woken.recv().expect("a ping");
        two.links.ring();
        one.woken.recv().expect("a pong");
        times.push(begin.elapsed());
    }
    print(&format!("{kind:5} there and back, 32 B"), times);
}

/// One way, beside as much bulk as the link takes.
fn urgent(kind: &str) {
    let (one, two) = pair(kind, 1024, false);
    one.pump.to_send.store(u64::MAX / 2, Ordering::Release);
    let start = Instant::now();
    while start.elapsed() < SECONDS {
        std::thread::sleep(Duration::from_millis(1));
        let made = one.pump.epoch.elapsed().as_nanos() as u64;
        one.pump.urgent.store(made, Ordering::Release);
        one.links.ring();
    }
    two.links.stop();
    one.links.stop();
    let took = std::mem::take(&mut *two.pump.took.lock().expect("no panic"));
    print(&format!("{kind:5} urgent under full load, one way"), took);
}

fn print(what: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let at = |part: f64| times[((times.len() - 1) as f64 * part) as usize];
    println!(
        "{what}: p50 {:?}, p99 {:?} ({} times)",
        at(0.5),
        at(0.99),
        times.len()
    );
}

fn main() {
    for kind in ["unix", "tcp"] {
        for length in [32, 1024, 65_536] {
            throughput(kind, length);
        }
        latency(kind);
        urgent(kind);
    }
}
