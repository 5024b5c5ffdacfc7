//! The bytes: MessagePack's markers, the numbers of our extension types, and how headers are written.

/// How many containers may lie within each other.
pub const DEPTH: u32 = 500;

/// An array of one.
pub const ONE: u8 = 0x91;
pub const NIL: u8 = 0xc0;
pub const FALSE: u8 = 0xc2;
pub const TRUE: u8 = 0xc3;
pub const BIN8: u8 = 0xc4;
pub const BIN16: u8 = 0xc5;
pub const BIN32: u8 = 0xc6;
pub const EXT8: u8 = 0xc7;
pub const EXT16: u8 = 0xc8;
pub const EXT32: u8 = 0xc9;
pub const FLOAT32: u8 = 0xca;
pub const FLOAT64: u8 = 0xcb;
pub const UINT8: u8 = 0xcc;
pub const UINT16: u8 = 0xcd;
pub const UINT32: u8 = 0xce;
pub const UINT64: u8 = 0xcf;
pub const INT8: u8 = 0xd0;
pub const INT16: u8 = 0xd1;
pub const INT32: u8 = 0xd2;
pub const INT64: u8 = 0xd3;
pub const FIXEXT1: u8 = 0xd4;
pub const FIXEXT16: u8 = 0xd8;
pub const STR8: u8 = 0xd9;
pub const STR16: u8 = 0xda;
pub const STR32: u8 = 0xdb;
pub const ARRAY16: u8 = 0xdc;
pub const ARRAY32: u8 = 0xdd;
pub const MAP16: u8 = 0xde;
pub const MAP32: u8 = 0xdf;

/// Extension types. A number once given is never given to something else; docs/reference/codec.md has the list.
pub mod ext {
    pub const TUPLE: u8 = 1;
    pub const SET: u8 = 2;
    pub const FROZENSET: u8 = 3;
    pub const BIG_INT: u8 = 4;
    pub const COMPLEX: u8 = 5;
    pub const SURROGATES: u8 = 6;
    pub const BYTEARRAY: u8 = 7;
    pub const MEMORYVIEW: u8 = 8;
    pub const DATETIME: u8 = 9;
    pub const DATE: u8 = 10;
    pub const TIME: u8 = 11;
    pub const TIMEDELTA: u8 = 12;
    pub const TIMEZONE: u8 = 13;
    pub const ZONE_INFO: u8 = 14;
    pub const DECIMAL: u8 = 15;
    pub const UUID: u8 = 16;
    pub const ARRAY: u8 = 17;
    pub const REGISTERED: u8 = 18;
    pub const PICKLE: u8 = 19;
}

/// A length that MessagePack cannot write: 4 GiB or more.
pub struct TooLong;

type Written = Result<(), TooLong>;

#[inline(always)]
pub fn put<const N: usize>(out: &mut Vec<u8>, bytes: [u8; N]) {
    out.extend_from_slice(&bytes);
}

/// A marker and what follows it, in one piece of `1 + W` = `N` bytes.
#[inline(always)]
fn marked<const W: usize, const N: usize>(out: &mut Vec<u8>, marker: u8, bytes: [u8; W]) {
    let mut all = [marker; N];
    all[1..].copy_from_slice(&bytes);
    put(out, all);
}

#[inline(always)]
pub fn integer(out: &mut Vec<u8>, value: i64) {
    match value {
        -32..=127 => put(out, [value as u8]),
        128.. => unsigned(out, value as u64),
        -0x80..=-33 => put(out, [INT8, value as u8]),
        -0x8000..=-0x81 => marked::<2, 3>(out, INT16, (value as i16).to_be_bytes()),
        -0x8000_0000..=-0x8001 => marked::<4, 5>(out, INT32, (value as i32).to_be_bytes()),
        _ => marked::<8, 9>(out, INT64, value.to_be_bytes()),
    }
}

#[inline(always)]
pub fn unsigned(out: &mut Vec<u8>, value: u64) {
    match value {
        0..=0x7f => put(out, [value as u8]),
        0x80..=0xff => put(out, [UINT8, value as u8]),
        0x100..=0xffff => marked::<2, 3>(out, UINT16, (value as u16).to_be_bytes()),
        0x1_0000..=0xffff_ffff => marked::<4, 5>(out, UINT32, (value as u32).to_be_bytes()),
        _ => marked::<8, 9>(out, UINT64, value.to_be_bytes()),
    }
}

#[inline(always)]
pub fn float(out: &mut Vec<u8>, value: f64) {
    marked::<8, 9>(out, FLOAT64, value.to_bits().to_be_bytes());
}

/// A checksum: always of the same width, so that it cannot be taken for another number.
pub fn checksum(out: &mut Vec<u8>, value: u32) {
    marked::<4, 5>(out, UINT32, value.to_be_bytes());
}

