//! Which rules hold, what may happen, and the names of what happens.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rules {
    Right,
    /// A variant: what was queued for a dead worker goes to its successor. Its trees fail all the same.
    SendAgain,
    /// A variant: what a zombie sends is read by those who know better.
    HearZombies,
    /// A variant: a session opens with a marker only if its sender has dropped anything since its last marker.
    OnlyOwed,
    /// Whoever drops something leaves its own trees alone.
    NoOwnFail,
    /// Whoever drops something tells nobody.
    NoMarker,
    /// A worker fails its trees first and drops what is for the dead afterwards.
    FailFirst,
    /// A worker tells the others first and drops what is for the dead afterwards.
    MarkFirst,
    /// A session opens without a marker.
    NoOpening,
    /// A session that is lost between two live workers is lost silently.
    SilentBreak,
    /// What the other end may have had is sent again in the next session.
    SendTwice,
    /// The session with a zombie goes on after DOWN was dealt with, until the zombie ends.
    KeepZombies,
    /// What was queued in a session that was lost is dropped, but the other end may go on to the next one as it is.
    SilentOpening,
    /// Roots do not carry the incarnation.
    NoIncarnation,
    /// Roots do not carry the generation.
    NoGenerations,
}

/// What may happen.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    pub trees: u8,
    /// A bit for each worker that has a spout.
    pub spouts: u8,
    /// Copies per emit of a spout.
    pub copies: u8,
    /// Generations of children.
    pub depth: u8,
    /// Inputs of up to this depth may be held after their child was sent.
    pub held: Option<u8>,
    /// Tuples go to bolts of the same worker too.
    pub near: bool,
    pub fails: bool,
    pub deaths: u8,
    pub zombies: bool,
    pub restarts: u8,
    pub breaks: u8,
    /// Workers may give up a session with a dead process before they are told of its end.
    pub impatient: bool,
    /// Markers leave later than the drop, one by one.
    pub late_markers: bool,
    /// Forget what is under way for a tree that has ended: no rule would look at it.
    pub purge: bool,
    /// A spout emits when its last tree has ended: as one message that is sent again and again.
    pub again: bool,
    /// Count trees that failed though they touched nothing dead.
    pub count: bool,
}

#[derive(Debug, Clone, Copy)]
#[expect(dead_code, reason = "the fields are for whoever reads how a rule was broken")]
pub enum Step {
    Emit {
        by: usize,
        to: [u8; 2],
    },
    Ack {
        by: usize,
        from: usize,
    },
    Child {
        by: usize,
        from: usize,
        to: u8,
    },
    HoldAndChild {
        by: usize,
        from: usize,
        to: u8,
    },
    FailTuple {
        by: usize,
        from: usize,
    },
    Release {
        by: usize,
    },
    ReadAck {
        by: usize,
        from: usize,
    },
    ReadFail {
        by: usize,
        from: usize,
    },
    ReadMarker {
        by: usize,
        from: usize,
    },
    FailOwn {
        by: usize,
    },
    SendMarker {
        by: usize,
        to: u8,
    },
    /// Broken rules: what should follow the drop comes before it.
    TooEarly {
        by: usize,
    },
    /// Of what the other end sent, `read` frames had arrived.
    Down {
        told: usize,
        of: usize,
        read: usize,
    },
    Drop {
        by: usize,
        of: usize,
        read: usize,
    },
    GiveUp {
        by: usize,
        of: usize,
        read: usize,
    },
    Break {
        by: usize,
        of: usize,
        read: usize,
    },
    Open {
        between: [usize; 2],
    },
    Crash(usize),
    Declare(usize),
    ZombieEnds(usize),
    Restart(usize),
}

impl Step {
    /// It happens from outside, if it does.
    pub fn is_chance(self) -> bool {
        use Step::{Break, Crash, Declare, Emit, ZombieEnds};
        matches!(
            self,
            Emit { .. } | Break { .. } | Crash(_) | Declare(_) | ZombieEnds(_)
        )
    }
}
