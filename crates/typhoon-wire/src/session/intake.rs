use super::lane::Assembly;
use crate::frame::{Fault, Frame, Kind};
use std::borrow::Cow;

/// The incoming half: what has come, and what of it the peer does not know yet.
#[derive(Default)]
pub(super) struct Intake {
    urgent: Assembly,
    bulk: Assembly,
    pub received: u64,
    /// The last number that was acknowledged,
    pub told: u64,
    /// and the bytes that came since.
    pub owed_bytes: usize,
}

impl Intake {
    /// The next frame with data; a duplicate is sorted out before.
    pub fn take(
        &mut self,
        frame: &Frame<'_>,
        limit: usize,
        deliver: &mut dyn FnMut(Cow<'_, [u8]>),
    ) -> Result<(), Fault> {
        if frame.number != self.received + 1 {
            return Err(Fault::Gap);
        }
        let assembly = match frame.kind {
            Kind::Urgent => &mut self.urgent,
            Kind::Bulk | Kind::Ack => &mut self.bulk,
        };
        assembly.feed(frame.payload, limit, deliver)?;
        self.received = frame.number;
        self.owed_bytes += frame.payload.len();
        Ok(())
    }

    pub fn owes_frames(&self) -> u64 {
        self.received - self.told
    }
}
