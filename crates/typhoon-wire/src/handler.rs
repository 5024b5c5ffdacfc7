use crate::Outgoing;
use std::borrow::Cow;
use std::fmt;

/// What is called by who drives the links: the link thread or the [`crate::Pilot`], one at a time. Each call holds up all
/// links, so none may block, wait for a lock that is held for long, or panic. Any of them may call [`crate::Links::ring`],
/// `up`, `down` and `cut`.
pub trait Handler: Send + Sync + 'static {
    /// The peer can take more: append messages to `out` while [`Outgoing::has_room`]. True if there is more to append
    /// now; then it is called again as soon as there is room, without a ring. A call that appends nothing counts as
    /// false.
    ///
    /// Called only within a session: after `connected`, not after `lost`.
    fn fill(&self, peer: u16, out: &mut Outgoing<'_>) -> bool;

    /// A message has come: exactly once, and in the order of its lane. `Cow::Owned` if it came in several frames.
    ///
    /// # Errors
    /// When it says nothing that the handler understands: the session ends, as [`Lost::Broken`].
    fn message(&self, peer: u16, incarnation: u64, message: Cow<'_, [u8]>) -> Result<(), Unreadable>;

    /// A session with this incarnation of the peer has begun. Nothing of an earlier one will come any more.
    fn connected(&self, peer: u16, incarnation: u64);

    /// The session is gone for good, and all that was appended for it and not acknowledged has been dropped already.
    /// Called once for each `connected`, except when [`crate::Links::stop`] ends everything.
    fn lost(&self, peer: u16, incarnation: u64, why: Lost);

    /// A handshake failed, at this end or at the other. For logs: a dialler tries again by itself. `peer` is what the
    /// other end claims to be, where it came so far.
    fn refused(&self, _peer: Option<u16>, _why: Refusal) {}

    /// A turn has panicked, in whichever thread: nobody drives the links any more, and none of the methods above is called
    /// again. Called by the link thread as its last.
    fn died(&self) {}
}

/// A message that its receiver does not understand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreadable;

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lost {
    /// We were told that this incarnation is down, or that a later one is up.
    Down,
    /// Nothing was heard for `link_timeout`.
    TimedOut,
    /// The peer has given the session up.
    Forgotten,
    /// The peer sent what it must not: a message beyond our limit, or that says nothing, numbers that it cannot know.
    /// Please report it.
    Broken,
}

/// Why a handshake failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Refusal {
    /// Not our protocol at all.
    Garbage = 1,
    /// Our protocol in another version.
    Version = 2,
    Topology = 3,
    /// Meant for another worker, or for another incarnation of this one.
    Address = 4,
    /// From an incarnation that is down, or of which nothing is known (yet).
    Incarnation = 5,
    /// The proof is wrong: the ends do not have the same secret.
    Secret = 6,
    /// A later attempt of the same dialler has succeeded.
    Stale = 7,
    TimedOut = 8,
    /// Too many connections had proved nothing, and this was the oldest.
    Crowded = 9,
    /// The connection is not TLS, or the other end's certificate is not what we want.
    Tls = 10,
}

impl Refusal {
    pub(crate) fn from_code(code: u8) -> Option<Self> {
        use Refusal::*;
        [
            Garbage,
            Version,
            Topology,
            Address,
            Incarnation,
            Secret,
            Stale,
            TimedOut,
            Crowded,
            Tls,
        ]
        .into_iter()
        .find(|refusal| *refusal as u8 == code)
    }
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Lost::Down => "the worker is down",
            Lost::TimedOut => "nothing was heard of it in time",
            Lost::Forgotten => "the other end gave it up",
            Lost::Broken => "the other end broke the protocol",
        })
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Refusal::Garbage => "not a worker of Typhoon",
            Refusal::Version => "another version of the protocol",
            Refusal::Topology => "a worker of another topology",
            Refusal::Address => "meant for another worker",
            Refusal::Incarnation => "not the present incarnation",
            Refusal::Secret => "another secret",
            Refusal::Stale => "a later attempt has succeeded",
            Refusal::TimedOut => "no handshake in time",
            Refusal::Tls => "no TLS, or a certificate that is not trusted",
            Refusal::Crowded => "too many connections without a handshake",
        })
    }
}
