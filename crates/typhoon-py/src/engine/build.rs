//! From a plan to an engine: places, routes, components and handles.

use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use typhoon_core::engine::{ExecutorPlan as CoreExecutor, Extent, Kind, Loop, Plan, Shared, Watchdog};
use typhoon_core::flow::{Emits, Outlet, Place};
use typhoon_core::native::{Native, Spec, Value};

use super::{Counts, Engine, GLANCE, Line, WakeOn};
use crate::clock::WorkerClock;
use crate::component::{Component, Kit};
use crate::executor::Executor;
use crate::handle::{Aside, Handle, Stream};
use crate::plan::{ExecutorPlan, OutletPlan, TaskPlan, WorkerPlan};
use crate::python::Ref;

/// Puts an engine together.
pub(super) struct Builder {
    shared: Arc<Shared<Kit>>,
    schemas: Arc<Vec<Ref>>,
    counts: Vec<Counts>,
    detached: Vec<bool>,
    seed: u64,
}

impl Builder {
    pub(super) fn new(py: Python<'_>, plan: &WorkerPlan) -> PyResult<Self> {
        let executors: usize = plan.lines.iter().map(Vec::len).sum();
        let last = plan
            .lines
            .iter()
            .flatten()
            .flat_map(|e| &e.tasks)
            .map(|t| t.id)
            .chain(plan.elsewhere.iter().flat_map(|(_, tasks)| tasks.iter().copied()))
            .map(|task| task as usize)
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
        place_elsewhere(&mut places, &plan.elsewhere, plan.lines.len(), executors);
        let mut rings = vec![Vec::new()];
        rings.extend(plan.rings.iter().cloned());
        let extent = Extent {
            lines: plan.lines.len(),
            executors,
            workers: plan.options.workers,
            elsewhere: last + 1,
            streams: plan.schemas.len().saturating_sub(1),
        };
        let shared = Shared::new(places.into(), extent, rings)?;
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
            seed: u64::from_ne_bytes(entropy),
        })
    }

    pub(super) fn build(mut self, py: Python<'_>, plan: &WorkerPlan, clock: WorkerClock) -> PyResult<Engine> {
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
                    tick: executor
                        .tick
                        .map(|tick| seconds("the tick interval", tick))
                        .transpose()?,
                });
                let place = (line, local);
                let surroundings = (&wake_on, aside.as_ref(), &clock);
                components.push(self.component(py, plan, executor, place, surroundings)?);
            }
            let core_plan = Plan {
                line: line as u16,
                worker: plan.options.worker,
                incarnation: plan.options.incarnation,
                executors: plans,
                message_timeout: plan
                    .options
                    .message_timeout
                    .map(|timeout| seconds("the message time-out", timeout))
                    .transpose()?,
                high_water: plan.options.high_water,
                load_aware: plan.options.load_aware,
                hard_limit: plan.options.hard_limit,
                seed: self.draw(),
                active: plan.options.active,
                poll: (
                    seconds("the pause of an idle spout", plan.options.poll.0)?,
                    seconds("the pause of a spout that is idle for long", plan.options.poll.1)?,
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
            worker: (plan.options.worker, plan.options.incarnation),
            high_water: plan.options.high_water,
            links: Mutex::default(),
            watching: AtomicBool::new(false),
            lines: Mutex::new(lines),
            shared: self.shared,
            counts: self.counts,
            alone,
            places,
            clock,
            nothing: py.eval(c"lambda: None", None, None)?.unbind(),
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
        // Those of this executor are the last that were made, in the order of its tasks and their streams.
        let outlets = executor
            .tasks
            .iter()
            .map(|task| task.outlets.len())
            .sum::<usize>();
        let mut counts = self.counts[self.counts.len() - outlets..]
            .iter()
            .map(|counts| Arc::clone(&counts.count))
            .collect::<Vec<_>>()
            .into_iter();
        let in_flight = Arc::default();
        for (slot, task) in executor.tasks.iter().enumerate() {
            let streams = task
                .outlets
                .iter()
                .zip(&mut counts)
                .map(|(outlet, count)| self.stream(py, outlet, count))
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

    fn stream(&self, py: Python<'_>, plan: &OutletPlan, count: Arc<Emits>) -> Stream {
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
        let rows = targets().any(|task| {
            let line = self.shared.places[*task as usize].line;
            let detached = self.detached.get(usize::from(line));
            detached.copied().unwrap_or(false)
        });
        Stream {
            name: plan.name.clone(),
            fields: plan.fields.clone(),
            direct: plan.direct,
            subscribed,
            plain: AtomicBool::new(subscribed && !plan.direct && !rows && custom.is_empty()),
            keys,
            custom,
            rows,
            count,
        }
    }
}

/// Where the tasks of other workers are: the worker's index, and the tasks of each of its executors.
pub(super) fn place_elsewhere(
    places: &mut [Place],
    elsewhere: &[(u16, Vec<u32>)],
    lines: usize,
    executors: usize,
) {
    for (worker, tasks) in elsewhere {
        for (slot, task) in tasks.iter().enumerate() {
            places[*task as usize] = Place {
                line: (lines + usize::from(*worker)) as u16,
                slot: slot as u16,
                local: 0,
                number: executors as u32 + tasks[0],
            };
        }
    }
}

/// A number of seconds out of the plan; `what` it is for.
fn seconds(what: &str, value: f64) -> PyResult<Duration> {
    Duration::try_from_secs_f64(value)
        .map_err(|error| PyValueError::new_err(format!("{what} is {value} seconds: {error}")))
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
