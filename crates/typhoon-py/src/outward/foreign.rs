//! Emits by threads that do not run the component: handed in, and carried out on the owner's thread.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use pyo3::ffi;
use pyo3::prelude::*;
use typhoon_core::ack::Lineage;
use typhoon_core::engine::{Anchors, Desk, EmitError};
use typhoon_core::flow::TaskId;

use super::arguments::Extras;
use super::emit::{send, spout_send};
use super::object;
use super::settle::settled_error;
use super::special::check_direct;
use super::values::{emit_error, to_payload};
use crate::component::{Kit, Request};
use crate::errors;
use crate::handle::Handle;
use crate::hash;
use crate::python::{Raw, Ref};
use crate::tuple::{State, TupleObject};

/// An emit that another thread handed in. Until it is carried out it is a tuple of its own: `lineage` has an edge for
/// it in each anchor's trees, so that none of them can end before.
pub struct Foreign {
    index: usize,
    values: Ref,
    lineage: Lineage,
    token: Option<Ref>,
    direct: Option<TaskId>,
    reply: Option<Reply>,
}

/// Where the task ids go to, or what refused the emit.
struct Reply {
    answer: SyncSender<PyResult<Vec<TaskId>>>,
    /// Set by whom it depends on from then on: the owner carries the emit out, or the asker has given it up.
    decided: Arc<AtomicBool>,
}

/// The asker's end of a [`Reply`].
type Asked = (Mutex<Receiver<PyResult<Vec<TaskId>>>>, Arc<AtomicBool>);

impl Reply {
    fn pair() -> (Option<Self>, Option<Asked>) {
        let (answer, receiver) = std::sync::mpsc::sync_channel(1);
        let decided = Arc::new(AtomicBool::new(false));
        let asked = (Mutex::new(receiver), Arc::clone(&decided));
        (Some(Reply { answer, decided }), Some(asked))
    }
}

/// An emit that was handed in and then refused; and its tup_id, of which the spout has to hear.
pub struct Refused {
    pub error: PyErr,
    pub id: Option<Ref>,
}

thread_local! {
    /// This thread runs a line of some engine: if it waited for another line, that could be waiting for this one.
    static RUNS_A_LINE: Cell<bool> = const { Cell::new(false) };
}

/// Say of this thread whether it runs a line.
pub fn runs_a_line(runs: bool) {
    RUNS_A_LINE.set(runs);
}

pub fn foreign_emit(
    py: Python<'_>,
    handle: &Handle,
    index: usize,
    values: Raw,
    anchors: &[Ref],
    token: Option<Ref>,
    extras: &Extras,
) -> PyResult<Vec<TaskId>> {
    let stream = &handle.streams[index];
    let payload = to_payload(py, handle, stream, values)?;
    let values = payload.to_tuple().ok_or_else(|| PyErr::fetch(py))?;
    check_direct(py, handle, stream, extras.direct)?;
    for key in &stream.keys {
        // SAFETY: in range: the arity was checked.
        let value = unsafe { ffi::PyTuple_GET_ITEM(values.as_ptr(), *key as isize) };
        hash::check(value).map_err(|error| emit_error(py, handle, stream, EmitError::Key(error)))?;
    }
    if extras.task_ids {
        refuse_on_event_loop(py, handle)?;
    }
    wait_for_turn(py, handle)?;
    let (reply, asked) = match extras.task_ids {
        true => Reply::pair(),
        false => (None, None),
    };
    let lineage = foreign_lineage(py, handle, anchors)?;
    handle.foreign.fetch_add(1, Ordering::SeqCst);
    handle.post(Request::Emit(
        handle.slot,
        Foreign {
            index,
            values,
            lineage,
            token,
            direct: extras.direct,
            reply,
        },
    ));
    match asked {
        Some((receiver, decided)) => task_ids(py, handle, &receiver, &decided),
        None => Ok(Vec::new()),
    }
}

