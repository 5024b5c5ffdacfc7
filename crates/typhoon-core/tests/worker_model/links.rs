//! What happens between workers: sessions, deaths, and what those who learn of them do.

use super::bounds::{Rules, Step};
use super::explore::Broken;
use super::rules::{Steps, Workers};
use super::state::{End, Frame, Kind, OWN, PROCESSES, State, Status, WORKERS, bit};

impl Workers {
    /// The process that `a` would send to.
    pub fn peer(&self, state: &State, a: usize, index: u8) -> Option<usize> {
        if self.rules == Rules::KeepZombies {
            let zombie = (0..state.started()).find(|b| {
                state.worker[*b] == index && state.status[*b] == Status::Zombie && state.linked(a, *b)
            });
            if zombie.is_some() {
                return zombie;
            }
        }
        state.peer(a, index)
    }

    /// Into a session. Where the other end has left it, nobody will ever read the frame.
    pub fn push(&self, state: &mut State, from: usize, to: usize, frame: Frame) {
        let heard = self.rules == Rules::HearZombies && state.status[from] == Status::Zombie;
        let kept = self.rules == Rules::SendAgain;
        if state.runs(to) && (heard || state.linked(to, from)) || kept {
            state.push(from, to, frame);
        }
    }

    /// `a` learns that `b` is down, or gives up its session with it.
    pub fn lose(&self, state: &State, a: usize, b: usize, next: &mut Steps) -> Result<(), Broken> {
        let arrived = state.queued(b, a);
        if state.about[a] & bit(b) != 0 {
            for read in 0..=arrived {
                let mut state = state.clone();
                state.about[a] &= !bit(b);
                let owed = state.owes[a];
                self.drop_session(&mut state, a, b, read, true);
                if self.rules == Rules::FailFirst {
                    state.owes[a] = owed;
                }
                next.push((Step::Drop { by: a, of: b, read }, state));
            }
            return Ok(());
        }
        if state.declared(b) && !state.knows(a, b) {
            if matches!(self.rules, Rules::FailFirst | Rules::MarkFirst) {
                let mut state = state.clone();
                state.about[a] |= bit(b);
                if self.rules == Rules::FailFirst {
                    self.fail_all(&mut state, a)?;
                } else {
                    state.owes[a] |= debt(state.worker[a]) & !OWN;
                    (0..WORKERS).for_each(|to| self.send_marker(&mut state, a, to));
                }
                next.push((Step::TooEarly { by: a }, state));
                return Ok(());
            }
            let hears = self.rules == Rules::HearZombies && state.status[b] == Status::Zombie;
            for read in if hears { arrived } else { 0 }..=arrived {
                let mut state = state.clone();
                self.drop_session(&mut state, a, b, read, true);
                next.push((Step::Down { told: a, of: b, read }, state));
            }
        }
        if !state.linked(a, b) || state.knows(a, b) {
            return Ok(());
        }
        let left = !state.linked(b, a);
        let down = state.declared(a) || state.declared(b);
        if left && (!down || self.bounds.impatient) {
            for read in 0..=arrived {
                let mut state = state.clone();
                self.drop_session(&mut state, a, b, read, false);
                next.push((Step::GiveUp { by: a, of: b, read }, state));
            }
        } else if !left && state.breaks > 0 {
            for read in 0..=arrived {
                let mut state = state.clone();
                state.breaks -= 1;
                self.drop_session(&mut state, a, b, read, false);
                next.push((Step::Break { by: a, of: b, read }, state));
            }
        }
        Ok(())
    }

    /// The heart: drop, then fail, and tell.
    fn drop_session(&self, state: &mut State, a: usize, b: usize, read: usize, down: bool) {
        let index = state.worker[b];
        state.links[a] &= !bit(b);
        state.cut(b, a, read);
        if self.rules == Rules::SendAgain && down {
            let mut again = state.take_queue(a, b);
            again.extend(state.take_waiting(a, index));
            for frame in again.into_iter().filter(|frame| frame.kind() != Kind::Marker) {
                state.wait(a, index, frame);
            }
        } else if self.peer(state, a, index).is_none_or(|peer| peer == b) {
            state.take_waiting(a, index);
        }
        if self.rules == Rules::SendTwice && !down {
            let sent = state.take_queue(a, b);
            for frame in sent {
                state.push(a, b, frame);
                if frame.kind() != Kind::Marker {
                    state.wait(a, index, frame);
                }
            }
        }
        if down {
            state.knows[a] |= bit(b);
        }
        if self.rules == Rules::KeepZombies && state.status[b] == Status::Zombie {
            state.links[a] |= bit(b);
        }
        let mut owes = debt(state.worker[a]);
        match self.rules {
            Rules::NoOwnFail => owes &= !OWN,
            Rules::NoMarker | Rules::MarkFirst => owes &= OWN,
            Rules::SilentBreak if !down => owes &= OWN,
            _ => {}
        }
        state.owes[a] |= owes;
        if !self.bounds.late_markers {
            for to in 0..WORKERS {
                self.send_marker(state, a, to);
            }
        }
    }

