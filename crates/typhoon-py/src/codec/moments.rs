//! Dates and times, as Python keeps them: `fold` in the highest bit of month or hour, then, if aware, the tzinfo.

use std::os::raw::c_int;

use pyo3::ffi;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyString, PyTuple};

use super::decode::Decoder;
use super::encode::Encoder;
use super::format::{self, ext};
use super::known;
use super::refused::{Done, Fault, Got, Why};
use crate::python::{Raw, Ref};

const FOLD: u8 = 0x80;

impl Encoder<'_, '_> {
    /// # Safety
    /// A datetime, alive; GIL held. So for all below, each with its own type.
    #[inline(never)]
    pub unsafe fn datetime(&mut self, value: Raw) -> Done {
        let start = format::begin_extension(self.out, ext::DATETIME);
        // SAFETY: as required of the caller; an aware datetime holds its tzinfo.
        unsafe {
            let year = ffi::PyDateTime_GET_YEAR(value) as u16;
            let month = ffi::PyDateTime_GET_MONTH(value) as u8;
            let fold = ffi::PyDateTime_DATE_GET_FOLD(value) as u8 * FOLD;
            format::put(self.out, year.to_be_bytes());
            format::put(self.out, [month | fold, ffi::PyDateTime_GET_DAY(value) as u8]);
            self.clock([
                ffi::PyDateTime_DATE_GET_HOUR(value),
                ffi::PyDateTime_DATE_GET_MINUTE(value),
                ffi::PyDateTime_DATE_GET_SECOND(value),
                ffi::PyDateTime_DATE_GET_MICROSECOND(value),
            ]);
            let zone = ffi::PyDateTime_DATE_GET_TZINFO(value);
            if zone != ffi::Py_None() {
                self.value(zone)?;
            }
        }
        Ok(format::end_extension(self.out, start)?)
    }

    fn clock(&mut self, [hour, minute, second, micro]: [c_int; 4]) {
        let [_, high, middle, low] = (micro as u32).to_be_bytes();
        format::put(
            self.out,
            [hour as u8, minute as u8, second as u8, high, middle, low],
        );
    }

    #[inline(never)]
    pub unsafe fn date(&mut self, value: Raw) -> Done {
        format::put(self.out, [format::EXT8, 4, ext::DATE]);
        // SAFETY: as required of the caller.
        unsafe {
            format::put(self.out, (ffi::PyDateTime_GET_YEAR(value) as u16).to_be_bytes());
            let (month, day) = (ffi::PyDateTime_GET_MONTH(value), ffi::PyDateTime_GET_DAY(value));
            format::put(self.out, [month as u8, day as u8]);
        }
        Ok(())
    }

    #[inline(never)]
    pub unsafe fn time(&mut self, value: Raw) -> Done {
        let start = format::begin_extension(self.out, ext::TIME);
        // SAFETY: as required of the caller.
        unsafe {
            let fold = c_int::from(ffi::PyDateTime_TIME_GET_FOLD(value)) * c_int::from(FOLD);
            self.clock([
                ffi::PyDateTime_TIME_GET_HOUR(value) | fold,
                ffi::PyDateTime_TIME_GET_MINUTE(value),
                ffi::PyDateTime_TIME_GET_SECOND(value),
                ffi::PyDateTime_TIME_GET_MICROSECOND(value),
            ]);
            let zone = ffi::PyDateTime_TIME_GET_TZINFO(value);
            if zone != ffi::Py_None() {
                self.value(zone)?;
            }
        }
        Ok(format::end_extension(self.out, start)?)
    }

    #[inline(never)]
    pub unsafe fn timedelta(&mut self, value: Raw) -> Done {
        format::put(self.out, [format::EXT8, 12, ext::TIMEDELTA]);
        // SAFETY: as required of the caller.
        let parts = unsafe {
            [
                ffi::PyDateTime_DELTA_GET_DAYS(value),
                ffi::PyDateTime_DELTA_GET_SECONDS(value),
                ffi::PyDateTime_DELTA_GET_MICROSECONDS(value),
            ]
        };
        for part in parts {
            format::put(self.out, part.to_be_bytes());
        }
        Ok(())
    }

