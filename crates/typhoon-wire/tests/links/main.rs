//! Links over real sockets, several workers in one process.

mod chaos;
mod damage;
mod lifecycle;
mod load;
mod node;
mod pilot;
mod proxy;
mod strangers;
mod tls;
