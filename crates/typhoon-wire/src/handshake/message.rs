//! How the messages of a handshake look. Each stands behind its length (2 bytes); all numbers are little-endian.

use crate::handler::Refusal;

const MAGIC: &[u8; 8] = b"TYPHOON\n";
/// To be raised with every change to what crosses the wire.
const VERSION: u16 = 1;
pub(super) const PREFIX: usize = 2;
/// No message of a handshake is longer.
const LIMIT: usize = 512;
pub(crate) const TOPOLOGY_LIMIT: usize = 255;

pub(super) const HELLO: u8 = 1;
pub(super) const CHALLENGE: u8 = 2;
pub(super) const OFFER: u8 = 3;
pub(super) const ANSWER: u8 = 4;
pub(super) const REFUSED: u8 = 5;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hello {
    pub topology: String,
    pub from: (u16, u64),
    pub to: (u16, u64),
    /// Rises with each connection that this incarnation of the dialler opens to this peer.
    pub attempt: u64,
    pub nonce: [u8; 32],
}

/// What the dialler wants to go on with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Offer {
    pub session: u64,
    /// The last number that it has received.
    pub received: u64,
    /// It knows of no answer to an offer of this session.
    pub fresh: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The session goes on; this is the last number that the listener has received.
    Resume(u64),
    /// The listener does not have this session, or not any more.
    Unknown,
}

/// The first whole message in `bytes` and how many bytes it takes with its length, or nothing yet.
pub(crate) fn split(bytes: &[u8]) -> Result<Option<(&[u8], usize)>, Refusal> {
    let Some((prefix, rest)) = bytes.split_first_chunk::<PREFIX>() else {
        return Ok(None);
    };
    let length = usize::from(u16::from_le_bytes(*prefix));
    if length == 0 || length > LIMIT {
        return Err(Refusal::Garbage);
    }
    Ok(rest.get(..length).map(|message| (message, PREFIX + length)))
}

impl Hello {
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![HELLO];
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        for (worker, incarnation) in [self.from, self.to] {
            bytes.extend_from_slice(&worker.to_le_bytes());
            bytes.extend_from_slice(&incarnation.to_le_bytes());
        }
        bytes.extend_from_slice(&self.attempt.to_le_bytes());
        bytes.extend_from_slice(&self.nonce);
        bytes.extend_from_slice(self.topology.as_bytes());
        bytes
    }

    /// A version that we do not speak is told apart from garbage, and nothing behind it is looked at.
    pub fn decode(bytes: &[u8]) -> Result<Self, Refusal> {
        let mut fields = Fields(bytes);
        if fields.byte()? != HELLO || fields.take::<8>()? != MAGIC {
            return Err(Refusal::Garbage);
        }
        if fields.short()? != VERSION {
            return Err(Refusal::Version);
        }
        let from = (fields.short()?, fields.long()?);
        let to = (fields.short()?, fields.long()?);
        let attempt = fields.long()?;
        let nonce = *fields.take()?;
        let topology = std::str::from_utf8(fields.0).map_err(|_| Refusal::Garbage)?;
        Ok(Hello {
            topology: topology.to_owned(),
            from,
            to,
            attempt,
            nonce,
        })
    }
}

impl Offer {
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![OFFER, u8::from(self.fresh)];
        bytes.extend_from_slice(&self.session.to_le_bytes());
        bytes.extend_from_slice(&self.received.to_le_bytes());
        bytes
    }

    /// `bytes` without the tag.
    pub fn decode(bytes: &[u8]) -> Result<Self, Refusal> {
        let mut fields = Fields(bytes);
        Ok(Offer {
            fresh: fields.byte()? != 0,
            session: fields.long()?,
            received: fields.long()?,
        })
    }
}

impl Answer {
    pub fn encode(&self) -> Vec<u8> {
        let (known, received) = match self {
            Answer::Resume(received) => (1, *received),
            Answer::Unknown => (0, 0),
        };
        let mut bytes = vec![ANSWER, known];
        bytes.extend_from_slice(&u64::to_le_bytes(received));
        bytes
    }

    /// `bytes` without the tag.
    pub fn decode(bytes: &[u8]) -> Result<Self, Refusal> {
        let mut fields = Fields(bytes);
        match fields.byte()? {
            0 => Ok(Answer::Unknown),
            _ => Ok(Answer::Resume(fields.long()?)),
        }
    }
}

/// Takes bytes apart from the front.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take<const N: usize>(&mut self) -> Result<&'a [u8; N], Refusal> {
        let (field, rest) = self.0.split_first_chunk().ok_or(Refusal::Garbage)?;
        self.0 = rest;
        Ok(field)
    }

    fn byte(&mut self) -> Result<u8, Refusal> {
        Ok(self.take::<1>()?[0])
    }

    fn short(&mut self) -> Result<u16, Refusal> {
        Ok(u16::from_le_bytes(*self.take()?))
    }

    fn long(&mut self) -> Result<u64, Refusal> {
        Ok(u64::from_le_bytes(*self.take()?))
    }
}
