use super::lane::{Lane, cost};
use crate::frame::{self, Fault, Kind};
use std::collections::VecDeque;
use std::io::IoSlice;

/// Frames are made for one write at a time, so that what is urgent overtakes all that has no number yet.
const WRITE: usize = 256 * 1024;

/// The outgoing half: what waits, and what was numbered and is not acknowledged.
#[derive(Default)]
pub(crate) struct Keep {
    urgent: Lane,
    bulk: Lane,
    /// Sealed frames, the first of them with the number `acked + 1`.
    sealed: VecDeque<Vec<u8>>,
    acked: u64,
    /// So many of `sealed` were written to the present connection,
    sent: usize,
    /// and so many bytes of the next.
    written: usize,
    /// Bytes of `sealed[sent..]`, what is written of the first included.
    unsent: usize,
    cost: usize,
}

impl Keep {
    pub fn push_urgent(&mut self, message: &[u8]) {
        self.cost += self.urgent.push(message);
    }

    pub fn push_bulk(&mut self, message: &[u8]) {
        self.cost += self.bulk.push(message);
    }

    /// Of all that is held, in the window's terms.
    pub fn cost(&self) -> usize {
        self.cost
    }

    pub fn is_unsent(&self) -> bool {
        self.sent < self.sealed.len()
    }

    /// Make frames as long as one write may take them. Returns how many.
    pub fn seal(&mut self, ack: u64) -> u64 {
        let mut count = 0;
        while let Some((kind, mut segment)) = self.next_segment() {
            let number = self.acked + self.sealed.len() as u64 + 1;
            frame::seal(&mut segment, kind, number, ack);
            self.unsent += segment.len();
            self.sealed.push_back(segment);
            count += 1;
        }
        count
    }

    fn next_segment(&mut self) -> Option<(Kind, Vec<u8>)> {
        let length = self.urgent.front_len().or_else(|| self.bulk.front_len())?;
        if self.unsent > 0 && self.unsent + length > WRITE {
            return None;
        }
        let urgent = self.urgent.pop().map(|segment| (Kind::Urgent, segment));
        urgent.or_else(|| self.bulk.pop().map(|segment| (Kind::Bulk, segment)))
    }

    pub fn slices<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let mut skip = self.written;
        let mut used = 0;
        for (slice, frame) in slices.iter_mut().zip(self.sealed.range(self.sent..)) {
            *slice = IoSlice::new(&frame[skip..]);
            skip = 0;
            used += 1;
        }
        used
    }

    pub fn wrote(&mut self, bytes: usize) {
        self.written += bytes;
        while let Some(frame) = self.sealed.get(self.sent)
            && self.written >= frame.len()
        {
            self.written -= frame.len();
            self.unsent -= frame.len();
            self.sent += 1;
        }
        debug_assert!(self.written == 0 || self.is_unsent());
    }

    /// The peer has all up to `ack`. An old one (in a frame that was sent again) says nothing new.
    pub fn acknowledge(&mut self, ack: u64) -> Result<(), Fault> {
        let Some(count) = ack.checked_sub(self.acked) else {
            return Ok(());
        };
        if count > self.sent as u64 {
            return Err(Fault::Ack);
        }
        self.forget(count as usize);
        self.sent -= count as usize;
        Ok(())
    }

    /// A new connection: go on behind `received`. True if that is news.
    pub fn rewind(&mut self, received: u64) -> Result<bool, Fault> {
        let count = received.checked_sub(self.acked).ok_or(Fault::Ack)?;
        if count > self.sealed.len() as u64 {
            return Err(Fault::Ack);
        }
        self.forget(count as usize);
        self.sent = 0;
        self.written = 0;
        self.unsent = self.sealed.iter().map(Vec::len).sum();
        Ok(count > 0)
    }

    fn forget(&mut self, count: usize) {
        for frame in self.sealed.drain(..count) {
            self.cost -= cost(&frame);
        }
        self.acked += count as u64;
    }
}
