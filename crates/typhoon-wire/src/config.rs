use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Where a worker listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A socket file that does not exist yet. Whoever may open it may try the handshake.
    Unix(PathBuf),
    /// Port 0 lets the system choose; [`crate::Links::address`] tells which it chose.
    Tcp(SocketAddr),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Unix(path) => write!(f, "unix:{}", path.display()),
            Address::Tcp(address) => write!(f, "tcp:{address}"),
        }
    }
}

/// The files for TLS 1.3, in PEM. Each end shows the other its certificate, and wants to see one from the same authority.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// Our certificate, and what leads from it to the authority's.
    pub certificate: PathBuf,
    pub key: PathBuf,
    /// The certificates of the authorities that we trust; only those.
    pub authority: PathBuf,
    /// The DNS name that the certificate of whom we dial must have: the same for all workers, as they have no hosts of
    /// their own.
    pub name: String,
}

/// Who we are, and the limits that we keep.
#[derive(Clone)]
pub struct Config {
    /// Our index in the topology. Of two workers, the one with the higher index dials.
    pub worker: u16,
    /// The number of this start of the worker: higher than that of each start before it.
    pub incarnation: u64,
    /// At most 255 bytes. Workers of other topologies are refused.
    pub topology: String,
    /// What both ends of a link prove that they know. It never crosses the wire.
    pub secret: Vec<u8>,
    pub listen: Address,
    /// A session of which nothing was heard for so long is lost. A connection that is silent for half of it is
    /// replaced.
    pub link_timeout: Duration,
    /// How long a connection may take from its first packet to its first frame.
    pub handshake_timeout: Duration,
    /// Longer messages are neither sent nor taken. At most 4 GiB - 1.
    pub message_limit: usize,
    /// Of each peer, [`crate::Handler::fill`] is not asked while so many bytes are unsent or not acknowledged. What is
    /// held can exceed it by what one `fill` appends.
    pub window: usize,
    /// Connections that have come in and proved nothing yet. One more drops the oldest.
    pub half_open_limit: usize,
    /// For all TCP connections, at both ends or at neither. Unix sockets never leave the machine.
    pub tls: Option<Tls>,
}

impl Config {
    /// With the usual limits: 2 s, 1 s, 256 MiB, 4 MiB, 32.
    #[must_use]
    pub fn new(worker: u16, incarnation: u64, topology: &str, secret: &[u8], listen: Address) -> Self {
        Config {
            worker,
            incarnation,
            topology: topology.to_owned(),
            secret: secret.to_owned(),
            listen,
            link_timeout: Duration::from_secs(2),
            handshake_timeout: Duration::from_secs(1),
            message_limit: 256 << 20,
            window: 4 << 20,
            half_open_limit: 32,
            tls: None,
        }
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("worker", &self.worker)
            .field("incarnation", &self.incarnation)
            .field("topology", &self.topology)
            .field("listen", &self.listen)
            .finish_non_exhaustive()
    }
}
