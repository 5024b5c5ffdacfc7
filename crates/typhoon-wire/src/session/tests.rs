//! Two sessions and a network that breaks at any byte, against the model: what was sent.

use super::*;
use proptest::prelude::*;
use std::collections::VecDeque;

const LIMITS: Limits = Limits {
    message: 400_000,
    window: 1 << 20,
    link_timeout: Duration::from_secs(2),
};

fn limits_of(window: usize) -> Limits {
    Limits { window, ..LIMITS }
}

fn session(now: Instant) -> Session {
    Session::new(1, LIMITS, Arc::default(), now)
}

/// One end: its session, what flies towards it, what it sent and got per lane.
struct End {
    session: Session,
    inbound: VecDeque<u8>,
    sent: [Vec<Vec<u8>>; 2],
    got: [Vec<Vec<u8>>; 2],
}

impl End {
    fn new(now: Instant) -> Self {
        End {
            session: session(now),
            inbound: VecDeque::new(),
            sent: Default::default(),
            got: Default::default(),
        }
    }

    fn send(&mut self, lane: usize, length: usize) {
        // The first byte names the lane.
        let mut message = vec![self.sent[lane].len() as u8; length + 1];
        message[0] = lane as u8;
        let mut out = self.session.outgoing();
        match lane {
            0 => out.urgent(&message),
            _ => out.bulk(&message),
        }
        .unwrap();
        self.sent[lane].push(message);
    }

    /// Hand at most `most` bytes to the network.
    fn write(&mut self, most: usize, now: Instant) -> Vec<u8> {
        let mut bytes = Vec::new();
        while bytes.len() < most && self.session.prepare() {
            let mut slices = [IoSlice::new(&[]); 16];
            let used = self.session.slices(&mut slices);
            let all: Vec<u8> = slices[..used].iter().flat_map(|s| s.iter().copied()).collect();
            let part = all.len().min(most - bytes.len());
            bytes.extend_from_slice(&all[..part]);
            self.session.wrote(part, now);
        }
        bytes
    }

    fn read(&mut self, now: Instant) {
        let bytes = self.inbound.make_contiguous();
        let mut at = 0;
        let got = &mut self.got;
        while let Some((frame, length)) = frame::open(&bytes[at..]).unwrap() {
            self.session
                .receive(&frame, now, &mut |m| got[usize::from(m[0])].push(m.into_owned()))
                .unwrap();
            at += length;
        }
        self.inbound.drain(..at);
    }
}

#[derive(Clone, Debug)]
enum Event {
    Send { end: usize, lane: usize, length: usize },
    Carry { end: usize, bytes: usize },
    Cut { end: usize, arrives: usize },
    Wait { millis: u64 },
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let length = prop_oneof![20 => 0..200usize, 2 => 60_000..70_000usize, 1 => 70_000..400_000usize];
    let length = length.prop_map(|n| n.min(LIMITS.message - 1));
    let bytes = prop_oneof![3 => 0..100usize, 3 => 0..80_000usize, 1 => Just(usize::MAX)];
    let event = prop_oneof![
        4 => (0..2usize, 0..2usize, length).prop_map(|(end, lane, length)| Event::Send { end, lane, length }),
        4 => (0..2usize, bytes).prop_map(|(end, bytes)| Event::Carry { end, bytes }),
        1 => (0..2usize, 0..3000usize).prop_map(|(end, arrives)| Event::Cut { end, arrives }),
        1 => (1..400u64).prop_map(|millis| Event::Wait { millis }),
    ];
    proptest::collection::vec(event, 0..120)
}

/// Bytes from one end to the other.
fn carry(ends: &mut [End; 2], from: usize, most: usize, now: Instant) -> usize {
    let bytes = ends[from].write(most, now);
    ends[1 - from].inbound.extend(&bytes);
    ends[1 - from].read(now);
    bytes.len()
}

/// The connection breaks. Of what `from` has still written, `arrives` bytes come through.
fn cut(ends: &mut [End; 2], from: usize, arrives: usize, now: Instant) {
    let bytes = ends[from].write(arrives * 2, now);
    ends[1 - from].inbound.extend(&bytes[..bytes.len().min(arrives)]);
    ends[1 - from].read(now);
    let received = [0, 1].map(|i: usize| ends[i].session.received());
    for (end, peer) in [(0, 1), (1, 0)] {
        ends[end].session.detach();
        ends[end].inbound.clear();
        ends[end].session.resume(received[peer], now).unwrap();
    }
}

