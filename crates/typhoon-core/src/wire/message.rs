use crate::ack::{Lineage, Root};
use crate::engine::Cause;
use crate::flow::{Envelope, Parcel, TaskId, Way};

/// A message that is not of this protocol: where reading it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Garbled {
    pub at: usize,
}

const TUPLES: u8 = 1;
const SETTLE: u8 = 2;
const FAIL: u8 = 3;
const RESET: u8 = 4;
const CREDIT: u8 = 5;
const LOST: u8 = 6;

/// What one message says. Numbers are little-endian; the first byte says which it is.
pub enum Message<P> {
    /// For each: way, number of roots, root and edge of each, length of the packed values, the values.
    Tuples(Vec<Envelope<P>>),
    /// Roots and edges that were settled.
    Settle(Vec<(Root, u64)>),
    Fail(Root),
    Reset(Root),
    /// The executor of this task may be sent so many more.
    Credit(Vec<(TaskId, u32)>),
    /// Tuples or acks were dropped that may have been of any tree which is pending now.
    Lost(Cause),
}

/// The space that a message of tuples begins with.
const FIRST: usize = 1024;

/// A message of tuples, on its way to the links.
pub struct Letter {
    pub(crate) bytes: Vec<u8>,
    /// How many there are for whom: numbers of executors, as the sender calls them.
    pub(crate) counts: Vec<(u32, u32)>,
}

/// Tuples, written one by one into messages of some `limit` bytes.
pub(crate) struct TupleWriter {
    buffer: Vec<u8>,
    counts: Vec<(u32, u32)>,
    limit: usize,
}

impl TupleWriter {
    /// Messages are about so long: two of them fit into a segment of a link.
    pub(crate) const MESSAGE: usize = 31 * 1024;

    pub(crate) fn new(limit: usize) -> Self {
        TupleWriter {
            buffer: Vec::new(),
            counts: Vec::new(),
            limit,
        }
    }

    /// Add one for the executor of that number. Gives a message that is full.
    pub(crate) fn add<P: Parcel>(&mut self, envelope: &Envelope<P>, number: u32) -> Option<Letter> {
        match self.counts.last_mut() {
            Some((last, count)) if *last == number => *count += 1,
            _ => self.counts.push((number, 1)),
        }
        if self.buffer.is_empty() {
            self.buffer.reserve(FIRST);
            self.buffer.push(TUPLES);
        }
        let buffer = &mut self.buffer;
        buffer.extend_from_slice(&envelope.way.bits().to_le_bytes());
        let count = buffer.len();
        let mut roots = 0u32;
        buffer.extend_from_slice(&roots.to_le_bytes());
        envelope.lineage.each(|root, edge| {
            roots += 1;
            buffer.extend_from_slice(&root.bits().to_le_bytes());
            buffer.extend_from_slice(&edge.to_le_bytes());
        });
        buffer[count..count + 4].copy_from_slice(&roots.to_le_bytes());
        let packed = envelope.payload.packed();
        buffer.extend_from_slice(&(packed.len() as u32).to_le_bytes());
        buffer.extend_from_slice(packed);
        (buffer.len() >= self.limit).then(|| self.take())
    }

    /// What is left.
    pub(crate) fn rest(&mut self) -> Option<Letter> {
        (!self.buffer.is_empty()).then(|| self.take())
    }

    fn take(&mut self) -> Letter {
        let mut counts = std::mem::take(&mut self.counts);
        // Neighbours are one already; where receivers take turns, no two neighbours are alike.
        counts.sort_unstable_by_key(|(number, _)| *number);
        counts.dedup_by(|next, kept| {
            let same = next.0 == kept.0;
            kept.1 += if same { next.1 } else { 0 };
            same
        });
        Letter {
            bytes: std::mem::take(&mut self.buffer),
            counts,
        }
    }
}