#[inline(always)]
pub fn text(out: &mut Vec<u8>, text: &[u8]) -> Written {
    match text.len() {
        length @ ..=31 => {
            // The longest that has one byte of header, in one go: most words are.
            out.reserve(32);
            put(out, [0xa0 | length as u8]);
            short(out, text);
            return Ok(());
        }
        length @ ..=0xff => put(out, [STR8, length as u8]),
        length @ ..=0xffff => marked::<2, 3>(out, STR16, (length as u16).to_be_bytes()),
        length => marked::<4, 5>(out, STR32, wide(length)?),
    }
    out.extend_from_slice(text);
    Ok(())
}

/// Append up to 31 bytes, for which there is room, without a call of memcpy.
#[inline(always)]
fn short(out: &mut Vec<u8>, text: &[u8]) {
    let length = text.len();
    debug_assert!(length <= 31 && out.capacity() - out.len() >= length);
    let (from, end) = (text.as_ptr(), out.len());
    // SAFETY: reads and writes stay within the first and last 16, 8 or 4 of `length` bytes, which may overlap; the room
    // was reserved, and is initialised when the length is set.
    unsafe {
        let to = out.as_mut_ptr().add(end);
        macro_rules! both_ends {
            ($type:ty) => {{
                let tail = length - size_of::<$type>();
                let (first, last) = (
                    from.cast::<$type>().read_unaligned(),
                    from.add(tail).cast::<$type>().read_unaligned(),
                );
                to.cast::<$type>().write_unaligned(first);
                to.add(tail).cast::<$type>().write_unaligned(last);
            }};
        }
        match length {
            0 => {}
            1..4 => {
                to.write(from.read());
                to.add(length / 2).write(from.add(length / 2).read());
                to.add(length - 1).write(from.add(length - 1).read());
            }
            4..8 => both_ends!(u32),
            8..16 => both_ends!(u64),
            _ => both_ends!(u128),
        }
        out.set_len(end + length);
    }
}

#[inline(always)]
pub fn binary(out: &mut Vec<u8>, bytes: &[u8]) -> Written {
    match bytes.len() {
        length @ ..=0xff => put(out, [BIN8, length as u8]),
        length @ ..=0xffff => marked::<2, 3>(out, BIN16, (length as u16).to_be_bytes()),
        length => marked::<4, 5>(out, BIN32, wide(length)?),
    }
    out.extend_from_slice(bytes);
    Ok(())
}

#[inline(always)]
pub fn array(out: &mut Vec<u8>, length: usize) -> Written {
    match length {
        ..=15 => put(out, [0x90 | length as u8]),
        16..=0xffff => marked::<2, 3>(out, ARRAY16, (length as u16).to_be_bytes()),
        _ => marked::<4, 5>(out, ARRAY32, wide(length)?),
    }
    Ok(())
}

#[inline(always)]
pub fn map(out: &mut Vec<u8>, length: usize) -> Written {
    match length {
        ..=15 => put(out, [0x80 | length as u8]),
        16..=0xffff => marked::<2, 3>(out, MAP16, (length as u16).to_be_bytes()),
        _ => marked::<4, 5>(out, MAP32, wide(length)?),
    }
    Ok(())
}

/// The header of an extension of `length` bytes, which the caller appends.
pub fn extension(out: &mut Vec<u8>, code: u8, length: usize) -> Written {
    match length {
        ..=0xff => put(out, [EXT8, length as u8, code]),
        _ => {
            marked::<4, 5>(out, EXT32, wide(length)?);
            put(out, [code]);
        }
    }
    Ok(())
}

/// Begin an extension of unknown length; [`end_extension`] gets the answer.
#[inline(always)]
pub fn begin_extension(out: &mut Vec<u8>, code: u8) -> usize {
    put(out, [EXT8, 0, code]);
    out.len()
}

/// Write the length of what was appended since. More than 255 bytes move by three, for a longer header.
#[inline(always)]
pub fn end_extension(out: &mut Vec<u8>, start: usize) -> Written {
    let length = out.len() - start;
    if length <= 0xff {
        out[start - 2] = length as u8;
        return Ok(());
    }
    long_extension(out, start, length)
}

#[cold]
fn long_extension(out: &mut Vec<u8>, start: usize, length: usize) -> Written {
    let code = out[start - 1];
    put(out, [0; 3]);
    out.copy_within(start..start + length, start + 3);
    out[start - 3] = EXT32;
    out[start - 2..start + 2].copy_from_slice(&wide(length)?);
    out[start + 2] = code;
    Ok(())
}

fn wide(length: usize) -> Result<[u8; 4], TooLong> {
    u32::try_from(length).map(u32::to_be_bytes).map_err(|_| TooLong)
}