    /// To a worker without a session, the marker is what the next session opens with.
    fn send_marker(&self, state: &mut State, a: usize, to: u8) {
        if state.owes[a] & 1 << to == 0 {
            return;
        }
        let linked = self.peer(state, a, to).filter(|b| state.linked(a, *b));
        if let Some(b) = linked {
            self.push(state, a, b, Frame::MARKER);
        }
        if linked.is_some() || self.rules != Rules::OnlyOwed {
            state.owes[a] &= !(1 << to);
        }
    }

    /// A worker does what it owes.
    pub fn pay(&self, state: &State, a: usize, next: &mut Steps) -> Result<(), Broken> {
        if state.owes[a] & OWN != 0 {
            let mut state = state.clone();
            state.owes[a] &= !OWN;
            self.fail_all(&mut state, a)?;
            next.push((Step::FailOwn { by: a }, state));
        }
        for to in 0..WORKERS {
            let mut paid = state.clone();
            self.send_marker(&mut paid, a, to);
            if paid.owes[a] != state.owes[a] {
                next.push((Step::SendMarker { by: a, to }, paid));
            }
        }
        Ok(())
    }

    /// Two processes that have left all sessions with each other begin one.
    pub fn open(&self, state: &State, next: &mut Steps) {
        for a in 0..state.started() {
            for b in a + 1..state.started() {
                let free = |a, b| {
                    state.runs(a)
                        && !state.knows(a, b)
                        && self.peer(state, a, state.worker[b]) == Some(b)
                        && (!state.linked(a, b) || self.rules == Rules::SilentOpening)
                };
                let one = !state.linked(a, b) || !state.linked(b, a);
                if state.worker[a] == state.worker[b] || !one || !free(a, b) || !free(b, a) {
                    continue;
                }
                let mut state = state.clone();
                for (from, to) in [(a, b), (b, a)] {
                    if state.linked(from, to) {
                        // Only where rules are broken: this end's old session ends without a word.
                        state.take_queue(from, to);
                    }
                }
                state.links[a] |= bit(b);
                state.links[b] |= bit(a);
                for (from, to) in [(a, b), (b, a)] {
                    let index = state.worker[to];
                    let owed = self.rules != Rules::OnlyOwed || state.owes[from] & 1 << index != 0;
                    if owed && self.rules != Rules::NoOpening && self.rules != Rules::NoMarker {
                        state.owes[from] &= !(1 << index);
                        state.push(from, to, Frame::MARKER);
                    }
                    for frame in state.take_waiting(from, index) {
                        state.push(from, to, frame);
                    }
                }
                next.push((Step::Open { between: [a, b] }, state));
            }
        }
    }

    pub fn end_processes(&self, state: &State, next: &mut Steps) {
        let started = state.started();
        for a in 0..started {
            if state.status[a] == Status::Live && state.deaths > 0 {
                let mut state = state.clone();
                state.deaths -= 1;
                if self.bounds.zombies {
                    let mut state = state.clone();
                    state.status[a] = Status::Zombie;
                    next.push((Step::Declare(a), state));
                }
                self.bury(&mut state, a);
                next.push((Step::Crash(a), state));
            }
            if state.status[a] == Status::Zombie {
                let mut state = state.clone();
                self.bury(&mut state, a);
                next.push((Step::ZombieEnds(a), state));
            }
            if state.declared(a) && state.restarts > 0 && started < PROCESSES && state.is_last(a) {
                let mut state = state.clone();
                state.restarts -= 1;
                state.status[started] = Status::Live;
                state.worker[started] = state.worker[a];
                state.knows[started] = (0..started)
                    .filter(|b| state.declared(*b))
                    .fold(0, |known, b| known | bit(b));
                next.push((Step::Restart(a), state));
            }
        }
    }

    fn bury(&self, state: &mut State, dead: usize) {
        let others = 0..state.started();
        let kept: Vec<(usize, Vec<Frame>)> = others
            .filter(|a| self.rules == Rules::SendAgain && *a != dead)
            .map(|a| (a, state.take_queue(a, dead)))
            .collect();
        state.bury(dead);
        for (a, frames) in kept {
            frames.into_iter().for_each(|frame| state.push(a, dead, frame));
        }
    }

    /// What makes no difference any more is the same in all states.
    pub fn tidy(&self, state: &mut State) {
        for z in 0..state.started() {
            let told = |a| a == z || !state.runs(a) || state.knows(a, z);
            let heard = matches!(self.rules, Rules::HearZombies | Rules::KeepZombies);
            if state.status[z] == Status::Zombie && !heard && (0..state.started()).all(told) {
                self.bury(state, z);
            }
        }
        if self.bounds.purge {
            for tree in 0..usize::from(state.begun) {
                let owner = usize::from(state.trees[tree].owner);
                if state.trees[tree].end != End::Pending || state.status[owner] == Status::Dead {
                    state.purge(tree);
                }
            }
        }
    }
}

/// What one worker owes after it dropped something.
fn debt(worker: u8) -> u8 {
    (0..WORKERS)
        .filter(|index| *index != worker)
        .fold(OWN, |debt, index| debt | 1 << index)
}
