//! What Python tells the engine to run, as plain dicts.

use pyo3::prelude::*;
use typhoon_core::flow::{Pick, Route};

/// What holds for the whole worker.
#[derive(FromPyObject, Clone)]
#[pyo3(from_item_all)]
pub struct Options {
    /// Its index in the topology, which start of it this is, and how many workers there are; 0 for one alone.
    pub worker: u16,
    pub incarnation: u64,
    pub workers: usize,
    pub acking: bool,
    pub active: bool,
    /// Seconds; None: trees never time out.
    pub message_timeout: Option<f64>,
    pub high_water: usize,
    pub load_aware: bool,
    pub pickle: bool,
    /// Tuples that one call may emit beyond what finds room.
    pub hard_limit: usize,
    pub max_replays: Option<u32>,
    /// Seconds until a polled spout that had nothing is asked again, and when it has had nothing for long.
    pub poll: (f64, f64),
    /// One tuple in so many is timed; 0: none.
    pub timed_every: u32,
}

#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub struct RoutePlan {
    pub grouping: String,
    pub positions: Vec<usize>,
    pub targets: Vec<u32>,
    /// So many of the targets, the first ones, are in this worker and to be preferred.
    pub near: usize,
    pub object: Option<Py<PyAny>>,
}

#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub struct OutletPlan {
    /// Number of the (component, stream) pair.
    pub number: u16,
    pub name: String,
    pub fields: Vec<String>,
    pub direct: bool,
    pub routes: Vec<RoutePlan>,
}

#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub struct TaskPlan {
    pub id: u32,
    pub outlets: Vec<OutletPlan>,
}

#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub struct ExecutorPlan {
    pub number: usize,
    pub component: String,
    pub spout: bool,
    pub tasks: Vec<TaskPlan>,
    pub max_pending: Option<usize>,
    /// Seconds between ticks.
    pub tick: Option<f64>,
    /// A bolt of coroutines: how many inputs it works on at once.
    pub in_flight: Option<usize>,
    /// The Python half: creates, initialises and closes the instances, and decides what an exception means.
    pub shell: Option<Py<PyAny>>,
    /// A ready-made component instead: its name and arguments.
    pub native: Option<(String, Py<PyAny>)>,
}

/// Executors of each line; the numbers of those in each ring; (component, stream, fields) by stream number.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub struct WorkerPlan {
    pub options: Options,
    pub lines: Vec<Vec<ExecutorPlan>>,
    pub rings: Vec<Vec<usize>>,
    pub schemas: Vec<Py<PyAny>>,
    /// Executors of other workers: the worker's index, the tasks.
    pub elsewhere: Vec<(u16, Vec<u32>)>,
}

impl RoutePlan {
    /// The core's route; `turn` is where a shuffle begins.
    pub fn route(&self, number: usize, turn: usize) -> Route {
        let n = self.targets.len();
        let positions = || self.positions.clone().into_boxed_slice();
        let pick = match self.grouping.as_str() {
            "fields" => Pick::Key(positions()),
            "partial_key" => Pick::PartialKey(positions(), vec![0; n].into()),
            "all" => Pick::All,
            "global" => Pick::Global,
            "none" => Pick::Random,
            "direct" => Pick::Direct,
            "custom" => Pick::Custom(number),
            _ => {
                let near = if self.near > 0 { self.near } else { n };
                Pick::Turn {
                    next: turn % near.max(1),
                    near,
                }
            }
        };
        Route {
            pick,
            targets: self.targets.clone().into(),
        }
    }
}
