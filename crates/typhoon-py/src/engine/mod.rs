//! The `Engine` class: one worker, driven by the Python half in `typhoon.worker`.

mod build;
mod links;

use std::collections::HashMap;
use std::os::fd::RawFd;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use typhoon_core::engine::{Cause, Clock, Loop, Mail, Order, Relayout, Rest, Shared, Stop, Watchdog};
use typhoon_core::flow::{Emits, Place, Places};
use typhoon_wire::{Config, Links, Pilot, Tls};

use crate::clock::{self, WorkerClock};
use crate::component::{Kit, Request};
use crate::errors;
use crate::handle::Aside;
use crate::outward::{receive, runs_a_line};
use crate::plan::WorkerPlan;
use crate::python::Ref;
use crate::stepper::Stepper;
use build::Builder;
use links::Ends;

/// Between two looks of the watchdog.
const GLANCE: Duration = Duration::from_millis(10);
/// A line that is busy without running any Python code looks this often whether another thread wants the GIL.
const OFFER: u64 = 1_000_000;

/// For each route of a stream: the targets, and how many of them are near.
type RouteTargets = Vec<(Vec<u32>, usize)>;

type WakeOn = Arc<Mutex<Vec<(RawFd, usize)>>>;

struct Line {
    looped: Option<Loop<Kit>>,
    wake_on: WakeOn,
    /// Only native components: it runs without the GIL.
    detached: bool,
    /// Only bolts of coroutines: an event loop drives it.
    aside: Option<Arc<Aside>>,
}

struct Counts {
    executor: usize,
    stream: String,
    count: Arc<Emits>,
}

/// The engine of one worker, made from a plan (see `plan.rs`). `run(line)` is called once for each line, on a thread
/// of its own; everything else may be called from any thread.
#[pyclass(frozen, module = "typhoon._core")]
pub struct Engine {
    shared: Arc<Shared<Kit>>,
    lines: Mutex<Vec<Line>>,
    counts: Vec<Counts>,
    /// Executors that have a thread of their own, by number; and the place of each in its loop.
    alone: Vec<bool>,
    places: Vec<(usize, usize)>,
    clock: WorkerClock,
    /// CPU clocks of the lines' threads; 0 before and after they run.
    cpu_clocks: Vec<AtomicU64>,
    /// Which worker this is, and how much an executor may have waiting.
    worker: (u16, u64),
    high_water: usize,
    /// The way to other workers, where there are any.
    links: Mutex<Option<(Arc<Ends>, Links)>>,
    watching: AtomicBool,
    watchdog: Mutex<Watchdog>,
    /// A Python function that does nothing (see [`Engine::offer`]).
    nothing: Py<PyAny>,
}