/// Wait for the answer, but not for a thread that stays in one and the same call: that might be waiting for us.
fn task_ids(
    py: Python<'_>,
    handle: &Handle,
    receiver: &Mutex<Receiver<PyResult<Vec<TaskId>>>>,
    decided: &AtomicBool,
) -> PyResult<Vec<TaskId>> {
    let calls = || handle.shared.figures[handle.number].all_calls();
    let (mut seen, mut since) = (calls(), Instant::now());
    loop {
        match py.detach(|| receive(receiver, Duration::from_millis(20))) {
            Ok(answer) => return answer,
            Err(RecvTimeoutError::Disconnected) => return Err(closed(py, handle)),
            Err(RecvTimeoutError::Timeout) if !handle.is_live() => return Err(closed(py, handle)),
            Err(RecvTimeoutError::Timeout) if calls() != seen => (seen, since) = (calls(), Instant::now()),
            Err(RecvTimeoutError::Timeout) => {}
        }
        if since.elapsed() > Duration::from_secs(1) && !decided.swap(true, Ordering::SeqCst) {
            let message = format!(
                "'{}' emitted from another thread with need_task_ids while its own thread is busy in one call, \
                 perhaps waiting for this very thread; nothing was emitted\nhint: emit without need_task_ids",
                handle.component
            );
            return Err(errors::new(py, "WouldDeadlockError", message));
        }
    }
}

/// An emit of another thread, which says nothing of anchors, has none: say so once, unless the bolt never anchors.
pub fn tell_unanchored(py: Python<'_>, bolt: Raw, handle: &Handle) -> PyResult<()> {
    if !handle.acking || handle.told_unanchored.swap(true, Ordering::Relaxed) {
        return Ok(());
    }
    if !object(py, bolt).getattr("auto_anchor")?.is_truthy()? {
        return Ok(());
    }
    let logger = py
        .import("logging")?
        .call_method1("getLogger", ("typhoon.worker",))?;
    let text = "%r emits from a thread that is in no call for a tuple, so what it emits there is anchored to \
                nothing, and lost for good if it fails (said once)\n\
                hint: pass anchors=[tup]; or anchors=[] if that is what you mean";
    logger.call_method1("warning", (text, handle.component.as_str()))?;
    Ok(())
}

/// An edge from each anchor to the emit that is handed in now. Nothing after this may refuse the emit.
fn foreign_lineage(py: Python<'_>, handle: &Handle, anchors: &[Ref]) -> PyResult<Lineage> {
    let tuples = || anchors.iter().map(|anchor| anchor.as_ptr().cast::<TupleObject>());
    // SAFETY: Tuples, by `anchor_list`; the GIL guards their fields.
    if tuples().any(|tuple| unsafe { (*tuple).state } == State::Settled) {
        return Err(settled_error(py, handle));
    }
    let mut pairs = Vec::new();
    for tuple in tuples() {
        let edge = handle.foreign_edge();
        // SAFETY: as above.
        unsafe {
            (*tuple).made ^= edge;
            (*tuple).lineage.each(|root, _| pairs.push((root, edge)));
        }
    }
    Ok(Lineage::many(pairs))
}

/// Wait for an answer, without the GIL.
pub fn receive<T>(receiver: &Mutex<Receiver<T>>, timeout: Duration) -> Result<T, RecvTimeoutError> {
    receiver
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .recv_timeout(timeout)
}

fn closed(py: Python<'_>, handle: &Handle) -> PyErr {
    let message = format!(
        "'{}' was closed before its emit was carried out",
        handle.component
    );
    errors::new(py, "NotRunningError", message)
}

