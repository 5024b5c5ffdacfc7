//! How tuples move: what a queued tuple is, which task gets it, and how it crosses from one thread to another.

mod envelope;
mod mailbox;
mod parcel;
mod queue;
mod route;
mod waker;

pub use envelope::{Envelope, STREAM_TICK, TaskId, Way};
pub use mailbox::Mailbox;
pub use parcel::Parcel;
pub use queue::Queue;
pub use route::{Emits, Key, Outlet, Pick, Place, Places, Route};
pub use waker::Waker;