#[pymethods]
impl Engine {
    /// `fake_time`: nanoseconds to begin at, when the time is moved on by `set_time` only.
    #[new]
    #[pyo3(signature = (plan, fake_time=None))]
    fn new(py: Python<'_>, plan: WorkerPlan, fake_time: Option<u64>) -> PyResult<Self> {
        clock::calibrate();
        let clock = fake_time.map_or(WorkerClock::Real, |time| {
            WorkerClock::Fake(Arc::new(AtomicU64::new(time)))
        });
        let build = || Builder::new(py, &plan)?.build(py, &plan, clock);
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(build))
            .unwrap_or_else(|panic| Err(errors::panicked(py, panic.as_ref())))
    }

    /// Run one line until the engine is stopped. Raises if the engine itself failed.
    fn run(&self, py: Python<'_>, line: usize) -> PyResult<()> {
        let (mut looped, wake_on, detached) = {
            let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
            let line = lines
                .get_mut(line)
                .ok_or_else(|| PyValueError::new_err("no such line"))?;
            let looped = line
                .looped
                .take()
                .ok_or_else(|| PyValueError::new_err("the line has run"))?;
            (looped, Arc::clone(&line.wake_on), line.detached)
        };
        prepare_thread(&self.cpu_clocks[line]);
        runs_a_line(true);
        let mut drive = |py: Option<Python<'_>>| {
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                self.drive(py, line, &mut looped, &wake_on)
            }))
        };
        let result = if detached {
            py.detach(|| drive(None))
        } else {
            drive(Some(py))
        };
        if result.is_err() {
            self.shared.stop();
        }
        self.cpu_clocks[line].store(0, Ordering::Relaxed);
        runs_a_line(false);
        drop(looped);
        self.shared.peers[line].hang_up();
        result.map_err(|panic| errors::panicked(py, panic.as_ref()))
    }

    /// The line of the bolts of coroutines, for the event loop that drives it in place of `run`.
    fn stepper(&self, line: usize) -> PyResult<Stepper> {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let found = lines
            .get_mut(line)
            .and_then(|line| Some((line.aside.clone()?, line.looped.take()?)));
        let (aside, looped) = found.ok_or_else(|| PyValueError::new_err("no such line, or it has run"))?;
        let shared = Arc::clone(&self.shared);
        Ok(Stepper::new(looped, shared, aside, self.clock.clone(), line))
    }

    /// Every line closes its components and returns.
    fn stop(&self) {
        self.shared.stop();
    }

    fn activate(&self) {
        self.shared.order(Order::Activate);
    }

    fn deactivate(&self) {
        self.shared.order(Order::Deactivate);
    }

    /// One tick for each task of an executor.
    fn tick(&self, executor: usize) {
        self.shared.peers[self.places[executor].0].post(vec![Mail::Order(Order::Tick(executor))]);
    }

    /// Move a fake clock to this time; the lines look at it at once.
    fn set_time(&self, now: u64) -> PyResult<()> {
        let WorkerClock::Fake(time) = &self.clock else {
            return Err(PyValueError::new_err("the engine has a real clock"));
        };
        time.store(now, Ordering::Release);
        self.shared.order(Order::Look);
        Ok(())
    }

    /// Listen for the other workers of the topology, at `unix:PATH` or `tcp:HOST:PORT`; gives the address where they
    /// can come. All ends prove that they know `secret`; a link of which nothing is heard for `timeout` seconds is lost.
    /// `tls`, for TCP only: paths of the certificate, the key and the authorities, and the name in certificates.
    #[pyo3(signature = (topology, secret, address, timeout, tls=None))]
    fn listen(
        &self,
        topology: &str,
        secret: Vec<u8>,
        address: &str,
        timeout: f64,
        tls: Option<(PathBuf, PathBuf, PathBuf, String)>,
    ) -> PyResult<String> {
        let (worker, incarnation) = self.worker;
        let address = links::address(address)?;
        let mut config = Config::new(worker, incarnation, topology, &secret, address);
        config.link_timeout = Duration::try_from_secs_f64(timeout)
            .map_err(|error| PyValueError::new_err(format!("worker.link.timeout: {error}")))?;
        config.message_limit = links::MESSAGE_LIMIT;
        config.tls = tls.map(|(certificate, key, authority, name)| Tls {
            certificate,
            key,
            authority,
            name,
        });
        let (ends, links) = Ends::start(Arc::clone(&self.shared), self.high_water, config)?;
        let address = links.address().to_string();
        *self.lock_links() = Some((ends, links));
        Ok(address)
    }

    /// Other workers run other executors from now on: where those are, and by number of our executors, by task, stream
    /// and route the targets and how many of them are near.
    fn relayout(&self, elsewhere: Vec<(u16, Vec<u32>)>, routes: Vec<Vec<Vec<RouteTargets>>>) {
        let lines = self.shared.lines;
        let mut places: Vec<_> = self.shared.places.to_vec();
        let ours = |place: &Place| usize::from(place.line) < lines;
        places
            .iter_mut()
            .filter(|place| !ours(place))
            .for_each(|place| *place = Place::default());
        build::place_elsewhere(&mut places, &elsewhere, lines, self.shared.figures.len());
        let places: Places = places.into();
        let boxed = |(targets, near): (Vec<u32>, usize)| (targets.into_boxed_slice(), near);
        let routes = deep(routes, &|routes: Vec<_>| routes.into_iter().map(boxed).collect());
        self.shared.relayout(Relayout {
            places: Arc::clone(&places),
            routes,
        });
        if let Some((ends, _)) = &*self.lock_links() {
            ends.exchange.set_places(places);
        }
    }

    /// Fail every tree that is pending here, as if a worker had died that had a part of it.
    fn lose_all(&self) {
        self.shared.lose_all(Cause::MAX);
    }

    /// This start of a worker lives, and is to be reached there.
    fn peer_up(&self, worker: u16, incarnation: u64, address: &str) -> PyResult<()> {
        let address = links::address(address)?;
        if let Some((_, links)) = &*self.lock_links() {
            links.up(worker, incarnation, address);
        }
        Ok(())
    }

    /// This start of a worker is gone for ever; what it may have held has to begin again.
    fn peer_down(&self, worker: u16, incarnation: u64) {
        if let Some((_, links)) = &*self.lock_links() {
            links.down(worker, incarnation);
        }
    }

    /// Break the connection to a worker, as a network would.
    fn cut(&self, worker: u16) {
        if let Some((_, links)) = &*self.lock_links() {
            links.cut(worker);
        }
    }

    /// Wait until these workers are connected; false if that takes longer than `timeout` seconds.
    fn wait_connected(&self, py: Python<'_>, workers: Vec<u16>, timeout: f64) -> bool {
        let ends = self.lock_links().as_ref().map(|(ends, _)| Arc::clone(ends));
        ends.is_none_or(|ends| py.detach(|| ends.wait(&workers, Duration::from_secs_f64(timeout))))
    }

    /// By worker, if it said who it is, why there is no link with it, as far as that is new since the last call.
    fn take_troubles(&self) -> Vec<(Option<u16>, String)> {
        let ends = self.lock_links().as_ref().map(|(ends, _)| Arc::clone(ends));
        ends.map(|ends| ends.take_troubles()).unwrap_or_default()
    }

    /// End all links at once.
    fn unlink(&self, py: Python<'_>) {
        let links = self.lock_links().take();
        py.detach(|| drop(links));
    }

    /// Messages sent to and received from each worker by index, credits and marks apart.
    fn counts(&self) -> Vec<(u64, u64)> {
        let links = self.lock_links();
        links
            .as_ref()
            .map_or_else(Vec::new, |(ends, _)| ends.exchange.counts())
    }

    /// A number if all lines wait with empty queues: the same as before if nothing happened since.
    fn quiet(&self) -> Option<u64> {
        self.shared.quiet()
    }

    /// Have all spout tasks run out of data, with nothing pending?
    fn ended(&self) -> bool {
        self.shared.ended()
    }

    /// Per executor: what was counted since the start.
    fn figures<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyDict>>> {
        let one = |(figures, gauge): (&typhoon_core::engine::Figures, &typhoon_core::engine::Gauge)| {
            let dict = PyDict::new(py);
            let (timed, nanoseconds) = figures.process.sum();
            dict.set_item("calls", figures.all_calls())?;
            dict.set_item("timed", timed)?;
            dict.set_item("timed_ns", nanoseconds)?;
            dict.set_item("acked", figures.acked.get())?;
            dict.set_item("failed", figures.failed.get())?;
            dict.set_item("timed_out", figures.timed_out.get())?;
            dict.set_item("lost", figures.lost.get())?;
            dict.set_item("busy", figures.busy.get())?;
            dict.set_item("pending", figures.pending.get())?;
            dict.set_item("queued", gauge.queued())?;
            Ok(dict)
        };
        self.shared
            .figures
            .iter()
            .map(Arc::as_ref)
            .zip(&self.shared.gauges)
            .map(one)
            .collect()
    }

    /// Per executor: the tuples that it took of each stream, by number; last its ticks.
    fn inputs(&self) -> Vec<Vec<u64>> {
        let one = |figures: &Arc<typhoon_core::engine::Figures>| {
            let streams = figures.inputs.iter().chain([&figures.calls]);
            streams.map(typhoon_core::measure::Counter::get).collect()
        };
        self.shared.figures.iter().map(one).collect()
    }

    /// (executor, stream, emitted, transferred) of each output stream of each task.
    fn streams(&self) -> Vec<(usize, String, u64, u64)> {
        let one = |counts: &Counts| {
            let (stream, count) = (counts.stream.clone(), &counts.count);
            (counts.executor, stream, count.emitted(), count.transferred())
        };
        self.counts.iter().map(one).collect()
    }

    /// Complete latencies of these spout executors together: nanoseconds → how many.
    fn latencies(&self, executors: Vec<usize>) -> HashMap<u64, u64> {
        let mut found = HashMap::new();
        let figures = executors.iter().map(|number| &self.shared.figures[*number]);
        for histogram in figures.filter_map(|one| one.complete.snapshot()) {
            for step in histogram.iter_recorded() {
                *found.entry(step.value_iterated_to()).or_default() += step.count_since_last_iteration();
            }
        }
        found
    }

    /// The names (tup_ids) of a spout executor's pending tuples, oldest first. Empty if it does not answer in time.
    fn pending(&self, py: Python<'_>, executor: usize, timeout: f64) -> Vec<Py<PyAny>> {
        let timeout = Duration::try_from_secs_f64(timeout).unwrap_or_default();
        let (sender, receiver) = std::sync::mpsc::sync_channel(1);
        let receiver = std::sync::Mutex::new(receiver);
        let (line, local) = self.places[executor];
        self.shared.peers[line].post(vec![Mail::Request(local, Request::Pending(sender))]);
        let names = py.detach(|| receive(&receiver, timeout));
        names
            .unwrap_or_default()
            .iter()
            .map(|name: &Ref| name.bind(py).unbind())
            .collect()
    }

    /// Watch until an executor holds up its line, the engine stops, or the time is over. Gives (executor, line, share of
    /// the last ten seconds, seconds of the one call that still goes on or None, share of waiting in that).
    fn watch(&self, py: Python<'_>, seconds: f64) -> Vec<(usize, usize, f64, Option<f64>, f64)> {
        if self.watching.swap(true, Ordering::SeqCst) {
            return Vec::new();
        }
        let until = Instant::now() + Duration::try_from_secs_f64(seconds).unwrap_or_default();
        let found = py.detach(|| {
            let mut watchdog = self.watchdog.lock().unwrap_or_else(PoisonError::into_inner);
            loop {
                std::thread::sleep(GLANCE);
                let cpu: Vec<u64> = self.cpu_clocks.iter().map(cpu_time).collect();
                let found = watchdog.sample(&self.shared, &cpu, &self.alone);
                if !found.is_empty() || self.shared.is_stopping() || Instant::now() >= until {
                    return found;
                }
            }
        });
        self.watching.store(false, Ordering::SeqCst);
        found
            .into_iter()
            .map(|h| (h.executor, h.line, h.share, h.call_seconds, h.waiting))
            .collect()
    }

    /// How many lines there are, each to be run on a thread.
    #[getter]
    fn lines(&self) -> usize {
        self.shared.lines
    }
}

