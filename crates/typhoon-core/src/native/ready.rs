use std::collections::HashMap;

use super::{Value, Values};
use crate::ack::Lineage;
use crate::engine::{Component, Desk, EmitError, Input, Kit, Next, Stop};
use crate::flow::{Envelope, Key, Parcel, STREAM_TICK};

/// Which ready-made component, and its parameters.
#[derive(Debug, Clone)]
pub enum Spec {
    /// Spout: the same value over and over, `limit` times if given; tracked if `reliable`.
    Const {
        value: Value,
        limit: Option<u64>,
        reliable: bool,
    },
    /// Bolt: a text field becomes its words, one tuple each.
    Split { field: usize },
    /// Bolt: how often each text was seen; emits (text, count) if anybody listens.
    Count { field: usize },
    /// Bolt: passes on tuples whose field equals the value.
    Filter { field: usize, equals: Value },
    /// Bolt: passes on everything.
    Identity,
    /// Bolt: the end of the line.
    Null,
}

/// A ready-made component on one executor.
#[derive(Debug)]
pub struct Native<P> {
    spec: Spec,
    /// What `Const` emits, made once.
    constant: Option<P>,
    /// By task of the executor.
    state: Vec<State>,
}

#[derive(Debug, Default, Clone)]
struct State {
    made: u64,
    counts: HashMap<Box<str>, i64>,
}

impl<P: Values + Clone> Native<P> {
    #[must_use]
    pub fn new(spec: Spec, tasks: usize) -> Self {
        Native {
            constant: match &spec {
                Spec::Const { value, .. } => Some(P::from_values(vec![value.clone()])),
                _ => None,
            },
            spec,
            state: vec![State::default(); tasks],
        }
    }

    /// What `Count` has counted so far on one task.
    #[must_use]
    pub fn counts(&self, slot: usize) -> &HashMap<Box<str>, i64> {
        &self.state[slot].counts
    }

    fn take<K: Kit<Payload = P>>(&mut self, desk: &mut Desk<K>, envelope: Envelope<P>)
    where
        P: crate::flow::Key,
    {
        let slot = desk.slot(envelope.way.destination());
        if envelope.way.stream() == STREAM_TICK {
            desk.ticked(slot);
            return;
        }
        let Envelope { payload, lineage, .. } = envelope;
        let mut made = 0;
        let result = match &self.spec {
            Spec::Identity => emit(desk, slot, payload, &lineage, &mut made),
            Spec::Filter { field, equals } => match payload.at(*field, |value| value == Some(equals)) {
                true => emit(desk, slot, payload, &lineage, &mut made),
                false => Ok(()),
            },
            Spec::Split { field } => payload.at(*field, |value| {
                let Some(Value::Text(text)) = value else {
                    return Err(Refused);
                };
                text.split_whitespace().try_for_each(|word| {
                    emit(
                        desk,
                        slot,
                        P::from_values(vec![Value::Text(word.into())]),
                        &lineage,
                        &mut made,
                    )
                })
            }),
            Spec::Count { field } => {
                let counts = &mut self.state[slot].counts;
                payload.at(*field, |value| {
                    let Some(Value::Text(text)) = value else {
                        return Err(Refused);
                    };
                    let count = match counts.get_mut(text) {
                        Some(count) => count,
                        None => counts.entry(text.clone()).or_insert(0),
                    };
                    *count += 1;
                    if desk.outlet(slot, 0).routes.is_empty() {
                        desk.emit_to_nobody(slot, 0);
                        return Ok(());
                    }
                    let values = vec![Value::Text(text.clone()), Value::Int(*count)];
                    emit(desk, slot, P::from_values(values), &lineage, &mut made)
                })
            }
            Spec::Null | Spec::Const { .. } => Ok(()),
        };
        match result {
            Ok(()) => desk.ack(&lineage, made),
            Err(Refused) => desk.fail(&lineage),
        }
    }
}

