//! Keys of dicts come again and again: a small table of those that were decoded last.
//!
//! Finding one costs less than making it, and Python need not hash it once more.

use std::cell::UnsafeCell;

use pyo3::ffi;
use pyo3::prelude::*;

use crate::python::{Raw, Ref};

const SLOTS: usize = 1024;

struct Table(UnsafeCell<[Raw; SLOTS]>);

// SAFETY: only touched by the functions below, with the GIL held, and no Python code runs in them.
unsafe impl Sync for Table {}

static TABLE: Table = Table(UnsafeCell::new([std::ptr::null_mut(); SLOTS]));

fn slot(key: &[u8]) -> usize {
    // Up to sixteen bytes count, from both ends; the longer ones rarely differ in the middle alone.
    let (first, last) = match (
        key.first_chunk(),
        key.last_chunk(),
        key.first_chunk(),
        key.last_chunk(),
    ) {
        (Some(first), Some(last), ..) => (u64::from_le_bytes(*first), u64::from_le_bytes(*last)),
        (_, _, Some(first), Some(last)) => (
            u32::from_le_bytes(*first).into(),
            u32::from_le_bytes(*last).into(),
        ),
        _ => key
            .iter()
            .fold((0, 0), |(all, _), byte| (all << 8 | u64::from(*byte), 0)),
    };
    let mixed = (first ^ last.rotate_left(29) ^ key.len() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> (64 - SLOTS.trailing_zeros())) as usize
}

/// The str of these bytes, if it is in the table.
#[inline]
pub fn find(_gil: Python<'_>, key: &[u8]) -> Option<Ref> {
    // SAFETY: GIL held; what is in the table is a str of ASCII in its compact form, and ours.
    unsafe {
        let found = (*TABLE.0.get())[slot(key)];
        if found.is_null() || ffi::PyUnicode_GET_LENGTH(found) as usize != key.len() {
            return None;
        }
        let text = std::slice::from_raw_parts(ffi::PyUnicode_DATA(found).cast::<u8>(), key.len());
        (text == key).then(|| Ref::share(found))
    }
}

/// Keep the str of these bytes.
pub fn keep(_gil: Python<'_>, key: &[u8], text: &Ref) {
    // SAFETY: GIL held; alive. The end of a str runs no Python code, and comes after the table has let it go.
    unsafe {
        if key.is_ascii() {
            let slot = &mut (*TABLE.0.get())[slot(key)];
            let old = std::mem::replace(slot, text.clone().into_ptr());
            drop(Ref::steal(old));
        }
    }
}
