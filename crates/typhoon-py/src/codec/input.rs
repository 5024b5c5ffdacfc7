//! The bytes that are decoded, and how far.
//!
//! No length is believed before it was held against the bytes that are left. `owed` counts the items that open
//! containers still wait for, each of at least one byte: a container may claim only bytes that nobody else needs, so
//! that all that is allocated ahead is bounded by the input, however containers nest.

use pyo3::prelude::*;

use super::Options;
use super::refused::{Fault, Got};

pub struct Decoder<'a, 'py> {
    pub py: Python<'py>,
    pub options: Options,
    pub bytes: &'a [u8],
    pub at: usize,
    /// Where the extension ends that we are in, or the bytes.
    pub end: usize,
    /// How many items the open containers still wait for.
    pub owed: usize,
    pub depth: u32,
}

impl<'a, 'py> Decoder<'a, 'py> {
    #[inline(always)]
    pub fn new(py: Python<'py>, bytes: &'a [u8], options: Options) -> Self {
        Decoder {
            py,
            options,
            bytes,
            at: 0,
            end: bytes.len(),
            owed: 0,
            depth: 0,
        }
    }

    #[cold]
    pub fn corrupt(&self, what: &str) -> Box<Fault> {
        Box::new(Fault::Corrupt(what.to_owned(), self.at))
    }

    #[inline(always)]
    pub fn left(&self) -> usize {
        self.end - self.at
    }

    #[inline(always)]
    pub fn take(&mut self, length: usize) -> Got<&'a [u8]> {
        if length > self.left() {
            return Err(self.corrupt("the end"));
        }
        let start = self.at;
        self.at += length;
        Ok(&self.bytes[start..self.at])
    }

    /// All that is left of the extension.
    pub fn rest(&mut self) -> &'a [u8] {
        let start = self.at;
        self.at = self.end;
        &self.bytes[start..self.end]
    }

    #[inline(always)]
    pub fn byte(&mut self) -> Got<u8> {
        Ok(self.array::<1>()?[0])
    }

    #[inline(always)]
    pub fn array<const N: usize>(&mut self) -> Got<[u8; N]> {
        let mut bytes = [0; N];
        bytes.copy_from_slice(self.take(N)?);
        Ok(bytes)
    }

    #[inline(always)]
    pub fn length8(&mut self) -> Got<usize> {
        Ok(self.byte()?.into())
    }

    #[inline(always)]
    pub fn length16(&mut self) -> Got<usize> {
        Ok(u16::from_be_bytes(self.array()?).into())
    }

    #[inline(always)]
    pub fn length32(&mut self) -> Got<usize> {
        Ok(u32::from_be_bytes(self.array()?) as usize)
    }

    /// `items` will follow: are there bytes for them, besides what others wait for?
    #[inline(always)]
    pub fn claim(&mut self, items: usize) -> Got<()> {
        if items > self.left().saturating_sub(self.owed) {
            return Err(self.corrupt("a container with more items than bytes"));
        }
        self.owed += items;
        Ok(())
    }
}
