//! The bytes of tuples for or from another worker: all tuples of a message lie in one piece of memory, which is freed
//! when the last of them is dropped. Who holds a tuple has one word for it.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::mem::ManuallyDrop;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering, fence};

/// At the front of the memory.
#[repr(C)]
struct Head {
    holders: AtomicUsize,
    /// Of all, this included.
    size: usize,
}

/// In front of the bytes of each tuple.
#[repr(C)]
struct Entry {
    /// From here back to the head,
    back: u32,
    /// and how many bytes follow.
    length: u32,
}

const ALIGN: usize = align_of::<Head>();
const ENTRY: usize = size_of::<Entry>();

/// Takes up tuples, and holds what it has taken up as long as it lives.
pub struct Store {
    head: NonNull<Head>,
    /// Where the next entry goes.
    at: usize,
    size: usize,
}

/// The tuple of `bytes` alone.
pub fn new(bytes: &[u8]) -> usize {
    let mut store = ManuallyDrop::new(Store::with_size(size_of::<Head>() + room(bytes.len())));
    // SAFETY: there is place for one. The store is not dropped: its hold is the tuple's.
    unsafe { store.append(bytes) }
}

/// What a tuple of so many bytes takes.
const fn room(length: usize) -> usize {
    (ENTRY + length).next_multiple_of(ALIGN)
}

/// Neither the values of a tuple nor a message come near the limit.
fn short(length: usize) -> u32 {
    u32::try_from(length).expect("a message of less than 4 GiB")
}

fn layout(size: usize) -> Layout {
    // As much as there is already in other memory, so it is far from the limit.
    Layout::from_size_align(size, ALIGN).expect("bytes that fit into memory")
}

impl Store {
    /// For the tuples of a message of so many bytes, of which at least sixteen for each are not of its values.
    pub fn new(message: usize) -> Self {
        // Of each tuple the place of what is not of its values is enough for the entry, and for aligning the next.
        Store::with_size(size_of::<Head>() + message)
    }

    fn with_size(size: usize) -> Self {
        let layout = layout(size);
        // SAFETY: the layout is not empty, and begins with place for the head.
        unsafe {
            let Some(block) = NonNull::new(alloc(layout)) else {
                handle_alloc_error(layout)
            };
            let head = block.cast::<Head>();
            head.write(Head {
                holders: AtomicUsize::new(1),
                size,
            });
            Store {
                head,
                at: size_of::<Head>(),
                size,
            }
        }
    }

    /// A tuple with one holder: the caller.
    pub fn put(&mut self, bytes: &[u8]) -> usize {
        if self.size - self.at < room(bytes.len()) {
            return new(bytes);
        }
        // SAFETY: there is place; the head lives as long as we do.
        unsafe {
            self.head.as_ref().holders.fetch_add(1, Ordering::Relaxed);
            self.append(bytes)
        }
    }

    /// # Safety
    /// There is place for it.
    unsafe fn append(&mut self, bytes: &[u8]) -> usize {
        // SAFETY: by the caller; nothing else is there yet.
        unsafe {
            let entry = self.head.cast::<u8>().add(self.at);
            entry.cast::<Entry>().write(Entry {
                back: short(self.at),
                length: short(bytes.len()),
            });
            entry
                .add(ENTRY)
                .copy_from_nonoverlapping(NonNull::from(bytes).cast(), bytes.len());
            self.at += room(bytes.len());
            entry.as_ptr() as usize
        }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        // SAFETY: we hold it, and do not any more.
        unsafe { let_go(self.head.as_ptr()) }
    }
}

/// # Safety
/// `tuple` comes from here and is held.
unsafe fn head(tuple: usize) -> *mut Head {
    // SAFETY: alive.
    unsafe { (tuple - (*(tuple as *const Entry)).back as usize) as *mut Head }
}

/// # Safety
/// `tuple` comes from here and is held for as long as the bytes are used.
pub unsafe fn bytes<'a>(tuple: usize) -> &'a [u8] {
    // SAFETY: written once, and never changed.
    unsafe {
        let length = (*(tuple as *const Entry)).length as usize;
        std::slice::from_raw_parts((tuple as *const u8).add(ENTRY), length)
    }
}

/// One more holder.
///
/// # Safety
/// `tuple` comes from here and is held.
pub unsafe fn hold(tuple: usize) {
    // SAFETY: alive. Who hands a tuple to another thread does so by means that order memory.
    unsafe { (*head(tuple)).holders.fetch_add(1, Ordering::Relaxed) };
}

/// One holder less.
///
/// # Safety
/// `tuple` comes from here; the caller held it and does not any more.
pub unsafe fn release(tuple: usize) {
    // SAFETY: by the caller.
    unsafe { let_go(head(tuple)) }
}

/// # Safety
/// The caller held one of the tuples, or the store, and does not any more.
unsafe fn let_go(head: *mut Head) {
    // SAFETY: alive until the last holder is gone, who alone comes to the end of this.
    unsafe {
        let alone = (*head).holders.load(Ordering::Acquire) == 1;
        if !alone && (*head).holders.fetch_sub(1, Ordering::Release) != 1 {
            return;
        }
        fence(Ordering::Acquire);
        dealloc(head.cast(), layout((*head).size));
    }
}

#[cfg(test)]
mod tests {
    use super::{Store, bytes, hold, new, release};

    fn some(length: usize) -> Vec<u8> {
        (0..length).map(|n| n as u8).collect()
    }

    #[test]
    fn bytes_are_there_until_the_last_holder_is_gone() {
        for length in [0, 1, 7, 100_000] {
            let tuple = new(&some(length));
            assert_eq!(tuple % 8, 0);
            // SAFETY: held by us, twice and then once.
            unsafe {
                hold(tuple);
                release(tuple);
                assert_eq!(bytes(tuple), some(length));
                release(tuple);
            }
        }
    }

    #[test]
    fn tuples_of_a_message_outlive_it_and_one_another() {
        let lengths = [0, 1, 8, 9, 300, 0, 0, 5];
        let mut store = Store::new(lengths.iter().map(|length| 16 + length).sum());
        let tuples = lengths.map(|length| store.put(&some(length)));
        drop(store);
        for (number, (tuple, length)) in tuples.into_iter().zip(lengths).enumerate().rev() {
            assert_eq!(tuple % 8, 0, "{number}");
            // SAFETY: held by us, once.
            unsafe {
                assert_eq!(bytes(tuple), some(length), "{number}");
                release(tuple);
            }
        }
    }
}