    /// What the constructor took: the offset, and the name if it was given one.
    #[inline(never)]
    pub unsafe fn timezone(&mut self, value: Raw) -> Done {
        let py = self.py;
        // SAFETY: as required of the caller.
        let zone = unsafe { Bound::from_borrowed_ptr(py, value) };
        let arguments = zone
            .call_method0(intern!(py, "__getinitargs__"))
            .and_then(|arguments| Ok(arguments.cast_into::<PyTuple>()?))
            .map_err(|error| Box::new(Why::Raised(error)))?;
        let start = format::begin_extension(self.out, ext::TIMEZONE);
        for argument in &arguments {
            // SAFETY: alive.
            unsafe { self.value(argument.as_ptr())? };
        }
        Ok(format::end_extension(self.out, start)?)
    }

    /// A ZoneInfo travels by its key if that gives this very object here; zones of a file or out of the cache do not.
    #[inline(never)]
    pub unsafe fn zone_info(&mut self, value: Raw) -> Done {
        let py = self.py;
        // SAFETY: as required of the caller.
        let zone = unsafe { Bound::from_borrowed_ptr(py, value) };
        let key = || -> PyResult<Option<Bound<'_, PyString>>> {
            let Ok(key) = zone.getattr(intern!(py, "key"))?.cast_into::<PyString>() else {
                return Ok(None);
            };
            let same = known::ZONE_INFO.import(py)?.call1((&key,))?.is(&zone);
            Ok(same.then_some(key))
        };
        if let Ok(Some(key)) = key()
            && let Ok(key) = key.to_str()
        {
            format::extension(self.out, ext::ZONE_INFO, key.len())?;
            self.out.extend_from_slice(key.as_bytes());
            return Ok(());
        }
        // SAFETY: as required of the caller.
        unsafe { self.pickled(value) }
    }
}

impl Decoder<'_, '_> {
    #[inline(never)]
    pub fn datetime(&mut self) -> Got<Ref> {
        let api = self.api()?;
        let at = self.at;
        let year = u16::from_be_bytes(self.array()?);
        let [month, day] = self.array()?;
        let ([hour, minute, second, micro], late) = self.clock()?;
        let zone = self.zone()?;
        if late {
            return Err(self.corrupt("a datetime with its fold in the wrong place"));
        }
        // SAFETY: the API is there; all arguments are checked by the constructor.
        let value = unsafe {
            Ref::steal(((*api).DateTime_FromDateAndTimeAndFold)(
                year.into(),
                (month & !FOLD).into(),
                day.into(),
                hour,
                minute,
                second,
                micro,
                zone.as_ptr(),
                c_int::from(month & FOLD != 0),
                (*api).DateTimeType,
            ))
        };
        value.ok_or_else(|| Fault::fetch(self.py, "datetime", at))
    }

    #[inline(never)]
    pub fn date(&mut self) -> Got<Ref> {
        let api = self.api()?;
        let at = self.at;
        let year = u16::from_be_bytes(self.array()?);
        let [month, day] = self.array::<2>()?.map(c_int::from);
        // SAFETY: as above.
        let value = unsafe { Ref::steal(((*api).Date_FromDate)(year.into(), month, day, (*api).DateType)) };
        value.ok_or_else(|| Fault::fetch(self.py, "date", at))
    }

    #[inline(never)]
    pub fn time(&mut self) -> Got<Ref> {
        let api = self.api()?;
        let at = self.at;
        let ([hour, minute, second, micro], fold) = self.clock()?;
        let zone = self.zone()?;
        // SAFETY: as above.
        let value = unsafe {
            Ref::steal(((*api).Time_FromTimeAndFold)(
                hour,
                minute,
                second,
                micro,
                zone.as_ptr(),
                c_int::from(fold),
                (*api).TimeType,
            ))
        };
        value.ok_or_else(|| Fault::fetch(self.py, "time", at))
    }

