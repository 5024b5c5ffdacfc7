//! What is counted and timed. The owner of a figure is one thread; any other may read it at any time.

mod counter;
mod latency;
mod timing;

pub use counter::Counter;
pub use latency::Latency;
pub use timing::Timing;
