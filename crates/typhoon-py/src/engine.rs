//! The `Engine` class: one worker, driven by the Python half in `typhoon.worker`.

use std::os::fd::RawFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use typhoon_core::engine::{
    Clock, ExecutorPlan as CoreExecutor, Kind, Loop, Mail, Order, Plan, Rest, Shared, Stop, Watchdog,
};
use typhoon_core::flow::{Emits, Outlet, Place};
use typhoon_core::native::{Native, Spec, Value};

use crate::clock::{self, WorkerClock};
use crate::component::{Component, Kit, Request};
use crate::errors;
use crate::executor::Executor;
use crate::handle::{Aside, Handle, Stream};
use crate::outward::receive;
use crate::plan::{ExecutorPlan, OutletPlan, TaskPlan, WorkerPlan};
use crate::python::Ref;
use crate::stepper::Stepper;

/// Between two looks of the watchdog.
const GLANCE: Duration = Duration::from_millis(10);

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
    watching: AtomicBool,
    watchdog: Mutex<Watchdog>,
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
        Builder::new(py, &plan)?.build(py, plan, clock)
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

    /// Complete latency of these spout executors together, in nanoseconds; None before the first ack.
    fn latency<'py>(&self, py: Python<'py>, executors: Vec<usize>) -> PyResult<Option<Bound<'py, PyDict>>> {
        let mut all: Option<Histogram<u64>> = None;
        for histogram in executors
            .iter()
            .filter_map(|number| self.shared.figures[*number].complete.snapshot())
        {
            match &mut all {
                None => all = Some(histogram),
                Some(sum) => sum
                    .add(&histogram)
                    .map_err(|error| PyValueError::new_err(error.to_string()))?,
            }
        }
        let Some(all) = all else { return Ok(None) };
        let dict = PyDict::new(py);
        dict.set_item("count", all.len())?;
        dict.set_item("mean", all.mean())?;
        for (name, quantile) in [("p50", 0.5), ("p99", 0.99), ("p999", 0.999), ("max", 1.0)] {
            dict.set_item(name, all.value_at_quantile(quantile))?;
        }
        Ok(Some(dict))
    }

    /// The names (tup_ids) of a spout executor's pending tuples, oldest first. Empty if it does not answer in time.
    fn pending(&self, py: Python<'_>, executor: usize, timeout: f64) -> Vec<Py<PyAny>> {
        let (sender, receiver) = std::sync::mpsc::sync_channel(1);
        let receiver = std::sync::Mutex::new(receiver);
        let (line, local) = self.places[executor];
        self.shared.peers[line].post(vec![Mail::Request(local, Request::Pending(sender))]);
        let names = py.detach(|| receive(&receiver, Duration::from_secs_f64(timeout)));
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
        let until = Instant::now() + Duration::from_secs_f64(seconds);
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
        self.shared.peers.len()
    }
}

