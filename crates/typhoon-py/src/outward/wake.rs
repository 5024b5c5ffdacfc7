//! A spout says that it has data.

use pyo3::prelude::*;
use typhoon_core::engine::{Mail, Order};

use super::{object, running};
use crate::base;
use crate::component::Request;
use crate::python::{Raw, guarded, none};

pub unsafe extern "C" fn wake(slf: Raw, _: Raw) -> Raw {
    guarded(|_| {
        if let Some(handle) = base::handle(slf).filter(|handle| handle.is_live()) {
            let order = Order::Wake(handle.executor);
            handle.shared.peers[handle.line].post(vec![Mail::Order(order)]);
        }
        Ok(none())
    })
}

pub unsafe extern "C" fn wake_on(slf: Raw, fd: Raw) -> Raw {
    guarded(|py| {
        let held = running(py, slf)?;
        let handle = held.get();
        let fd = object(py, fd);
        let number = match fd.extract::<i32>() {
            Ok(number) => number,
            Err(_) => fd.call_method0("fileno")?.extract()?,
        };
        handle.post(Request::WakeOn(number));
        handle.shared.peers[handle.line].post(vec![Mail::Order(Order::Rings(handle.executor))]);
        Ok(none())
    })
}
