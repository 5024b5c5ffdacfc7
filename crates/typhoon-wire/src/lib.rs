//! The links between the workers of a topology. They carry messages, and know neither Python nor tuples.
//!
//! [`Links`] has the connections of its process to all peers. A thread of its own drives them, unless another comes by
//! anyway: [`Pilot`]. A *session* joins two incarnations
//! of workers and outlives its connection: frames are numbered, kept until acknowledged, and sent again after a
//! reconnect, so that a message comes exactly once and in order, or [`Handler::lost`] says that it may not have come.
//!
//! | room | what belongs there |
//! |---|---|
//! | [`Links`], [`Config`], [`Handler`] | what the rest of the worker sees |
//! | `frame` | how a frame looks on the wire |
//! | `session` | numbers, what is kept, what is owed; pure: it has neither socket nor clock |
//! | `handshake` | who is there, the proof of it, and which session goes on; pure as well |
//! | `peer` | which incarnation of a peer is the present one, and when to dial it |
//! | `driver` | sockets, readiness, time |
//! | `helm` | whose turn it is to drive |

mod bell;
mod config;
mod driver;
mod figures;
mod frame;
mod handler;
mod handshake;
mod helm;
mod links;
mod peer;
mod session;

pub use config::{Address, Config, Tls};
pub use figures::{Figures, PeerFigures};
pub use handler::{Handler, Lost, Refusal, Unreadable};
pub use helm::Pilot;
pub use links::{Links, Ringer};
pub use session::{Outgoing, TooLong};