impl Engine {
    fn lock_links(&self) -> std::sync::MutexGuard<'_, Option<(Arc<Ends>, Links)>> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Open, step until stopped, close. `py` is None on a line without the GIL.
    fn drive(&self, py: Option<Python<'_>>, line: usize, looped: &mut Loop<Kit>, wake_on: &WakeOn) {
        let mut result = looped.open();
        // The first line drives the links as it comes by.
        let links = self.lock_links();
        let pilot = links
            .as_ref()
            .filter(|_| line == 0)
            .map(|(_, links)| links.pilot());
        drop(links);
        let (mut checked, mut offered) = (0, WorkerClock::Real.now());
        while result.is_ok() && !self.shared.is_stopping() {
            if let Some(pilot) = &pilot {
                pilot.turn();
            }
            result = looped.step().map(|rest| {
                let timeout = match rest {
                    Rest::Busy => {
                        if let Some(py) = py {
                            self.offer(py, &mut offered);
                        }
                        checked += 1;
                        // A busy line looks at descriptors now and then, too.
                        if checked % 16 != 0
                            || wake_on.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
                        {
                            return;
                        }
                        Some(Duration::ZERO)
                    }
                    Rest::Until(time) => Some(Duration::from_nanos(time.saturating_sub(self.clock.now()))),
                    Rest::Idle => None,
                };
                self.wait(py, line, looped, wake_on, pilot.as_ref(), timeout);
            });
        }
        if result == Err(Stop) {
            self.shared.stop();
        }
        looped.close();
    }

