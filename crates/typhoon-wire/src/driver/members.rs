//! Peers that come up, go down, are lost.

use super::Driver;
use super::connection::Stage;
use crate::config::Address;
use crate::handler::Lost;
use crate::handshake::random;
use crate::peer::{Peer, Present};
use std::time::Instant;

impl Driver {
    pub(super) fn up(&mut self, index: u16, incarnation: u64, address: Address, now: Instant) {
        if index == self.config.worker {
            return;
        }
        let ledger = &self.shared.ledger;
        let peer = self
            .peers
            .entry(index)
            .or_insert_with(|| Peer::new(ledger.peer(index)));
        if !peer.is_news(incarnation) {
            if let Some(present) = peer.present.as_mut().filter(|p| p.incarnation == incarnation) {
                present.address = address;
            }
            return;
        }
        if let Some(before) = incarnation.checked_sub(1) {
            self.down(index, before);
        }
        let proposal = u64::from_le_bytes(random());
        let peer = self.peers.get_mut(&index).expect("entered above");
        peer.present = Some(Present::new(incarnation, address, proposal, now));
    }

    pub(super) fn down(&mut self, index: u16, incarnation: u64) {
        let ledger = &self.shared.ledger;
        let peer = self
            .peers
            .entry(index)
            .or_insert_with(|| Peer::new(ledger.peer(index)));
        if !peer.bury(incarnation) {
            return;
        }
        let Some(present) = peer.present.take() else {
            return;
        };
        for name in present.connection.into_iter().chain(present.dialling) {
            self.close(name);
        }
        if present.session.is_some() {
            let incarnation = present.incarnation;
            // Dropped before it is told.
            drop(present);
            self.count_lost(index);
            self.handler.lost(index, incarnation, Lost::Down);
        }
    }

    /// The session is gone for good, the incarnation is not: a new session may begin.
    pub(super) fn lose(&mut self, index: u16, why: Lost, now: Instant) {
        let Some(present) = self.present(index) else {
            return;
        };
        let incarnation = present.incarnation;
        let had_one = present.session.is_some();
        present.forget(u64::from_le_bytes(random()));
        present.dial_at = now;
        let connections = [present.connection.take(), present.dialling.take()];
        for name in connections.into_iter().flatten() {
            self.close(name);
        }
        if had_one {
            self.count_lost(index);
            self.handler.lost(index, incarnation, why);
        }
    }

    /// Break the connection of a session; that goes on.
    pub(super) fn cut(&mut self, index: u16, now: Instant) {
        if let Some(name) = self.present(index).and_then(|present| present.connection) {
            self.broken(name, now);
        }
    }

    /// A connection is over, by whoever's doing.
    pub(super) fn broken(&mut self, name: usize, now: Instant) {
        let Some(stage) = self.close(name) else { return };
        let index = match stage {
            Stage::Dialling(index, _) | Stage::Attached(index) => index,
            Stage::Greeting(_) => return,
        };
        let Some(present) = self.present(index) else {
            return;
        };
        if present.dialling == Some(name) {
            present.dialling = None;
            present.back_off(now);
        }
        if present.connection == Some(name) {
            present.connection = None;
            present.back_off(now);
            if let Some(session) = &mut present.session {
                session.detach();
            }
        }
    }

    /// Close a socket. What its peer knows of it is the caller's business.
    pub(super) fn close(&mut self, name: usize) -> Option<Stage> {
        let mut connection = self.connections.remove(&name)?;
        self.shared.ledger.connections(self.connections.len());
        // Closing would do it as well, were it not for a child that another thread is just starting.
        connection.socket.shut_down();
        let _ = self.poll.registry().deregister(connection.socket.source());
        Some(connection.stage)
    }

    pub(super) fn present(&mut self, index: u16) -> Option<&mut Present> {
        self.peers.get_mut(&index)?.present.as_mut()
    }

    fn count_lost(&self, index: u16) {
        if let Some(peer) = self.peers.get(&index) {
            peer.counters.lost.add(1);
        }
    }
}
