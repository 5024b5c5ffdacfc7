//! The engine of Typhoon. It knows no Python and has no clock.
//!
//! A worker process is a set of [`engine::Loop`]s, one per thread. A loop owns the executors that take turns on it,
//! their inboxes, the ledger of the trees that its spouts began, and every counter that they touch; nothing of that
//! is shared. What crosses from one thread to another goes through a [`flow::Mailbox`].
//!
//! | room | what belongs there |
//! |---|---|
//! | [`flow`] | envelopes, routes and groupings, mailboxes between threads, the waker |
//! | [`ack`] | roots and edges, the XOR ledger, the rotating time-out |
//! | [`engine`] | the loop, the desk that a component works at, the traits that both sides meet in |
//! | [`measure`] | counters and histograms that other threads may read at any time |
//! | [`wire`] | what workers say to one another, as bytes |
//! | [`native`] | components that are ready to use and need no interpreter |

pub mod ack;
pub mod engine;
pub mod flow;
pub mod measure;
pub mod native;
pub mod wire;