impl<P: Parcel> Message<P> {
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let mut out = Vec::new();
        match self {
            Message::Tuples(tuples) => {
                let mut writer = TupleWriter::new(usize::MAX);
                for envelope in tuples {
                    let _ = writer.add(envelope, 0);
                }
                return writer.rest().map_or_else(|| vec![TUPLES], |letter| letter.bytes);
            }
            Message::Settle(list) => {
                out.reserve(1 + 16 * list.len());
                out.push(SETTLE);
                for (root, edges) in list {
                    out.extend_from_slice(&root.bits().to_le_bytes());
                    out.extend_from_slice(&edges.to_le_bytes());
                }
            }
            Message::Fail(root) | Message::Reset(root) => {
                out.push(if matches!(self, Message::Fail(_)) {
                    FAIL
                } else {
                    RESET
                });
                out.extend_from_slice(&root.bits().to_le_bytes());
            }
            Message::Credit(list) => {
                out.push(CREDIT);
                for (task, count) in list {
                    out.extend_from_slice(&task.to_le_bytes());
                    out.extend_from_slice(&count.to_le_bytes());
                }
            }
            Message::Lost(cause) => {
                out.push(LOST);
                out.extend_from_slice(&cause.to_le_bytes());
            }
        }
        out
    }

    /// # Errors
    /// When the bytes are no message. Nothing is allocated for what is not there.
    pub fn read(bytes: &[u8]) -> Result<Self, Garbled> {
        let mut reader = Reader { bytes, at: 0 };
        let message = match reader.byte()? {
            TUPLES => {
                let mut store = P::store(bytes.len());
                Message::Tuples(reader.all(|reader| reader.envelope(&mut store))?)
            }
            SETTLE => Message::Settle(reader.all(|reader| Ok((reader.root()?, reader.long()?)))?),
            FAIL => Message::Fail(reader.root()?),
            RESET => Message::Reset(reader.root()?),
            CREDIT => Message::Credit(reader.all(|reader| Ok((reader.word()?, reader.word()?)))?),
            LOST => Message::Lost(reader.long()?),
            _ => return Err(Garbled { at: 0 }),
        };
        match reader.at == bytes.len() {
            true => Ok(message),
            false => Err(Garbled { at: reader.at }),
        }
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], Garbled> {
        let garbled = Garbled { at: self.at };
        let end = self.at.checked_add(count).ok_or(garbled)?;
        let taken = self.bytes.get(self.at..end).ok_or(garbled)?;
        self.at = end;
        Ok(taken)
    }

    fn number<const N: usize>(&mut self) -> Result<[u8; N], Garbled> {
        let garbled = Garbled { at: self.at };
        self.take(N)?.try_into().map_err(|_| garbled)
    }

    fn byte(&mut self) -> Result<u8, Garbled> {
        Ok(self.number::<1>()?[0])
    }

    fn word(&mut self) -> Result<u32, Garbled> {
        Ok(u32::from_le_bytes(self.number()?))
    }

    fn long(&mut self) -> Result<u64, Garbled> {
        Ok(u64::from_le_bytes(self.number()?))
    }

    fn root(&mut self) -> Result<Root, Garbled> {
        let garbled = Garbled { at: self.at };
        let root = Root::from_bits(self.long()?);
        // Neither the empty root nor the mark of a list comes from a ledger.
        (root.bits() != 0 && root.worker() < Root::WORKERS)
            .then_some(root)
            .ok_or(garbled)
    }

    fn envelope<P: Parcel>(&mut self, store: &mut P::Store) -> Result<Envelope<P>, Garbled> {
        let way = Way::from_bits(self.long()?);
        let lineage = match self.word()? {
            0 => Lineage::NONE,
            1 => Lineage::one(self.root()?, self.long()?),
            several => {
                let pairs = (0..several).map(|_| Ok((self.root()?, self.long()?)));
                Lineage::many(pairs.collect::<Result<Vec<_>, Garbled>>()?)
            }
        };
        let length = self.word()? as usize;
        let payload = P::arrived(self.take(length)?, store);
        Ok(Envelope {
            payload,
            lineage,
            way,
        })
    }

    /// As many as there are.
    fn all<T>(&mut self, mut one: impl FnMut(&mut Self) -> Result<T, Garbled>) -> Result<Vec<T>, Garbled> {
        let mut found = Vec::new();
        while self.at < self.bytes.len() {
            found.push(one(self)?);
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Debug, Clone, PartialEq)]
    struct Bytes(Vec<u8>);

    impl Parcel for Bytes {
        type Store = ();
        fn pack(self) -> Option<Self> {
            Some(self)
        }
        fn is_packed(&self) -> bool {
            true
        }
        fn packed(&self) -> &[u8] {
            &self.0
        }
        fn arrived(bytes: &[u8], _: &mut ()) -> Self {
            Bytes(bytes.to_vec())
        }
        fn store(_: usize) {}
    }

    fn root() -> impl Strategy<Value = Root> {
        (1u64..1 << 63)
            .prop_map(Root::from_bits)
            .prop_filter("a ledger's", |root| root.worker() < Root::WORKERS)
    }

    fn envelope() -> impl Strategy<Value = Envelope<Bytes>> {
        let pairs = prop::collection::vec((root(), 1u64..), 0..4);
        (any::<u64>(), pairs, prop::collection::vec(any::<u8>(), 0..40)).prop_map(|(way, pairs, bytes)| {
            Envelope {
                payload: Bytes(bytes),
                lineage: Lineage::many(pairs),
                way: Way::from_bits(way),
            }
        })
    }

    fn shown(envelopes: &[Envelope<Bytes>]) -> Vec<String> {
        envelopes
            .iter()
            .map(|one| format!("{:?} {:?} {:?}", one.way, one.lineage, one.payload))
            .collect()
    }

    proptest! {
        #[test]
        fn tuples_come_back(envelopes in prop::collection::vec(envelope(), 0..20), limit in 1usize..200) {
            let mut writer = TupleWriter::new(limit);
            let number = |one: &Envelope<Bytes>| one.way.destination() % 3;
            let full = envelopes.iter().filter_map(|one| writer.add(one, number(one)));
            let mut letters: Vec<Letter> = full.collect();
            letters.extend(writer.rest());
            let mut back = Vec::new();
            for Letter { bytes, counts } in &letters {
                let Ok(Message::Tuples(tuples)) = Message::<Bytes>::read(bytes) else {
                    return Err(TestCaseError::fail("no tuples"));
                };
                let counted = counts.iter().flat_map(|(number, count)| vec![*number; *count as usize]);
                let mut numbers: Vec<u32> = tuples.iter().map(number).collect();
                numbers.sort_unstable();
                prop_assert!(counted.eq(numbers));
                prop_assert!(counts.is_sorted_by(|one, next| one.0 < next.0));
                back.extend(tuples);
            }
            prop_assert_eq!(shown(&back), shown(&envelopes));
        }

        #[test]
        fn settlements_come_back(list in prop::collection::vec((root(), any::<u64>()), 0..20)) {
            match Message::<Bytes>::read(&Message::<Bytes>::Settle(list.clone()).write()) {
                Ok(Message::Settle(back)) => prop_assert_eq!(back, list),
                _ => prop_assert!(false),
            }
        }

        #[test]
        fn anything_else_is_refused_and_nothing_is_taken_for_it(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(message) = Message::<Bytes>::read(&bytes) {
                prop_assert_eq!(message.write().len(), bytes.len());
            }
        }
    }
}
