//! A session between two incarnations of workers. Pure: bytes and instants come in, bytes and verdicts go out.

mod intake;
mod keep;
mod lane;
mod outgoing;
#[cfg(test)]
mod tests;

pub use outgoing::{Outgoing, TooLong};

use crate::figures::Counters;
use crate::frame::{self, Fault, Frame, HEADER, Kind};
use intake::Intake;
use keep::Keep;
use std::borrow::Cow;
use std::io::IoSlice;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// An acknowledgement that nothing carries goes alone after so long, or when so many frames or a sixteenth of
/// the window are owed. The peer needs it to forget what it keeps, not to go on.
const ACK_DELAY: Duration = Duration::from_millis(5);
const ACK_FRAMES: u64 = 32;

#[derive(Clone, Copy)]
pub(crate) struct Limits {
    pub message: usize,
    pub window: usize,
    pub link_timeout: Duration,
}

/// What [`Session::tick`] found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Fine,
    /// The connection is silent: break it.
    Silent,
    /// The session is over.
    Lost,
}

pub(crate) struct Session {
    pub id: u64,
    limits: Limits,
    counters: Arc<Counters>,
    keep: Keep,
    intake: Intake,
    /// An acknowledgement that goes alone, and how much of it is written.
    bare: Option<([u8; HEADER], usize)>,
    bare_wanted: bool,
    attached: bool,
    /// When the present connection, or the last, was attached.
    since: Instant,
    /// When the last frame came.
    heard: Instant,
    sent: Instant,
    ack_at: Option<Instant>,
}

impl Session {
    /// It begins attached to a connection.
    pub fn new(id: u64, limits: Limits, counters: Arc<Counters>, now: Instant) -> Self {
        Session {
            id,
            limits,
            counters,
            keep: Keep::default(),
            intake: Intake::default(),
            bare: None,
            bare_wanted: false,
            attached: true,
            since: now,
            heard: now,
            sent: now,
            ack_at: None,
        }
    }

    /// The last number that has come in: what the peer need not send again.
    pub fn received(&self) -> u64 {
        self.intake.received
    }

    /// The connection is gone; what was half written must be written again.
    pub fn detach(&mut self) {
        self.attached = false;
        self.bare = None;
    }

    /// A new connection, after [`Session::detach`]. The peer said that `received` is the last number that it has.
    /// True if something came through over the last one that we did not know of.
    pub fn resume(&mut self, received: u64, now: Instant) -> Result<bool, Fault> {
        let news = self.keep.rewind(received)?;
        // The handshake has told the peer what we have.
        self.intake.told = self.intake.received;
        self.ack_at = None;
        self.attached = true;
        // A handshake is no frame: a network that lets only handshakes pass would keep the session for ever. So that a
        // frame comes soon, each end beats at once.
        self.since = now;
        self.sent = now.checked_sub(self.beat()).unwrap_or(now);
        self.counters.resumes.add(1);
        Ok(news)
    }

    pub fn has_room(&self) -> bool {
        self.keep.cost() < self.limits.window
    }

    /// Where `fill` appends.
    pub fn outgoing(&mut self) -> Outgoing<'_> {
        Outgoing::new(&mut self.keep, &self.limits, &self.counters)
    }

    /// Take in a frame, and hand the messages that it completes to `deliver`.
    pub fn receive(
        &mut self,
        frame: &Frame<'_>,
        now: Instant,
        deliver: &mut dyn FnMut(Cow<'_, [u8]>),
    ) -> Result<(), Fault> {
        self.keep.acknowledge(frame.ack)?;
        self.heard = now;
        if frame.kind == Kind::Ack || frame.number <= self.intake.received {
            return Ok(());
        }
        let counters = &self.counters;
        counters.frames_received.add(1);
        self.intake.take(frame, self.limits.message, &mut |message| {
            counters.messages_received.add(1);
            deliver(message);
        })?;
        if self.intake.owes_frames() >= ACK_FRAMES || self.intake.owed_bytes >= self.limits.window / 16 {
            self.bare_wanted = true;
        } else if self.ack_at.is_none() {
            self.ack_at = Some(now + ACK_DELAY);
        }
        Ok(())
    }

    /// Make frames of what waits, as far as one write can take. True if there is something to write.
    pub fn prepare(&mut self) -> bool {
        let sealed = self.keep.seal(self.intake.received);
        if sealed > 0 {
            self.counters.frames_sent.add(sealed);
            self.acknowledged();
        }
        if self.bare_wanted && self.bare.is_none() && !self.keep.is_unsent() {
            let mut frame = [0; HEADER];
            frame::seal(&mut frame, Kind::Ack, 0, self.intake.received);
            self.bare = Some((frame, 0));
            self.acknowledged();
        }
        self.bare.is_some() || self.keep.is_unsent()
    }

    /// What is to be written next; returns how many of `slices` are in use.
    pub fn slices<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        // An acknowledgement goes alone only when all else was written, so it is never amid a frame.
        let Some((frame, written)) = &self.bare else {
            return self.keep.slices(slices);
        };
        slices[0] = IoSlice::new(&frame[*written..]);
        1 + self.keep.slices(&mut slices[1..])
    }

    /// So many bytes of what [`Session::slices`] showed were written.
    pub fn wrote(&mut self, mut bytes: usize, now: Instant) {
        self.sent = now;
        self.counters.bytes_sent.add(bytes as u64);
        if let Some((_, written)) = &mut self.bare {
            let part = bytes.min(HEADER - *written);
            *written += part;
            bytes -= part;
            if *written == HEADER {
                self.bare = None;
            }
        }
        self.keep.wrote(bytes);
    }

    /// When [`Session::tick`] is due at the latest.
    pub fn deadline(&self) -> Instant {
        if !self.attached {
            return self.heard + self.limits.link_timeout;
        }
        let beat = self.sent + self.beat();
        let silent = self.heard.max(self.since) + self.limits.link_timeout / 2;
        let lost = self.heard + self.limits.link_timeout;
        self.ack_at.map_or(beat, |at| at.min(beat)).min(silent).min(lost)
    }

    /// Look at the clock. Afterwards [`Session::prepare`] may have something.
    pub fn tick(&mut self, now: Instant) -> Verdict {
        if now.saturating_duration_since(self.heard) >= self.limits.link_timeout {
            return Verdict::Lost;
        }
        if !self.attached {
            return Verdict::Fine;
        }
        if now.saturating_duration_since(self.heard.max(self.since)) >= self.limits.link_timeout / 2 {
            return Verdict::Silent;
        }
        if now >= self.sent + self.beat() || self.ack_at.is_some_and(|at| now >= at) {
            // What cannot be written now is not asked for again and again.
            self.sent = now;
            self.ack_at = None;
            self.bare_wanted = true;
        }
        Verdict::Fine
    }

    fn beat(&self) -> Duration {
        self.limits.link_timeout / 8
    }

    /// The present [`Session::received`] is on its way.
    fn acknowledged(&mut self) {
        self.intake.told = self.intake.received;
        self.intake.owed_bytes = 0;
        self.ack_at = None;
        self.bare_wanted = false;
    }
}
