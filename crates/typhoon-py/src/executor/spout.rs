//! Spouts: they are asked for tuples, and told what became of them.

use std::ptr;

use pyo3::exceptions::PyStopIteration;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use typhoon_core::ack::{Finished, Outcome};
use typhoon_core::engine::{Cause, Desk, Next, Stop};

use super::{Executor, Method, Verdict, attached};
use crate::component::{Kept, Kit, Token};
use crate::python::Ref;
use crate::ran::ran;

impl Executor {
    pub fn ask(&mut self, desk: *mut Desk<Kit>, slot: usize) -> Result<Next, Stop> {
        self.lend(desk, |this| {
            // SAFETY: the desk is lent to us; no reference to it lives across a call into Python.
            while unsafe { (*desk).wants(slot) } {
                let task = &this.tasks[slot];
                // SAFETY: alive; GIL held.
                let result = ran(
                    unsafe { task.main.call(task.object.as_ptr(), ptr::null_mut()) },
                    "next_tuple",
                );
                if result.is_null() {
                    if this.no_tuple(slot)? == Next::Done {
                        return Ok(Next::Done);
                    }
                } else {
                    // SAFETY: a new reference.
                    unsafe { ffi::Py_DECREF(result) };
                }
            }
            Ok(Next::More)
        })
    }

    /// `next_tuple` raised: StopIteration ends the task.
    #[cold]
    pub(super) fn no_tuple(&mut self, slot: usize) -> Result<Next, Stop> {
        let py = attached();
        let error = PyErr::fetch(py);
        if error.is_instance_of::<PyStopIteration>(py) {
            if let Err(error) = self.ended(py, slot) {
                error.write_unraisable(py, None);
            }
            return Ok(Next::Done);
        }
        error.restore(py);
        match self.failed(slot, "next_tuple", None) {
            Verdict::Exit => Err(Stop),
            _ => Ok(Next::More),
        }
    }

    /// From now on the shell looks at what `fail` does: nobody else will ask this task for a lost tuple.
    fn ended(&mut self, py: Python<'_>, slot: usize) -> PyResult<()> {
        let task = &mut self.tasks[slot];
        let object = task.object.bind(py);
        let fail = task
            .fail
            .as_ref()
            .map(|fail| fail.callable(&object, "fail"))
            .transpose()?;
        let watched: Py<PyAny> = self
            .shell
            .bind(py)
            .call_method1("ended", (slot, fail))?
            .extract()?;
        task.fail = Some(Method::plain(py, watched));
        Ok(())
    }

    pub fn settled(&mut self, desk: *mut Desk<Kit>) -> Result<(), Stop> {
        self.lend(desk, |this| {
            // SAFETY: the desk is lent to us; no reference to it lives across a call into Python.
            while let Some(finished) = unsafe { (*desk).next_settled() } {
                let slot = match this.tasks.len() {
                    1 => 0,
                    // SAFETY: as above.
                    _ => unsafe { (*desk).slot(finished.task) },
                };
                this.tell(desk, slot, finished)?;
            }
            Ok(())
        })
    }

    #[inline(always)]
    pub(super) fn tell(
        &self,
        desk: *mut Desk<Kit>,
        slot: usize,
        finished: Finished<Token>,
    ) -> Result<(), Stop> {
        let Finished { token, outcome, .. } = finished;
        let id = match token {
            Token::Number(_) => return Ok(()),
            Token::Object(id) => id,
            Token::Kept(kept) => match self.out_of_replays(slot, &kept, outcome) {
                true => return self.bury(slot, &kept),
                false => kept.id.clone(),
            },
        };
        // SAFETY: lent; no Python code runs.
        self.tell_of(slot, &id, outcome, unsafe { (*desk).cause() })
    }

    /// Tell the spout what became of the tuple of this name; if it was lost, by which cause.
    #[inline(always)]
    pub(super) fn tell_of(&self, slot: usize, id: &Ref, outcome: Outcome, cause: Cause) -> Result<(), Stop> {
        let task = &self.tasks[slot];
        if outcome != Outcome::Acked
            && let Err(error) = task.handle().expect_replay(attached(), id)
        {
            error.write_unraisable(attached(), None);
        }
        let (phase, method) = match outcome {
            Outcome::Acked => ("ack", &task.ack),
            Outcome::Failed | Outcome::TimedOut => ("fail", &task.fail),
            Outcome::Lost => return self.tell_lost(slot, id, cause),
        };
        match method {
            Some(method) => self.call(slot, phase, method, id.as_ptr()),
            None => Ok(()),
        }
    }

    /// A worker died that may have held a part of the tree.
    #[cold]
    fn tell_lost(&self, slot: usize, id: &Ref, cause: Cause) -> Result<(), Stop> {
        let py = attached();
        if let Err(error) = self
            .shell
            .bind(py)
            .call_method1("lost", (slot, id.bind(py), cause))
        {
            error.restore(py);
            if matches!(self.failed(slot, "fail", None), Verdict::Exit) {
                return Err(Stop);
            }
        }
        Ok(())
    }

    /// Count a failure; true if there were `max_replays` of this tuple.
    pub(super) fn out_of_replays(&self, slot: usize, kept: &Kept, outcome: Outcome) -> bool {
        let py = attached();
        let (Some(limit), Some(failures)) = (self.max_replays, &self.tasks[slot].failures) else {
            return false;
        };
        // SAFETY: made as a dict.
        let failures: Bound<'_, PyDict> = unsafe { failures.bind(py).cast_into_unchecked() };
        let id = kept.id.bind(py);
        if outcome == Outcome::Lost {
            return false;
        }
        if outcome == Outcome::Acked {
            let _ = failures.del_item(id);
            PyErr::take(py);
            return false;
        }
        let count = failures
            .get_item(&id)
            .ok()
            .flatten()
            .and_then(|n| n.extract::<u32>().ok())
            .unwrap_or(0)
            + 1;
        let _ = failures.set_item(&id, count);
        count >= limit
    }

    pub(super) fn bury(&self, slot: usize, kept: &Kept) -> Result<(), Stop> {
        let py = attached();
        let stream = &self.tasks[slot].handle().streams[kept.stream].name;
        let arguments = (slot, kept.id.bind(py), kept.values.bind(py), stream.as_str());
        if let Err(error) = self.shell.bind(py).call_method1("bury", arguments) {
            error.write_unraisable(py, None);
        }
        Ok(())
    }
}