fn settle(ends: &mut [End; 2], mut now: Instant) {
    for _ in 0..4 {
        while carry(ends, 0, usize::MAX, now) + carry(ends, 1, usize::MAX, now) > 0 {}
        now += ACK_DELAY;
        for end in ends.iter_mut() {
            assert_eq!(end.session.tick(now), Verdict::Fine);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn every_message_comes_once_and_in_order(events in events()) {
        let mut now = Instant::now();
        let mut ends = [End::new(now), End::new(now)];
        for event in events {
            match event {
                Event::Send { end, lane, length } => ends[end].send(lane, length),
                Event::Carry { end, bytes } => { carry(&mut ends, end, bytes, now); }
                Event::Cut { end, arrives } => cut(&mut ends, end, arrives, now),
                Event::Wait { millis } => {
                    now += Duration::from_millis(millis);
                    for end in 0..2 {
                        if ends[end].session.tick(now) != Verdict::Fine {
                            cut(&mut ends, end, 0, now);
                        }
                    }
                }
            }
            for (end, peer) in [(0, 1), (1, 0)] {
                for lane in 0..2 {
                    prop_assert!(ends[peer].sent[lane].starts_with(&ends[end].got[lane]));
                }
            }
        }
        settle(&mut ends, now);
        for (end, peer) in [(0, 1), (1, 0)] {
            prop_assert!(ends[end].got == ends[peer].sent);
            prop_assert_eq!(ends[end].session.keep.cost(), 0, "all is acknowledged and forgotten");
        }
    }

    #[test]
    fn any_frames_are_survived(frames in proptest::collection::vec((0..3u8, 0..4u64, 0..4u64, proptest::collection::vec(any::<u8>(), 0..20)), 0..20)) {
        let now = Instant::now();
        let mut session = session(now);
        session.outgoing().bulk(b"one").unwrap();
        session.prepare();
        for (kind, number, ack, payload) in frames {
            let kind = [Kind::Ack, Kind::Urgent, Kind::Bulk][usize::from(kind)];
            let _ = session.receive(&Frame { kind, number, ack, payload: &payload }, now, &mut |_| ());
        }
    }
}

#[test]
fn urgent_overtakes_what_has_no_number_yet() {
    let now = Instant::now();
    let mut ends = [End::new(now), End::new(now)];
    for _ in 0..8 {
        ends[0].send(1, 100_000);
    }
    carry(&mut ends, 0, 10, now);
    ends[0].send(0, 5);
    carry(&mut ends, 0, WRITTEN_AT_ONCE, now);
    assert_eq!(ends[1].got[0].len(), 1);
    assert!(ends[1].got[1].len() < 8);
}

/// What one write takes, and the urgent frame behind it.
const WRITTEN_AT_ONCE: usize = 256 * 1024 + 100;

#[test]
fn the_window_closes_and_opens() {
    let now = Instant::now();
    let mut session = Session::new(1, limits_of(10_000), Arc::default(), now);
    let mut count = 0;
    while session.has_room() {
        session.outgoing().bulk(&[0; 100]).unwrap();
        count += 1;
    }
    assert!((50..100).contains(&count));
    assert!(session.prepare());
    let mut slices = [IoSlice::new(&[]); 16];
    let used = session.slices(&mut slices);
    let length = slices[..used].iter().map(|s| s.len()).sum();
    session.wrote(length, now);
    assert!(!session.has_room(), "sent, but not acknowledged");
    let ack = Frame {
        kind: Kind::Ack,
        number: 0,
        ack: 1,
        payload: &[],
    };
    session.receive(&ack, now, &mut |_| ()).unwrap();
    assert!(session.has_room());
}

#[test]
fn a_lone_acknowledgement_waits_a_little_and_goes() {
    let now = Instant::now();
    let mut ends = [End::new(now), End::new(now)];
    ends[0].send(1, 10);
    carry(&mut ends, 0, usize::MAX, now);
    assert!(!ends[1].session.prepare());
    assert_eq!(ends[1].session.deadline(), now + ACK_DELAY);
    ends[1].session.tick(now + ACK_DELAY);
    assert_eq!(carry(&mut ends, 1, usize::MAX, now + ACK_DELAY), HEADER);
    assert_eq!(ends[0].session.keep.cost(), 0);
}

#[test]
fn many_frames_are_acknowledged_at_once() {
    let now = Instant::now();
    let mut ends = [End::new(now), End::new(now)];
    for _ in 0..ACK_FRAMES {
        ends[0].send(1, 10);
        carry(&mut ends, 0, usize::MAX, now);
    }
    assert_eq!(carry(&mut ends, 1, usize::MAX, now), HEADER);
    assert_eq!(ends[0].session.keep.cost(), 0);
}

#[test]
fn silence_breaks_the_connection_and_then_the_session() {
    let now = Instant::now();
    let mut session = session(now);
    assert_eq!(session.tick(now + Duration::from_millis(999)), Verdict::Fine);
    assert_eq!(session.tick(now + Duration::from_millis(1000)), Verdict::Silent);
    session.detach();
    assert_eq!(session.deadline(), now + LIMITS.link_timeout);
    assert_eq!(session.tick(now + Duration::from_millis(1999)), Verdict::Fine);
    assert_eq!(session.tick(now + LIMITS.link_timeout), Verdict::Lost);
}

#[test]
fn connections_without_frames_keep_no_session() {
    let now = Instant::now();
    let mut session = session(now);
    for time in (100..2000).step_by(100) {
        let later = now + Duration::from_millis(time);
        session.detach();
        session.resume(0, later).unwrap();
        assert!(session.deadline() <= later, "it says something at once");
        assert_eq!(session.tick(later), Verdict::Fine);
        assert!(session.prepare());
    }
    assert_eq!(session.tick(now + LIMITS.link_timeout), Verdict::Lost);
}

#[test]
fn an_idle_session_beats() {
    let now = Instant::now();
    let mut session = session(now);
    let beat = session.deadline();
    assert_eq!(beat, now + LIMITS.link_timeout / 8);
    session.tick(beat);
    assert!(session.prepare());
    assert!(session.deadline() > beat);
}

#[test]
fn what_comes_again_is_dropped() {
    let now = Instant::now();
    let mut session = session(now);
    let frame = Frame {
        kind: Kind::Bulk,
        number: 1,
        ack: 0,
        payload: &[0; 4],
    };
    let mut count = 0;
    for _ in 0..2 {
        session.receive(&frame, now, &mut |_| count += 1).unwrap();
    }
    assert_eq!((count, session.received()), (1, 1));
}

#[test]
fn a_resume_is_an_acknowledgement_too() {
    let now = Instant::now();
    let mut ends = [End::new(now), End::new(now)];
    for _ in 1..ACK_FRAMES {
        ends[0].send(1, 10);
        carry(&mut ends, 0, usize::MAX, now);
    }
    cut(&mut ends, 0, 0, now);
    ends[0].send(1, 10);
    carry(&mut ends, 0, usize::MAX, now);
    assert!(!ends[1].session.prepare(), "one frame is owed only");
}

#[test]
fn a_gap_is_a_fault() {
    let now = Instant::now();
    let frame = Frame {
        kind: Kind::Bulk,
        number: 2,
        ack: 0,
        payload: &[0; 4],
    };
    assert_eq!(session(now).receive(&frame, now, &mut |_| ()), Err(Fault::Gap));
}

#[test]
fn an_acknowledgement_of_what_was_not_sent_is_a_fault() {
    let now = Instant::now();
    let frame = Frame {
        kind: Kind::Ack,
        number: 0,
        ack: 1,
        payload: &[],
    };
    assert_eq!(session(now).receive(&frame, now, &mut |_| ()), Err(Fault::Ack));
    assert_eq!(session(now).resume(1, now), Err(Fault::Ack));
}

#[test]
fn a_message_beyond_the_limit_is_told_to_its_sender() {
    let mut session = session(Instant::now());
    let mut out = session.outgoing();
    let long = vec![0; LIMITS.message + 1];
    let error = TooLong {
        length: LIMITS.message + 1,
        limit: LIMITS.message,
    };
    assert_eq!(out.urgent(&long), Err(error));
    assert_eq!(out.bulk(&long), Err(error));
    assert!(!out.appended() && out.has_room());
    assert!(!session.prepare());
}
