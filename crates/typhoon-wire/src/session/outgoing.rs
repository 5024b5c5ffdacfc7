use super::Limits;
use super::keep::Keep;
use crate::figures::Counters;
use std::fmt;

/// Where [`crate::Handler::fill`] appends messages for a peer.
///
/// Order is kept within a lane. What is urgent overtakes what is bulk, as long as that has not been handed to the
/// socket; a steady stream of urgent messages that fills the link holds up the other lane.
pub struct Outgoing<'a> {
    keep: &'a mut Keep,
    limits: &'a Limits,
    counters: &'a Counters,
    appended: bool,
}

impl<'a> Outgoing<'a> {
    pub(super) fn new(keep: &'a mut Keep, limits: &'a Limits, counters: &'a Counters) -> Self {
        Outgoing {
            keep,
            limits,
            counters,
            appended: false,
        }
    }

    /// Is less held for the peer than the window? What is appended beyond it is taken all the same.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.keep.cost() < self.limits.window
    }

    /// Append a message that may overtake bulk.
    ///
    /// # Errors
    /// When it is longer than [`crate::Config::message_limit`]; then nothing was appended.
    pub fn urgent(&mut self, message: &[u8]) -> Result<(), TooLong> {
        self.check(message)?;
        self.keep.push_urgent(message);
        Ok(())
    }

    /// Append a message.
    ///
    /// # Errors
    /// As [`Outgoing::urgent`].
    pub fn bulk(&mut self, message: &[u8]) -> Result<(), TooLong> {
        self.check(message)?;
        self.keep.push_bulk(message);
        Ok(())
    }

    pub(crate) fn appended(&self) -> bool {
        self.appended
    }

    fn check(&mut self, message: &[u8]) -> Result<(), TooLong> {
        if message.len() > self.limits.message {
            return Err(TooLong {
                length: message.len(),
                limit: self.limits.message,
            });
        }
        self.appended = true;
        self.counters.messages_sent.add(1);
        Ok(())
    }
}

/// A message beyond the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong {
    pub length: usize,
    pub limit: usize,
}

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let TooLong { length, limit } = self;
        write!(
            f,
            "a message of {length} bytes is longer than the limit of {limit}"
        )
    }
}

impl std::error::Error for TooLong {}