/// The tuple could not be handled: it fails.
struct Refused;

impl<P: Key> From<EmitError<P>> for Refused {
    fn from(_: EmitError<P>) -> Self {
        Refused
    }
}

fn emit<K: Kit>(
    desk: &mut Desk<K>,
    slot: usize,
    payload: K::Payload,
    lineage: &Lineage,
    made: &mut u64,
) -> Result<(), Refused> {
    if desk.outlet(slot, 0).routes.is_empty() {
        desk.emit_to_nobody(slot, 0);
        return Ok(());
    }
    let mut input = Input(lineage, made);
    match desk.emit(slot, 0, payload, &mut input) {
        Err(EmitError::Abroad(payload, target)) => {
            let packed = payload.pack().ok_or(Refused)?;
            desk.emit_abroad(slot, 0, packed, &mut input, target)?;
        }
        Err(EmitError::PerhapsAbroad(payload)) => {
            let packed = payload.clone().pack().ok_or(Refused)?;
            desk.emit_to(slot, 0, payload, Some(packed), &mut input, None, &[])?;
        }
        result => result?,
    }
    Ok(())
}

/// Native components as a kit needs them; a kit with other components wraps these calls.
impl<P: Values + Clone + crate::flow::Key> Native<P> {
    /// As [`Component::ask`]. `name` makes the token of the n-th tuple.
    pub fn ask<K: Kit<Payload = P>>(
        &mut self,
        desk: &mut Desk<K>,
        slot: usize,
        name: impl Fn(u64) -> K::Token,
    ) -> Next {
        let (Spec::Const { limit, reliable, .. }, Some(constant)) = (&self.spec, &self.constant) else {
            return Next::Done;
        };
        let state = &mut self.state[slot];
        while desk.wants(slot) {
            if limit.is_some_and(|limit| state.made >= limit) {
                return Next::Done;
            }
            state.made += 1;
            let payload = constant.clone();
            if !reliable {
                let _ = emit(desk, slot, payload, &Lineage::NONE, &mut 0);
            } else if let Some(root) = desk.open_tree(slot, name(state.made)) {
                let mut made = 0;
                match emit(desk, slot, payload, &Lineage::one(root, 0), &mut made) {
                    Ok(()) => desk.seal(root, made),
                    Err(Refused) => desk.fail_root(root),
                }
            }
        }
        Next::More
    }

    /// As [`Component::process`].
    pub fn process<K: Kit<Payload = P>>(&mut self, desk: &mut Desk<K>) {
        while let Some(envelope) = desk.take() {
            self.take(desk, envelope);
        }
    }

    /// As [`Component::settled`]: a native spout is not told what became of its tuples.
    pub fn settled<K: Kit<Payload = P>>(desk: &mut Desk<K>) {
        while desk.next_settled().is_some() {}
    }
}

impl<K, P> Component<K> for Native<P>
where
    K: Kit<Component = Self, Token = u64, Payload = P>,
    P: Values + Key + Clone,
{
    fn open(&mut self, _: &mut Desk<K>) -> Result<(), Stop> {
        Ok(())
    }

    fn ask(&mut self, desk: &mut Desk<K>, slot: usize) -> Result<Next, Stop> {
        Ok(Native::ask(self, desk, slot, |number| number))
    }

    fn process(&mut self, desk: &mut Desk<K>) -> Result<(), Stop> {
        Native::process(self, desk);
        Ok(())
    }

    fn settled(&mut self, desk: &mut Desk<K>) -> Result<(), Stop> {
        Native::settled(desk);
        Ok(())
    }

    fn request(&mut self, _: &mut Desk<K>, _: K::Request) -> Result<(), Stop> {
        Ok(())
    }

    fn active(&mut self, _: &mut Desk<K>, _: bool) -> Result<(), Stop> {
        Ok(())
    }

    fn tick(&mut self) -> Option<K::Payload> {
        None
    }

    fn close(&mut self, _: &mut Desk<K>) {}
}