impl Engine {
    /// Open, step until stopped, close. `py` is None on a line without the GIL.
    fn drive(&self, py: Option<Python<'_>>, line: usize, looped: &mut Loop<Kit>, wake_on: &WakeOn) {
        let mut result = looped.open();
        let mut checked = 0;
        while result.is_ok() && !self.shared.is_stopping() {
            result = looped.step().map(|rest| {
                let timeout = match rest {
                    Rest::Busy => {
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
                self.wait(py, line, looped, wake_on, timeout);
            });
        }
        if result == Err(Stop) {
            self.shared.stop();
        }
        looped.close();
    }

    fn wait(
        &self,
        py: Option<Python<'_>>,
        line: usize,
        looped: &mut Loop<Kit>,
        wake_on: &WakeOn,
        timeout: Option<Duration>,
    ) {
        let fake = matches!(self.clock, WorkerClock::Fake(_));
        // Polling goes by real time even under a fake clock.
        let timeout = if fake {
            Some(Duration::from_millis(1))
        } else {
            timeout
        };
        let mut listed = wake_on.lock().unwrap_or_else(PoisonError::into_inner).clone();
        // One that stays readable while nobody may read it would keep the line awake.
        listed.retain(|(_, executor)| looped.would_ask(*executor));
        let fds: Vec<RawFd> = listed.iter().map(|(fd, _)| *fd).collect();
        let Some(waker) = self.shared.peers[line].waker() else {
            return;
        };
        let readable = match py {
            Some(py) => py.detach(|| waker.wait(timeout, &fds)),
            None => waker.wait(timeout, &fds),
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

/// Puts an engine together.
struct Builder {
    shared: Arc<Shared<Kit>>,
    schemas: Arc<Vec<Ref>>,
    counts: Vec<Counts>,
    detached: Vec<bool>,
    /// By task.
    line_of: Vec<usize>,
    seed: u64,
}

impl Builder {
    fn new(py: Python<'_>, plan: &WorkerPlan) -> PyResult<Self> {
        let executors: usize = plan.lines.iter().map(Vec::len).sum();
        let last = plan
            .lines
            .iter()
            .flatten()
            .flat_map(|e| &e.tasks)
            .map(|t| t.id as usize)
            .max()
            .unwrap_or(0);
        let mut places = vec![Place::default(); last + 1];
        for (line, members) in plan.lines.iter().enumerate() {
            for (local, executor) in members.iter().enumerate() {
                for (slot, task) in executor.tasks.iter().enumerate() {
                    places[task.id as usize] = Place {
                        line: line as u16,
                        slot: slot as u16,
                        local: local as u32,
                        number: executor.number as u32,
                    };
                }
            }
        }
        let mut rings = vec![Vec::new()];
        rings.extend(plan.rings.iter().cloned());
        let line_of = places.iter().map(|place| place.line.into()).collect();
        let streams = plan.schemas.len().saturating_sub(1);
        let shared = Shared::new(places.into(), plan.lines.len(), executors, streams, rings)?;
        let mut entropy = [0u8; 8];
        // SAFETY: a buffer of its length. Falling short leaves a seed that differs by address and time anyway.
        unsafe { libc::getentropy(entropy.as_mut_ptr().cast(), entropy.len()) };
        Ok(Builder {
            shared: Arc::new(shared),
            schemas: Arc::new(
                plan.schemas
                    .iter()
                    .map(|schema| schema.bind(py).clone().into())
                    .collect(),
            ),
            counts: Vec::new(),
            detached: plan
                .lines
                .iter()
                .map(|line| line.iter().all(|e| e.native.is_some()))
                .collect(),
            line_of,
            seed: u64::from_ne_bytes(entropy),
        })
    }

    fn build(mut self, py: Python<'_>, plan: WorkerPlan, clock: WorkerClock) -> PyResult<Engine> {
        let executors = self.shared.figures.len();
        let (mut alone, mut places) = (vec![false; executors], vec![(0, 0); executors]);
        let mut lines = Vec::new();
        for (line, members) in plan.lines.iter().enumerate() {
            let wake_on = WakeOn::default();
            let coroutines = members.iter().any(|executor| executor.in_flight.is_some());
            let aside = coroutines.then(Arc::<Aside>::default);
            let (mut plans, mut components) = (Vec::new(), Vec::new());
            for (local, executor) in members.iter().enumerate() {
                alone[executor.number] = line > 0;
                places[executor.number] = (line, local);
                let outlets = executor
                    .tasks
                    .iter()
                    .map(|task| self.outlets(executor, task))
                    .collect();
                plans.push(CoreExecutor {
                    kind: if executor.spout { Kind::Spout } else { Kind::Bolt },
                    number: executor.number,
                    tasks: executor.tasks.iter().map(|task| task.id).collect(),
                    outlets,
                    max_pending: executor.max_pending,
                    tick: executor.tick.map(Duration::from_secs_f64),
                });
                let place = (line, local);
                let surroundings = (&wake_on, aside.as_ref(), &clock);
                components.push(self.component(py, &plan, executor, place, surroundings)?);
            }
            let core_plan = Plan {
                line: line as u16,
                worker: plan.options.worker,
                executors: plans,
                message_timeout: plan.options.message_timeout.map(Duration::from_secs_f64),
                high_water: plan.options.high_water,
                hard_limit: plan.options.hard_limit,
                seed: self.draw(),
                active: plan.options.active,
                poll: (
                    Duration::from_secs_f64(plan.options.poll.0),
                    Duration::from_secs_f64(plan.options.poll.1),
                ),
                timed_every: plan.options.timed_every,
            };
            let looped = Loop::new(Arc::clone(&self.shared), core_plan, components, clock.clone());
            lines.push(Line {
                looped: Some(looped),
                wake_on,
                detached: self.detached[line],
                aside,
            });
        }
        let interval = GLANCE.as_nanos() as u64;
        Ok(Engine {
            cpu_clocks: lines.iter().map(|_| AtomicU64::new(0)).collect(),
            watchdog: Mutex::new(Watchdog::new(lines.len(), executors, interval)),
            watching: AtomicBool::new(false),
            lines: Mutex::new(lines),
            shared: self.shared,
            counts: self.counts,
            alone,
            places,
            clock,
        })
    }

    fn draw(&mut self) -> u64 {
        self.seed = self
            .seed
            .wrapping_mul(0x5851_f42d_4c95_7f2d)
            .wrapping_add(0x1405_7b7e_f767_814f);
        self.seed ^ self.seed >> 29
    }

    fn outlets(&mut self, executor: &ExecutorPlan, task: &TaskPlan) -> Vec<Outlet> {
        let turn = self.draw() as usize;
        let one = |plan: &OutletPlan| {
            let outlet = Outlet {
                source: task.id,
                stream: plan.number,
                routes: plan
                    .routes
                    .iter()
                    .enumerate()
                    .map(|(number, route)| route.route(number, turn))
                    .collect(),
                count: Arc::default(),
            };
            let counts = Counts {
                executor: executor.number,
                stream: plan.name.clone(),
                count: Arc::clone(&outlet.count),
            };
            (outlet, counts)
        };
        let (outlets, counts): (Vec<_>, Vec<_>) = task.outlets.iter().map(one).unzip();
        self.counts.extend(counts);
        outlets
    }

    fn component(
        &mut self,
        py: Python<'_>,
        plan: &WorkerPlan,
        executor: &ExecutorPlan,
        (line, local): (usize, usize),
        (wake_on, aside, clock): (&WakeOn, Option<&Arc<Aside>>, &WorkerClock),
    ) -> PyResult<Component> {
        if let Some((name, arguments)) = &executor.native {
            let spec = native(name, arguments.bind(py).cast::<PyDict>()?)?;
            return Ok(Component::Native(Native::new(spec, executor.tasks.len())));
        }
        let shell = executor
            .shell
            .as_ref()
            .ok_or_else(|| PyValueError::new_err("an executor without a shell"))?;
        let mut handles = Vec::new();
        let in_flight = Arc::default();
        for (slot, task) in executor.tasks.iter().enumerate() {
            let streams = task
                .outlets
                .iter()
                .map(|outlet| self.stream(py, outlet))
                .collect();
            let place = (line, local, executor.number, slot);
            let name = executor.component.clone();
            let seed = self.draw();
            let shared = Arc::clone(&self.shared);
            handles.push(Py::new(
                py,
                Handle::new(
                    shared,
                    place,
                    task.id,
                    name,
                    streams,
                    &plan.options,
                    line > 0 && aside.is_none(),
                    (aside.cloned(), Arc::clone(&in_flight)),
                    seed,
                    clock.clone(),
                ),
            )?);
        }
        Ok(Component::Python(Executor::new(
            shell.bind(py).clone().into(),
            handles,
            Arc::clone(&self.schemas),
            Arc::clone(wake_on),
            plan.options.max_replays,
            (executor.spout, executor.tick, executor.in_flight),
        )))
    }

    fn stream(&self, py: Python<'_>, plan: &OutletPlan) -> Stream {
        let mut keys: Vec<usize> = plan
            .routes
            .iter()
            .flat_map(|route| route.positions.clone())
            .collect();
        keys.sort_unstable();
        keys.dedup();
        let targets = || plan.routes.iter().flat_map(|route| &route.targets);
        let custom: Vec<_> = plan
            .routes
            .iter()
            .enumerate()
            .filter_map(|(number, route)| {
                let object = route.object.as_ref()?.bind(py).clone().into();
                Some((number, object, route.targets.clone()))
            })
            .collect();
        let subscribed = !plan.routes.is_empty();
        let rows = targets().any(|task| self.detached[self.line_of[*task as usize]]);
        Stream {
            name: plan.name.clone(),
            fields: plan.fields.clone(),
            direct: plan.direct,
            subscribed,
            plain: AtomicBool::new(subscribed && !plan.direct && !rows && custom.is_empty()),
            keys,
            custom,
            rows,
        }
    }
}

/// A ready-made component by name.
fn native(name: &str, arguments: &Bound<'_, PyDict>) -> PyResult<Spec> {
    let get = |key: &str| arguments.get_item(key);
    let field = || get("field")?.map_or(Ok(0), |field| field.extract::<usize>());
    let value = |key: &str| -> PyResult<Value> {
        let Some(value) = get(key)? else {
            return Ok(Value::Nothing);
        };
        if let Ok(value) = value.cast::<pyo3::types::PyBool>() {
            return Ok(Value::Bool(value.is_true()));
        }
        if let Ok(number) = value.extract::<i64>() {
            return Ok(Value::Int(number));
        }
        if let Ok(number) = value.extract::<f64>() {
            return Ok(Value::Float(number));
        }
        Ok(Value::Text(value.extract::<String>()?.into()))
    };
    Ok(match name {
        "const" => Spec::Const {
            value: value("value")?,
            limit: get("limit")?.map_or(Ok(None), |limit| limit.extract())?,
            reliable: get("reliable")?.map_or(Ok(true), |flag| flag.is_truthy())?,
        },
        "split" => Spec::Split { field: field()? },
        "count" => Spec::Count { field: field()? },
        "filter" => Spec::Filter {
            field: field()?,
            equals: value("equals")?,
        },
        "id" => Spec::Identity,
        "null" => Spec::Null,
        other => {
            return Err(PyValueError::new_err(format!(
                "there is no native component '{other}'"
            )));
        }
    })
}
