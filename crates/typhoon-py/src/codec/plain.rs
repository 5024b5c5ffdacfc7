//! Rows of plain values, for components that know no Python: the same bytes, written and read without an interpreter.

use typhoon_core::native::Value;

use super::format::{self, TooLong};
use super::refused::{Refused, Why};

/// Append the values to `out`, which is left anyhow if they are more than `limit` bytes.
pub fn encode(values: &[Value], out: &mut Vec<u8>, limit: usize) -> Result<(), Refused> {
    format::array(out, values.len()).map_err(|error| Refused::new(0, error.into()))?;
    for (position, value) in values.iter().enumerate() {
        let written = write(value, out).map_err(Into::into);
        let fits = |()| match out.len() <= limit {
            true => Ok(()),
            false => Err(Box::new(Why::Size)),
        };
        written
            .and_then(fits)
            .map_err(|why| Refused::new(position, why))?;
    }
    Ok(())
}

fn write(value: &Value, out: &mut Vec<u8>) -> Result<(), TooLong> {
    match value {
        Value::Nothing => format::put(out, [format::NIL]),
        Value::Bool(value) => format::put(out, [if *value { format::TRUE } else { format::FALSE }]),
        Value::Int(value) => format::integer(out, *value),
        Value::Float(value) => format::float(out, *value),
        Value::Text(value) => return format::text(out, value.as_bytes()),
        Value::Bytes(value) => return format::binary(out, value),
    }
    Ok(())
}

/// The values, if all of them are plain.
pub fn decode(bytes: &[u8]) -> Option<Vec<Value>> {
    let mut reader = Reader(bytes);
    let length = match reader.byte()? {
        marker @ 0x90..=0x9f => usize::from(marker & 0x0f),
        format::ARRAY16 => reader.number::<2>()? as usize,
        format::ARRAY32 => reader.number::<4>()? as usize,
        _ => return None,
    };
    // No item is shorter than a byte.
    let mut values = Vec::with_capacity(length.min(bytes.len()));
    for _ in 0..length {
        values.push(reader.value()?);
    }
    reader.0.is_empty().then_some(values)
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        Some(self.take(1)?[0])
    }

    /// Big-endian, of `N` bytes.
    fn number<const N: usize>(&mut self) -> Option<u64> {
        let bytes = self.take(N)?;
        Some(bytes.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)))
    }

    fn text(&mut self, length: usize) -> Option<Value> {
        let text = std::str::from_utf8(self.take(length)?).ok()?;
        Some(Value::Text(text.into()))
    }

    fn binary(&mut self, length: usize) -> Option<Value> {
        Some(Value::Bytes(self.take(length)?.into()))
    }

    fn value(&mut self) -> Option<Value> {
        Some(match self.byte()? {
            format::NIL => Value::Nothing,
            format::FALSE => Value::Bool(false),
            format::TRUE => Value::Bool(true),
            marker @ 0x00..=0x7f => Value::Int(marker.into()),
            marker @ 0xe0..=0xff => Value::Int((marker as i8).into()),
            format::UINT8 => Value::Int(self.number::<1>()? as i64),
            format::UINT16 => Value::Int(self.number::<2>()? as i64),
            format::UINT32 => Value::Int(self.number::<4>()? as i64),
            format::UINT64 => Value::Int(i64::try_from(self.number::<8>()?).ok()?),
            format::INT8 => Value::Int((self.number::<1>()? as i8).into()),
            format::INT16 => Value::Int((self.number::<2>()? as i16).into()),
            format::INT32 => Value::Int((self.number::<4>()? as i32).into()),
            format::INT64 => Value::Int(self.number::<8>()? as i64),
            format::FLOAT64 => Value::Float(f64::from_bits(self.number::<8>()?)),
            marker @ 0xa0..=0xbf => return self.text(usize::from(marker & 0x1f)),
            format::STR8 => {
                let length = self.number::<1>()?;
                return self.text(length as usize);
            }
            format::STR16 => {
                let length = self.number::<2>()?;
                return self.text(length as usize);
            }
            format::STR32 => {
                let length = self.number::<4>()?;
                return self.text(length as usize);
            }
            format::BIN8 => {
                let length = self.number::<1>()?;
                return self.binary(length as usize);
            }
            format::BIN16 => {
                let length = self.number::<2>()?;
                return self.binary(length as usize);
            }
            format::BIN32 => {
                let length = self.number::<4>()?;
                return self.binary(length as usize);
            }
            _ => return None,
        })
    }
}
