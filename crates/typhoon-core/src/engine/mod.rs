//! What drives a worker: loops (one per thread) on which executors take turns.

mod anchor;
mod bits;
mod component;
mod desk;
mod line;
mod shared;
mod spout;
mod traffic;
mod watch;

pub use anchor::{Anchor, Anchors, Input};
pub use component::{Clock, Component, Kit, Next, Stop};
pub use desk::{Desk, EmitError};
pub use line::{Loop, Rest};
pub use shared::{
    Cause, ExecutorPlan, Extent, Figures, Gauge, Kind, Mail, Order, Peer, Plan, Relayout, Shared, Status,
    Targets, WINDOW,
};
pub use traffic::Traffic;
pub use watch::{Held, Watchdog};