/// An event loop's thread must not wait: whatever else it runs would stand still.
fn refuse_on_event_loop(py: Python<'_>, handle: &Handle) -> PyResult<()> {
    // Where nobody has imported asyncio there is no loop, and an import would cost 30 ms.
    let modules = py.import("sys")?.getattr("modules")?;
    let Ok(asyncio) = modules.get_item("asyncio") else {
        return Ok(());
    };
    if asyncio.call_method0("_get_running_loop")?.is_none() {
        return Ok(());
    }
    let message = format!(
        "'{}' emitted on the thread of an event loop, which would have to wait; nothing was emitted\n\
         hint: await asyncio.to_thread(component.emit, values)",
        handle.component
    );
    Err(errors::new(py, "WouldDeadlockError", message))
}

/// Another thread waits while too much of what was emitted has not left, but not for a thread that stays in one and the
/// same call: that might be waiting for us. Then emits are let through, up to the hard limit, until that call has ended.
fn wait_for_turn(py: Python<'_>, handle: &Handle) -> PyResult<()> {
    if handle.unsent() < handle.high_water {
        return Ok(());
    }
    refuse_on_event_loop(py, handle)?;
    let calls = || handle.shared.figures[handle.number].all_calls();
    let (mut seen, mut since) = (calls(), Instant::now());
    while handle.unsent() >= handle.high_water {
        if !handle.is_live() {
            return Err(closed(py, handle));
        }
        let stays = handle.owner_is_calling() && calls() == seen;
        let for_long = handle.stays_in.load(Ordering::Relaxed) == seen || since.elapsed() > PATIENCE;
        if stays && for_long {
            handle.stays_in.store(seen, Ordering::Relaxed);
        }
        if (stays && for_long) || RUNS_A_LINE.get() {
            if handle.unsent() >= handle.hard_limit {
                return Err(emit_error(py, handle, &handle.streams[0], EmitError::Full));
            }
            return Ok(());
        }
        py.detach(|| std::thread::sleep(Duration::from_micros(200)));
        if calls() != seen {
            (seen, since) = (calls(), Instant::now());
        }
    }
    Ok(())
}

/// So long a call is taken to make progress.
const PATIENCE: Duration = Duration::from_millis(20);

impl Foreign {
    /// Carry it out, on the owner's thread.
    pub fn perform(
        self,
        py: Python<'_>,
        handle: &Handle,
        desk: *mut Desk<Kit>,
        object_of: Raw,
    ) -> Result<(), Refused> {
        handle.foreign.fetch_sub(1, Ordering::SeqCst);
        let given_up = |reply: &Reply| reply.decided.swap(true, Ordering::SeqCst);
        if self.reply.as_ref().is_some_and(given_up) {
            // SAFETY: as in `route`.
            unsafe { (*desk).pass(&self.lineage, 0) };
            return Ok(());
        }
        let sent = self.send(py, handle, desk, object_of);
        match (self.reply, sent) {
            (Some(reply), sent) => {
                let _ = reply.answer.try_send(sent);
                Ok(())
            }
            (None, Ok(_)) => Ok(()),
            (None, Err(error)) => Err(Refused {
                error,
                id: self.token.filter(|_| handle.acking),
            }),
        }
    }

    fn send(
        &self,
        py: Python<'_>,
        handle: &Handle,
        desk: *mut Desk<Kit>,
        object_of: Raw,
    ) -> PyResult<Vec<TaskId>> {
        let extras = Extras {
            direct: self.direct,
            task_ids: self.reply.is_some(),
            name: self.token.as_ref().map(Ref::as_ptr),
        };
        let values = self.values.as_ptr();
        if let Some(id) = &self.token {
            let id = Some(id.as_ptr());
            return spout_send(py, object_of, handle, desk, self.index, values, id, &extras);
        }
        let mut anchors = [(self.lineage.clone(), 0)];
        let sent = send(
            py,
            handle,
            desk,
            self.index,
            values,
            Anchors(&mut anchors),
            &extras,
        );
        let [(lineage, made)] = &anchors;
        // SAFETY: as in `route`.
        unsafe {
            match &sent {
                Ok(_) => (*desk).pass(lineage, *made),
                Err(_) => (*desk).fail(lineage),
            }
        }
        sent
    }
}
