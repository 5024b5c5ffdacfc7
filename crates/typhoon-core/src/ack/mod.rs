//! Storm's acking: each tracked tuple has a random 64-bit edge; a tree is done when the XOR of all edges made and
//! all edges settled is zero. The ledger lives on the thread of the spout that began the tree.

mod edges;
mod ledger;
mod lineage;
mod root;
mod wheel;

pub use edges::Edges;
pub use ledger::{Finished, Ledger, Outcome, Relay, Settled};
pub use lineage::Lineage;
pub use root::{BLOCK, Blocks, Root};
pub use wheel::Wheel;
