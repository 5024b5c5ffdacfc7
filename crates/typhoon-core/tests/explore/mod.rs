//! Visits every state of a model, breadth first, and says by which steps a state that must not be is reached.

use std::collections::{HashMap, VecDeque};
use std::fmt::{Debug, Write};
use std::hash::{DefaultHasher, Hash, Hasher};

/// What went wrong.
pub type Broken = String;

/// The steps out of a state, and where they lead.
pub type Steps<M> = Vec<(<M as Model>::Step, <M as Model>::State)>;

pub trait Model: Sized {
    type State: Hash + Debug;
    type Step: Copy + Debug;

    fn start(&self) -> Self::State;

    /// Everything that may happen next; Err if one of the steps breaks a rule by itself.
    fn steps(&self, state: &Self::State) -> Result<Steps<Self>, Broken>;

    /// Is asked of every state with the steps that lead out of it: where nothing is left to happen, all must be well.
    fn rest(&self, state: &Self::State, steps: &[(Self::Step, Self::State)]) -> Result<(), Broken>;
}

/// The number of states, or what went wrong and how. States are told apart by a hash of 64 bits: among ten million, the
/// chance that two have the same one is 1 in 300,000.
pub fn check<M: Model>(model: &M) -> Result<usize, Broken> {
    let start = model.start();
    let mut seen: HashMap<u64, (u64, Option<M::Step>)> = HashMap::from([(mark(&start), (0, None))]);
    let mut frontier = VecDeque::from([(mark(&start), start)]);
    while let Some((from, state)) = frontier.pop_front() {
        let told = |why| format!("{why}\nafter{}\nin {state:#?}", way(&seen, from));
        let steps = model.steps(&state).map_err(told)?;
        model.rest(&state, &steps).map_err(told)?;
        for (step, next) in steps {
            let to = mark(&next);
            seen.entry(to).or_insert_with(|| {
                frontier.push_back((to, next));
                (from, Some(step))
            });
        }
    }
    Ok(seen.len())
}

fn mark<S: Hash>(state: &S) -> u64 {
    let mut hasher = DefaultHasher::new();
    state.hash(&mut hasher);
    hasher.finish()
}

/// The steps that first led to a state.
fn way<S: Copy + Debug>(seen: &HashMap<u64, (u64, Option<S>)>, mut at: u64) -> String {
    let mut steps = Vec::new();
    while let Some((before, Some(step))) = seen.get(&at).copied() {
        steps.push(step);
        at = before;
    }
    steps.iter().rev().fold(String::new(), |mut text, step| {
        let _ = write!(text, "\n  {step:?}");
        text
    })
}
