//! How a frame looks on the wire. All numbers are little-endian.
//!
//! | bytes | |
//! |---|---|
//! | 0..4 | CRC32C of bytes 4..28: a length is not believed before it was checked |
//! | 4..8 | CRC32C of the payload |
//! | 8..11 | length of the payload |
//! | 11 | kind |
//! | 12..20 | number of the frame in its session, from 1; 0 for a bare acknowledgement |
//! | 20..28 | the last number that the sender has received |

pub(crate) const HEADER: usize = 28;
/// A frame is at most so long, header included.
pub(crate) const SEGMENT: usize = 64 * 1024;
pub(crate) const PAYLOAD: usize = SEGMENT - HEADER;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    /// Nothing but the acknowledgement; not numbered, not kept.
    Ack = 0,
    Urgent = 1,
    Bulk = 2,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Frame<'a> {
    pub kind: Kind,
    pub number: u64,
    pub ack: u64,
    pub payload: &'a [u8],
}

/// What is wrong with what came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Checksum,
    Length,
    Kind,
    /// A number was skipped.
    Gap,
    /// An acknowledgement of what was never sent, or was already taken back.
    Ack,
    /// The frames are whole, but what they carry is not a sequence of messages.
    Malformed,
    TooLong,
}

impl Fault {
    /// Would the same come again after a resume?
    pub fn is_fatal(self) -> bool {
        matches!(self, Fault::Malformed | Fault::TooLong)
    }
}

/// Write the header into the first [`HEADER`] bytes of `frame`; the rest is the payload.
pub(crate) fn seal(frame: &mut [u8], kind: Kind, number: u64, ack: u64) {
    let (header, payload) = frame.split_at_mut(HEADER);
    debug_assert!(payload.len() <= PAYLOAD);
    header[4..8].copy_from_slice(&crc32c::crc32c(payload).to_le_bytes());
    header[8..12].copy_from_slice(&(payload.len() as u32 | (kind as u32) << 24).to_le_bytes());
    header[12..20].copy_from_slice(&number.to_le_bytes());
    header[20..28].copy_from_slice(&ack.to_le_bytes());
    let check = crc32c::crc32c(&header[4..]);
    header[..4].copy_from_slice(&check.to_le_bytes());
}

/// The frame at the front of `bytes` and its length there, or nothing yet.
pub(crate) fn open(bytes: &[u8]) -> Result<Option<(Frame<'_>, usize)>, Fault> {
    let Some((header, rest)) = bytes.split_first_chunk::<HEADER>() else {
        return Ok(None);
    };
    if crc32c::crc32c(&header[4..]) != word(header, 0) {
        return Err(Fault::Checksum);
    }
    let length = (word(header, 8) & 0x00ff_ffff) as usize;
    let kind = match header[11] {
        0 => Kind::Ack,
        1 => Kind::Urgent,
        2 => Kind::Bulk,
        _ => return Err(Fault::Kind),
    };
    if length > PAYLOAD || (kind == Kind::Ack) != (length == 0) {
        return Err(Fault::Length);
    }
    let Some(payload) = rest.get(..length) else {
        return Ok(None);
    };
    if crc32c::crc32c(payload) != word(header, 4) {
        return Err(Fault::Checksum);
    }
    let frame = Frame {
        kind,
        number: long(header, 12),
        ack: long(header, 20),
        payload,
    };
    Ok(Some((frame, HEADER + length)))
}

fn word(header: &[u8; HEADER], at: usize) -> u32 {
    u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
}

fn long(header: &[u8; HEADER], at: usize) -> u64 {
    u64::from(word(header, at)) | u64::from(word(header, at + 4)) << 32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn frame(kind: Kind, payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; HEADER];
        bytes.extend_from_slice(payload);
        seal(&mut bytes, kind, 7, 9);
        bytes
    }

    proptest! {
        #[test]
        fn what_was_sealed_opens(payload in proptest::collection::vec(any::<u8>(), 1..2000), more in any::<[u8; 9]>()) {
            let sealed = frame(Kind::Bulk, &payload);
            let mut bytes = sealed.clone();
            bytes.extend_from_slice(&more);
            let (opened, length) = open(&bytes).unwrap().unwrap();
            prop_assert_eq!(opened, Frame { kind: Kind::Bulk, number: 7, ack: 9, payload: &payload });
            prop_assert_eq!(length, sealed.len());
        }

        #[test]
        fn every_part_of_a_frame_is_nothing_yet(payload in proptest::collection::vec(any::<u8>(), 1..200)) {
            let bytes = frame(Kind::Urgent, &payload);
            for end in 0..bytes.len() {
                prop_assert_eq!(open(&bytes[..end]), Ok(None));
            }
        }

        #[test]
        fn a_flipped_bit_is_seen(payload in proptest::collection::vec(any::<u8>(), 1..200), at in any::<prop::sample::Index>(), bit in 0..8) {
            let mut bytes = frame(Kind::Bulk, &payload);
            let at = at.index(bytes.len());
            bytes[at] ^= 1u8 << bit;
            prop_assert_eq!(open(&bytes), Err(Fault::Checksum));
        }

        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = open(&bytes);
        }

        /// Also where the checksum of the header is right.
        #[test]
        fn any_header_is_survived(mut bytes in proptest::collection::vec(any::<u8>(), HEADER..200)) {
            let check = crc32c::crc32c(&bytes[4..HEADER]);
            bytes[..4].copy_from_slice(&check.to_le_bytes());
            if let Ok(Some((frame, length))) = open(&bytes) {
                prop_assert!(frame.payload.len() <= PAYLOAD && length <= bytes.len());
            }
        }
    }
}
