//! What workers say to one another, and how it gets from mailboxes into messages and back. No sockets here: who has
//! those calls [`Exchange`] on one thread.

mod exchange;
mod message;

pub use exchange::{Exchange, Lanes};
pub(crate) use message::TupleWriter;
pub use message::{Garbled, Letter, Message};
