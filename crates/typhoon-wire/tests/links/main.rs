//! Links over real sockets, several workers in one process.

mod load;
mod node;