    /// Let others have the GIL if they want it: what Python code does by itself, and a round need not have run any.
    ///
    /// By a call and not by letting go of the GIL: who waits for it would see it move, and so never ask for it, and we
    /// would have it back before the other thread is awake.
    #[inline(always)]
    fn offer(&self, py: Python<'_>, offered: &mut u64) {
        let now = WorkerClock::Real.now();
        if now.saturating_sub(*offered) < OFFER {
            return;
        }
        *offered = now;
        if let Err(error) = self.nothing.call0(py) {
            // Somebody raises an exception in this thread.
            error.write_unraisable(py, None);
            self.shared.stop();
        }
    }

    fn wait(
        &self,
        py: Option<Python<'_>>,
        line: usize,
        looped: &mut Loop<Kit>,
        wake_on: &WakeOn,
        pilot: Option<&Pilot>,
        mut timeout: Option<Duration>,
    ) {
        let fake = matches!(self.clock, WorkerClock::Fake(_));
        // Polling goes by real time even under a fake clock.
        if fake {
            timeout = Some(Duration::from_millis(1));
        }
        let mut listed = wake_on.lock().unwrap_or_else(PoisonError::into_inner).clone();
        // One that stays readable while nobody may read it would keep the line awake.
        listed.retain(|(_, executor)| looped.would_ask(*executor));
        let mut fds: Vec<RawFd> = listed.iter().map(|(fd, _)| *fd).collect();
        let Some(waker) = self.shared.peers[line].waker() else {
            return;
        };
        if let Some(pilot) = pilot {
            pilot.turn();
            let doze = pilot.doze();
            timeout = Some(timeout.map_or(doze, |timeout| timeout.min(doze)));
            fds.push(pilot.fd());
        }
        let rest = || {
            let readable = waker.wait(timeout, &fds);
            // Before the GIL is asked for, which may take as long as others like: meanwhile the link thread stands in.
            if let Some(pilot) = pilot {
                pilot.woke();
                pilot.turn();
            }
            readable
        };
        let readable = match py {
            Some(py) => py.detach(rest),
            None => rest(),
        };
        for (fd, executor) in listed {
            if readable.contains(&fd) {
                looped.wake(executor);
            }
        }
        if fake {
            looped.wake_all();
        }
    }
}

