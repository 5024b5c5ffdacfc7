/// What a payload must be able to do to travel to another worker.
pub trait Parcel: Sized {
    /// Where the bytes of all tuples of one message are kept.
    type Store;

    /// As bytes; what is packed already stays as it is. None if a value has no form in bytes.
    fn pack(self) -> Option<Self>;

    fn is_packed(&self) -> bool;

    /// The bytes of something packed; empty for anything else.
    fn packed(&self) -> &[u8];

    /// What another worker has packed. Not looked into before its turn comes: on a thread that knows no Python.
    fn arrived(bytes: &[u8], store: &mut Self::Store) -> Self;

    /// A store for a message of so many bytes, of which at least sixteen for each tuple are not of its values.
    fn store(message: usize) -> Self::Store;
}
