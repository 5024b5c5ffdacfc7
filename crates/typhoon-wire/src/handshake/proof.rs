use super::message::{PREFIX, REFUSED};
use crate::handler::Refusal;
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};

pub(super) const PROOF: usize = 32;

/// What both ends prove that they know.
#[derive(Clone)]
pub(crate) struct Secret(hmac::Key);

impl Secret {
    pub fn new(secret: &[u8]) -> Self {
        Secret(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }
}

/// Bytes that nobody can foresee.
///
/// # Panics
/// When the system has no randomness to give, which no supported system says once it is up.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    SystemRandom::new()
        .fill(&mut bytes)
        .expect("the system's randomness");
    bytes
}

/// All that was said on a connection, in both directions.
#[derive(Clone)]
pub(super) struct Transcript {
    secret: Secret,
    said: Vec<u8>,
}

impl Transcript {
    /// It begins with the hello, which proves nothing.
    pub fn new(secret: &Secret, hello: &[u8]) -> Self {
        Transcript {
            secret: secret.clone(),
            said: framed(hello),
        }
    }

    /// Say `message`, with a proof behind it; returns what goes over the wire.
    pub fn say(&mut self, mut message: Vec<u8>) -> Vec<u8> {
        let proof = hmac::sign(&self.secret.0, &self.with(&message));
        message.extend_from_slice(proof.as_ref());
        let message = framed(&message);
        self.said.extend_from_slice(&message);
        message
    }

    /// Hear a message; returns what is between its tag and its proof.
    pub fn hear<'a>(&mut self, tag: u8, message: &'a [u8]) -> Result<&'a [u8], Refusal> {
        if let [REFUSED, code] = message {
            return Err(Refusal::from_code(*code).unwrap_or(Refusal::Garbage));
        }
        let (content, proof) = message.split_last_chunk::<PROOF>().ok_or(Refusal::Garbage)?;
        let (first, body) = content.split_first().ok_or(Refusal::Garbage)?;
        if *first != tag {
            return Err(Refusal::Garbage);
        }
        // In constant time.
        hmac::verify(&self.secret.0, &self.with(content), proof).map_err(|_| Refusal::Secret)?;
        self.said.extend_from_slice(&framed(message));
        Ok(body)
    }

    /// What a proof is about.
    fn with(&self, content: &[u8]) -> Vec<u8> {
        [&self.said, content].concat()
    }
}

/// Behind its length.
pub(super) fn framed(message: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(PREFIX + message.len());
    bytes.extend_from_slice(&(message.len() as u16).to_le_bytes());
    bytes.extend_from_slice(message);
    bytes
}

/// What a listener says instead of its next message.
pub(crate) fn refusal(why: Refusal) -> Vec<u8> {
    framed(&[REFUSED, why as u8])
}
