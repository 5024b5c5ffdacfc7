//! The bytes of a tuple for or from another worker: length and reference count in the same piece of memory, which is
//! allocated once and is one word for who holds it.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering, fence};

/// Its address is even by more than two bits.
#[repr(C)]
struct Head {
    holders: AtomicUsize,
    length: usize,
}

const HEAD: usize = size_of::<Head>();

fn layout(length: usize) -> Layout {
    // A slice of this length exists, so it is far from the limit.
    Layout::from_size_align(HEAD + length, align_of::<Head>()).expect("bytes that fit into memory")
}

/// A copy of `bytes` with one holder.
pub fn new(bytes: &[u8]) -> usize {
    let layout = layout(bytes.len());
    // SAFETY: the layout is not empty; the block has place for the head and, behind it, the bytes.
    unsafe {
        let Some(block) = NonNull::new(alloc(layout)) else {
            handle_alloc_error(layout)
        };
        block.cast::<Head>().write(Head {
            holders: AtomicUsize::new(1),
            length: bytes.len(),
        });
        block
            .add(HEAD)
            .copy_from_nonoverlapping(NonNull::from(bytes).cast(), bytes.len());
        block.as_ptr() as usize
    }
}

/// # Safety
/// `block` comes from [`new`] and is held for as long as the bytes are used.
pub unsafe fn bytes<'a>(block: usize) -> &'a [u8] {
    // SAFETY: written by `new`, and never changed.
    unsafe {
        let length = (*(block as *const Head)).length;
        std::slice::from_raw_parts((block as *const u8).add(HEAD), length)
    }
}

/// One more holder.
///
/// # Safety
/// `block` comes from [`new`] and is held.
pub unsafe fn hold(block: usize) {
    // SAFETY: alive. Who gives a reference on does so by other means that order memory.
    unsafe { (*(block as *const Head)).holders.fetch_add(1, Ordering::Relaxed) };
}

/// One holder less; the last one frees it.
///
/// # Safety
/// `block` comes from [`new`]; the caller held it and does not any more.
pub unsafe fn release(block: usize) {
    // SAFETY: alive until the last holder is gone, who alone comes to the end of this.
    unsafe {
        let head = block as *const Head;
        let alone = (*head).holders.load(Ordering::Acquire) == 1;
        if !alone && (*head).holders.fetch_sub(1, Ordering::Release) != 1 {
            return;
        }
        fence(Ordering::Acquire);
        dealloc(block as *mut u8, layout((*head).length));
    }
}

#[cfg(test)]
mod tests {
    use super::{bytes, hold, new, release};

    #[test]
    fn bytes_are_there_until_the_last_holder_is_gone() {
        for length in [0, 1, 7, 100_000] {
            let wanted: Vec<u8> = (0..length).map(|n| n as u8).collect();
            let block = new(&wanted);
            assert_eq!(block % 8, 0);
            // SAFETY: held by us, twice and then once.
            unsafe {
                hold(block);
                release(block);
                assert_eq!(bytes(block), wanted);
                release(block);
            }
        }
    }
}
