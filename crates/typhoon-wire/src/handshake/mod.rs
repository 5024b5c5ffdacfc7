//! Who is there, the proof of it, and which session goes on. Pure: bytes in, bytes out.
//!
//! | dialler | | listener |
//! |---|---|---|
//! | `Hello`: version, topology, both ends' names, attempt, nonce | → | |
//! | | ← | `Challenge`: nonce, proof |
//! | `Offer`: session, last number received, proof | → | |
//! | | ← | `Answer`: last number received or "not known", proof |
//!
//! A proof is the HMAC-SHA256, under the topology's secret, of all that was said so far on the connection, the message
//! itself included. Messages are told apart by their first byte, so none can stand for another. Instead of its next
//! message the listener may say why it refuses; since it proves nothing, the dialler only tries again later.
//!
//! The dialler chooses a session's number. Until it has an answer it offers the same number as a fresh one again, so an
//! answer that gets lost costs nothing.

mod dialler;
mod listener;
mod message;
mod proof;

pub(crate) use dialler::{Dialled, Dialler};
pub(crate) use listener::{Greeter, Greeting};
pub(crate) use message::{Answer, Hello, Offer, TOPOLOGY_LIMIT, split};
pub(crate) use proof::{Secret, random, refusal};

#[cfg(test)]
mod tests;
