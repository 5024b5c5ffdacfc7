//! A lane is a sequence of messages, each behind its length (4 bytes), cut into the payloads of frames. A length is
//! never cut.

use crate::frame::{Fault, HEADER, PAYLOAD, SEGMENT};
use std::borrow::Cow;
use std::collections::VecDeque;

const PREFIX: usize = 4;
/// What a segment that holds little costs beside its bytes.
const OVERHEAD: usize = 512;

/// What a segment counts for in the window. Memory is at most twice that: buffers double as they grow.
pub(super) fn cost(segment: &[u8]) -> usize {
    segment.len() + OVERHEAD
}

/// What waits to become frames. Each segment has the place for its header in front.
#[derive(Default)]
pub(super) struct Lane(VecDeque<Vec<u8>>);

impl Lane {
    /// Append a message. Returns by how much the lane's cost grew.
    ///
    /// A message that fits into one segment is not cut, but begins the next one: so most messages can be delivered
    /// from where they were read.
    pub fn push(&mut self, message: &[u8]) -> usize {
        let prefix = u32::try_from(message.len())
            .expect("checked by Outgoing")
            .to_le_bytes();
        let whole = PREFIX + message.len();
        let together = if whole <= PAYLOAD { whole } else { PREFIX + 1 };
        let mut grown = whole;
        if self.0.back().is_none_or(|open| open.len() + together > SEGMENT) {
            grown += self.open(whole);
        }
        let open = self.0.back_mut().expect("opened above");
        open.extend_from_slice(&prefix);
        let (first, mut rest) = message.split_at(message.len().min(SEGMENT - open.len()));
        open.extend_from_slice(first);
        while !rest.is_empty() {
            let (part, after) = rest.split_at(rest.len().min(PAYLOAD));
            grown += self.open(part.len());
            self.0.back_mut().expect("just opened").extend_from_slice(part);
            rest = after;
        }
        grown
    }

    pub fn pop(&mut self) -> Option<Vec<u8>> {
        self.0.pop_front()
    }

    pub fn front_len(&self) -> Option<usize> {
        self.0.front().map(Vec::len)
    }

    /// Begin a segment: a small one, unless there is a queue already.
    fn open(&mut self, expected: usize) -> usize {
        let capacity = if self.0.is_empty() {
            (HEADER + expected).clamp(OVERHEAD, SEGMENT)
        } else {
            SEGMENT
        };
        let mut segment = Vec::with_capacity(capacity);
        segment.resize(HEADER, 0);
        self.0.push_back(segment);
        HEADER + OVERHEAD
    }
}

/// The other end of a lane.
#[derive(Default)]
pub(super) struct Assembly {
    /// The length of the message that is incomplete, if any.
    total: Option<usize>,
    message: Vec<u8>,
}

impl Assembly {
    /// The payload of the lane's next frame. What is allocated is in proportion to what has come, not to what was
    /// announced.
    pub fn feed(
        &mut self,
        mut bytes: &[u8],
        limit: usize,
        deliver: &mut dyn FnMut(Cow<'_, [u8]>),
    ) -> Result<(), Fault> {
        if let Some(total) = self.total {
            bytes = self.go_on(total, bytes);
            if self.message.len() < total {
                return Ok(());
            }
            self.total = None;
            deliver(Cow::Owned(std::mem::take(&mut self.message)));
        }
        while !bytes.is_empty() {
            let (prefix, rest) = bytes.split_first_chunk::<PREFIX>().ok_or(Fault::Malformed)?;
            let length = u32::from_le_bytes(*prefix) as usize;
            if length > limit {
                return Err(Fault::TooLong);
            }
            let Some((message, after)) = rest.split_at_checked(length) else {
                self.total = Some(length);
                self.go_on(length, rest);
                return Ok(());
            };
            deliver(Cow::Borrowed(message));
            bytes = after;
        }
        Ok(())
    }

    /// Take what belongs to the incomplete message; returns the rest.
    fn go_on<'a>(&mut self, total: usize, bytes: &'a [u8]) -> &'a [u8] {
        let missing = total - self.message.len();
        let (part, rest) = bytes.split_at(missing.min(bytes.len()));
        if self.message.capacity() - self.message.len() < part.len() {
            // Doubles, but not beyond the message.
            let more = self.message.len().max(4 * SEGMENT).min(missing);
            self.message.reserve_exact(more);
        }
        self.message.extend_from_slice(part);
        rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lengths() -> impl Strategy<Value = Vec<usize>> {
        let length = prop_oneof![8 => 0..100usize, 2 => 60_000..70_000usize, 1 => 100_000..300_000usize];
        proptest::collection::vec(length, 0..30)
    }

    proptest! {
        #[test]
        fn what_was_cut_is_whole_again(lengths in lengths()) {
            let messages: Vec<Vec<u8>> =
                lengths.iter().enumerate().map(|(i, n)| vec![i as u8; *n]).collect();
            let mut lane = Lane::default();
            let grown: usize = messages.iter().map(|message| lane.push(message)).sum();
            let mut assembly = Assembly::default();
            let mut got = Vec::new();
            let mut shrunk = 0;
            while let Some(segment) = lane.pop() {
                prop_assert!(segment.len() > HEADER && segment.len() <= SEGMENT);
                shrunk += cost(&segment);
                assembly.feed(&segment[HEADER..], 300_000, &mut |m| got.push(m.into_owned())).unwrap();
            }
            prop_assert_eq!(grown, shrunk);
            prop_assert!(got == messages);
        }

        #[test]
        fn any_bytes_are_survived(payloads in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..50), 0..9)) {
            let mut assembly = Assembly::default();
            for payload in payloads {
                if assembly.feed(&payload, 1 << 30, &mut |_| ()).is_err() {
                    break;
                }
            }
            prop_assert!(assembly.message.capacity() <= 4 * SEGMENT);
        }
    }

    #[test]
    fn a_message_that_fits_is_not_cut() {
        let mut lane = Lane::default();
        lane.push(&[1; 40_000]);
        lane.push(&[2; 40_000]);
        let mut borrowed = 0;
        while let Some(segment) = lane.pop() {
            Assembly::default()
                .feed(&segment[HEADER..], 1 << 20, &mut |m| {
                    borrowed += u32::from(matches!(m, Cow::Borrowed(_)));
                })
                .unwrap();
        }
        assert_eq!(borrowed, 2);
    }

    #[test]
    fn a_message_beyond_the_limit_is_a_fault() {
        let mut payload = 101u32.to_le_bytes().to_vec();
        payload.push(0);
        let fault = Assembly::default().feed(&payload, 100, &mut |_| ());
        assert_eq!(fault, Err(Fault::TooLong));
    }
}
