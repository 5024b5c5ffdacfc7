use crate::config::Address;
use crate::figures::Counters;
use crate::handler::Refusal;
use crate::handshake::{Hello, Offer};
use crate::session::Session;
use std::sync::Arc;
use std::time::{Duration, Instant};

const BACKOFF: Duration = Duration::from_millis(5);
const BACKOFF_LIMIT: Duration = Duration::from_millis(250);

/// What we know of a peer, over all of its incarnations. Pure.
pub(crate) struct Peer {
    pub counters: Arc<Counters>,
    /// This incarnation is down, and so is each before it.
    down: Option<u64>,
    pub present: Option<Present>,
}

/// The incarnation of a peer that is up.
pub(crate) struct Present {
    pub incarnation: u64,
    pub address: Address,
    pub session: Option<Session>,
    /// The connection that the session has.
    pub connection: Option<usize>,
    /// The connection that is on its way, if we dial.
    pub dialling: Option<usize>,
    /// When to dial next, if we dial and there is no connection.
    pub dial_at: Instant,
    backoff: Duration,
    /// The session that we offer next if there is none.
    proposal: u64,
    /// The last attempt of the peer to dial us that succeeded.
    attempt: u64,
    /// There may be something to fill.
    pub hungry: bool,
}

impl Peer {
    pub fn new(counters: Arc<Counters>) -> Self {
        Peer {
            counters,
            down: None,
            present: None,
        }
    }

    /// Would `incarnation` be a new one that may live?
    pub fn is_news(&self, incarnation: u64) -> bool {
        self.down.is_none_or(|down| incarnation > down)
            && self.present.as_ref().is_none_or(|p| incarnation > p.incarnation)
    }

    /// From now on `incarnation` and all before it are refused. True if the present one is among them.
    pub fn bury(&mut self, incarnation: u64) -> bool {
        self.down = self.down.max(Some(incarnation));
        self.present
            .as_ref()
            .is_some_and(|p| p.incarnation <= incarnation)
    }

    /// May who says this hello go on? Nothing is proved yet.
    pub fn admit(&self, hello: &Hello) -> Result<(), Refusal> {
        match &self.present {
            Some(present) if present.incarnation == hello.from.1 => match hello.attempt > present.attempt {
                true => Ok(()),
                false => Err(Refusal::Stale),
            },
            _ => Err(Refusal::Incarnation),
        }
    }
}

impl Present {
    pub fn new(incarnation: u64, address: Address, proposal: u64, now: Instant) -> Self {
        Present {
            incarnation,
            address,
            session: None,
            connection: None,
            dialling: None,
            dial_at: now,
            backoff: BACKOFF,
            proposal,
            attempt: 0,
            hungry: false,
        }
    }

    /// What we offer when we dial.
    pub fn offer(&self) -> Offer {
        match &self.session {
            Some(session) => Offer {
                session: session.id,
                received: session.received(),
                fresh: false,
            },
            None => Offer {
                session: self.proposal,
                received: 0,
                fresh: true,
            },
        }
    }

    /// No connection stands or is on its way.
    pub fn is_undialled(&self) -> bool {
        self.connection.is_none() && self.dialling.is_none()
    }

    /// The peer's attempt to dial us has succeeded.
    pub fn accepted(&mut self, attempt: u64) {
        self.attempt = attempt;
    }

    /// The session is gone: the next one must have another number.
    pub fn forget(&mut self, proposal: u64) {
        self.session = None;
        self.proposal = proposal;
    }

    /// A connection failed: dial again, later each time.
    pub fn back_off(&mut self, now: Instant) {
        self.dial_at = now + self.backoff;
        self.backoff = (self.backoff * 2).min(BACKOFF_LIMIT);
    }

    /// A connection has carried something.
    pub fn worked(&mut self) {
        self.backoff = BACKOFF;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn present(incarnation: u64) -> Option<Present> {
        let address = Address::Unix("x".into());
        Some(Present::new(incarnation, address, 1, Instant::now()))
    }

    fn hello(incarnation: u64, attempt: u64) -> Hello {
        Hello {
            topology: String::new(),
            from: (2, incarnation),
            to: (1, 1),
            attempt,
            nonce: [0; 32],
        }
    }

    #[test]
    fn down_is_for_ever() {
        let mut peer = Peer::new(Arc::default());
        assert!(peer.is_news(5));
        peer.present = present(5);
        assert!(!peer.bury(4));
        assert!(peer.bury(5));
        peer.present = None;
        assert!(!peer.bury(3));
        assert!(!peer.is_news(4) && !peer.is_news(5) && peer.is_news(6));
        assert_eq!(peer.admit(&hello(5, 1)), Err(Refusal::Incarnation));
    }

    #[test]
    fn only_the_present_incarnation_is_admitted() {
        let mut peer = Peer::new(Arc::default());
        assert_eq!(peer.admit(&hello(5, 1)), Err(Refusal::Incarnation));
        peer.present = present(5);
        for (incarnation, admitted) in [(4, false), (5, true), (6, false)] {
            assert_eq!(peer.admit(&hello(incarnation, 1)).is_ok(), admitted);
        }
    }

    #[test]
    fn an_attempt_that_was_overtaken_is_stale() {
        let mut peer = Peer::new(Arc::default());
        peer.present = present(5);
        peer.present.as_mut().unwrap().accepted(3);
        assert_eq!(peer.admit(&hello(5, 3)), Err(Refusal::Stale));
        assert_eq!(peer.admit(&hello(5, 4)), Ok(()));
    }

    #[test]
    fn back_off_grows_to_its_limit_and_starts_anew() {
        let mut present = present(5).unwrap();
        let now = Instant::now();
        for _ in 0..10 {
            present.back_off(now);
        }
        assert_eq!(present.dial_at, now + BACKOFF_LIMIT);
        present.worked();
        present.back_off(now);
        assert_eq!(present.dial_at, now + BACKOFF);
    }
}
