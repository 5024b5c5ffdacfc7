/// Values that cannot leave the process: at which position, of what type, and why not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsendable {
    pub position: usize,
    pub kind: String,
    pub why: String,
}

/// What a payload must be able to do to travel to another worker.
pub trait Parcel: Sized {
    /// As bytes; what is packed already stays as it is. Called inside the emit, once for all copies.
    ///
    /// # Errors
    /// When a value has no form in bytes.
    fn pack(self) -> Result<Self, Unsendable>;

    /// The bytes of something packed; empty for anything else.
    fn packed(&self) -> &[u8];

    /// What another worker has packed. Not looked into before its turn comes: on a thread that knows no Python.
    fn arrived(bytes: &[u8]) -> Self;
}