/// Apply to what lies two lists deep.
fn deep<A, B>(lists: Vec<Vec<Vec<A>>>, change: &impl Fn(A) -> B) -> Vec<Vec<Vec<B>>> {
    let inner = |list: Vec<A>| list.into_iter().map(change).collect();
    let outer = |lists: Vec<Vec<A>>| lists.into_iter().map(inner).collect();
    lists.into_iter().map(outer).collect()
}

/// Exact timers, and a clock by which others see how much this thread computes.
fn prepare_thread(cpu_clock: &AtomicU64) {
    #[cfg(target_os = "linux")]
    // SAFETY: plain calls on the running thread; the clock id is written to a valid place.
    unsafe {
        libc::prctl(libc::PR_SET_TIMERSLACK, 1_000);
        let mut id: libc::clockid_t = 0;
        if libc::pthread_getcpuclockid(libc::pthread_self(), &raw mut id) == 0 {
            cpu_clock.store(u64::from(id as u32), Ordering::Relaxed);
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = cpu_clock;
}

fn cpu_time(clock: &AtomicU64) -> u64 {
    let id = clock.load(Ordering::Relaxed);
    if id == 0 {
        return 0;
    }
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: a valid place; a clock of a thread that has ended gives an error and leaves it alone.
    unsafe { libc::clock_gettime(id as u32 as libc::clockid_t, &raw mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