    #[inline(never)]
    pub fn timedelta(&mut self) -> Got<Ref> {
        let api = self.api()?;
        let at = self.at;
        let days = i32::from_be_bytes(self.array()?);
        let seconds = i32::from_be_bytes(self.array()?);
        let micros = i32::from_be_bytes(self.array()?);
        // SAFETY: as above; 1: bring the parts into their ranges.
        let value = unsafe {
            Ref::steal(((*api).Delta_FromDelta)(
                days,
                seconds,
                micros,
                1,
                (*api).DeltaType,
            ))
        };
        value.ok_or_else(|| Fault::fetch(self.py, "timedelta", at))
    }

    #[inline(never)]
    pub fn timezone(&mut self) -> Got<Ref> {
        let api = self.api()?;
        let at = self.at;
        let offset = self.value()?;
        // SAFETY: alive; the API is there.
        let is_delta = unsafe { ffi::Py_TYPE(offset.as_ptr()) == (*api).DeltaType };
        if !is_delta {
            return Err(self.corrupt("a timezone whose offset is no timedelta"));
        }
        let name = if self.left() == 0 {
            None
        } else {
            Some(self.value()?)
        };
        // SAFETY: alive.
        let is_text = |name: &Ref| unsafe { ffi::PyUnicode_Check(name.as_ptr()) } != 0;
        if !name.as_ref().is_none_or(is_text) {
            return Err(self.corrupt("a timezone whose name is no str"));
        }
        let name = name.as_ref().map_or(std::ptr::null_mut(), Ref::as_ptr);
        // SAFETY: a timedelta, and a str or nothing; the range is checked by the constructor.
        let value = unsafe { Ref::steal(((*api).TimeZone_FromTimeZone)(offset.as_ptr(), name)) };
        value.ok_or_else(|| Fault::fetch(self.py, "timezone", at))
    }

    #[inline(never)]
    pub fn zone_info(&mut self) -> Got<Ref> {
        let (at, bytes) = (self.at, self.rest());
        let Ok(key) = std::str::from_utf8(bytes) else {
            return Err(self.corrupt("a time zone's key that is not UTF-8"));
        };
        let class = known::ZONE_INFO.import(self.py);
        match class.and_then(|class| class.call1((key,))) {
            Ok(zone) => Ok(zone.into()),
            // A machine that lacks the zone is no fault of the bytes; that of a key without sense looks the same.
            Err(error) => Err(Fault::invalid(self.py, "time zone of that key", error, at)),
        }
    }

    fn clock(&mut self) -> Got<([c_int; 4], bool)> {
        let [hour, minute, second, high, middle, low] = self.array()?;
        let micro = u32::from_be_bytes([0, high, middle, low]) as c_int;
        let parts = [c_int::from(hour & !FOLD), minute.into(), second.into(), micro];
        Ok((parts, hour & FOLD != 0))
    }

    /// The tzinfo, or None where nothing follows.
    fn zone(&mut self) -> Got<Ref> {
        if self.left() > 0 {
            return self.nested_value();
        }
        // SAFETY: GIL held.
        Ok(unsafe { Ref::share(ffi::Py_None()) })
    }

    fn api(&mut self) -> Got<*mut ffi::PyDateTime_CAPI> {
        // SAFETY: GIL held; the import sets the pointer, or an exception.
        unsafe {
            if ffi::PyDateTimeAPI().is_null() {
                ffi::PyDateTime_IMPORT();
            }
            let api = ffi::PyDateTimeAPI();
            if api.is_null() {
                return Err(Fault::fetch(self.py, "datetime", self.at));
            }
            Ok(api)
        }
    }
}
