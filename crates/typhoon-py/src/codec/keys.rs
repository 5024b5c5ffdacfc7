//! Short texts that come again and again: small tables of those that were decoded last.
//!
//! Finding one costs less than making it, and Python need not hash it once more.

use std::cell::UnsafeCell;

use pyo3::ffi;
use pyo3::prelude::*;

use crate::python::{Raw, Ref};

/// So much a text that was found is worth against those that were not: below one in five it does not pay.
const HIT: u32 = 4;
const BEST: u32 = 1024;
/// One text in so many is looked for all the same.
const TRIAL: u32 = 32;

pub struct Table<const SLOTS: usize>(UnsafeCell<State<SLOTS>>);

struct State<const SLOTS: usize> {
    texts: [Raw; SLOTS],
    score: u32,
    trials: u32,
}

// SAFETY: only touched by the functions below, with the GIL held, and no Python code runs in them.
unsafe impl<const SLOTS: usize> Sync for Table<SLOTS> {}

/// The keys of dicts.
pub static KEYS: Table<1024> = Table::new();
/// Values of tuples.
pub static WORDS: Table<2048> = Table::new();

fn slot<const SLOTS: usize>(key: &[u8]) -> usize {
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

impl<const SLOTS: usize> Table<SLOTS> {
    const fn new() -> Self {
        assert!(SLOTS.is_power_of_two());
        Table(UnsafeCell::new(State {
            texts: [std::ptr::null_mut(); SLOTS],
            score: BEST,
            trials: 0,
        }))
    }

    /// The str of these bytes, if it is in the table.
    #[inline]
    pub fn find(&self, _gil: Python<'_>, key: &[u8]) -> Option<Ref> {
        // SAFETY: GIL held; what is in the table is a str of ASCII in its compact form, and ours.
        unsafe {
            let found = (*self.0.get()).texts[slot::<SLOTS>(key)];
            if found.is_null() || ffi::PyUnicode_GET_LENGTH(found) as usize != key.len() {
                return None;
            }
            let text = std::slice::from_raw_parts(ffi::PyUnicode_DATA(found).cast::<u8>(), key.len());
            (text == key).then(|| Ref::share(found))
        }
    }

    /// Keep the str of these bytes.
    pub fn keep(&self, _gil: Python<'_>, key: &[u8], text: &Ref) {
        // SAFETY: GIL held; alive. The end of a str runs no Python code, and comes after the table has let it go.
        unsafe {
            if key.is_ascii() {
                let slot = &mut (*self.0.get()).texts[slot::<SLOTS>(key)];
                let old = std::mem::replace(slot, text.clone().into_ptr());
                drop(Ref::steal(old));
            }
        }
    }

    /// Have texts been found often enough lately that it pays to look for one more?
    #[inline]
    pub fn pays(&self, _gil: Python<'_>) -> bool {
        // SAFETY: GIL held.
        let state = unsafe { &mut *self.0.get() };
        state.trials = state.trials.wrapping_add(1);
        state.score > 0 || state.trials.is_multiple_of(TRIAL)
    }

    /// What looking came to.
    #[inline]
    pub fn note(&self, _gil: Python<'_>, found: bool) {
        // SAFETY: GIL held.
        let state = unsafe { &mut *self.0.get() };
        state.score = match found {
            true => (state.score + HIT).min(BEST),
            false => state.score.saturating_sub(1),
        };
    }
}
