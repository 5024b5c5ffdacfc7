//! Everything at once, for as long as it takes: nothing comes twice or out of order, and nothing is missing except
//! where a session was lost.

use crate::node::{Kind, Lane, Node, config};
use crate::proxy::Proxy;
use std::time::Duration;

/// A small generator, so that a seed tells the whole story.
pub struct Dice(pub u64);

impl Dice {
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

#[test]
fn only_a_lost_session_loses_anything() {
    for seed in 1..=3 {
        chaos(seed);
    }
}

fn chaos(seed: u64) {
    println!("seed {seed}");
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15 ^ seed);
    let mut configs = [1u16, 2].map(|index| config(Kind::Tcp, index, u64::from(index) * 10));
    for config in &mut configs {
        config.link_timeout = Duration::from_millis(250);
        config.handshake_timeout = Duration::from_millis(100);
    }
    let [one, two] = configs.map(Node::start);
    let proxy = Proxy::start(one.links.address());
    one.knows(&two);
    two.knows_at(&one, proxy.address());
    let mut sent = [[0u64; 2]; 2];
    for _ in 0..60 {
        for (i, (node, peer)) in [(&one, 2), (&two, 1)].into_iter().enumerate() {
            for lane in [Lane::Urgent, Lane::Bulk] {
                let (from, count) = (&mut sent[i][lane as usize], dice.below(200));
                node.count(peer, lane, *from..*from + count, 10 + dice.below(3000) as usize);
                *from += count;
            }
        }
        // The pauses are what is tested, not something that is waited for.
        let pause = Duration::from_millis(dice.below(30));
        match dice.below(10) {
            0 => proxy.flip_after(dice.below(100_000)),
            1 => proxy.cut_after(Some(500 + dice.below(100_000))),
            2 => proxy.cut_after(None),
            3 => one.links.cut(2),
            4 => two.links.cut(1),
            5 => {
                proxy.close(true);
                std::thread::sleep(pause * 12);
                proxy.close(false);
            }
            6 => {
                proxy.stall(true);
                std::thread::sleep(pause * 8);
                proxy.stall(false);
            }
            _ => std::thread::sleep(pause),
        }
    }
    proxy.cut_after(None);
    // What is sent last comes, in whichever session.
    for (node, peer, i) in [(&one, 2, 0), (&two, 1, 1)] {
        let other = if peer == 2 { &two } else { &one };
        while !other.has_counted(node.index, sent[i][1]) {
            node.count(peer, Lane::Bulk, sent[i][1]..sent[i][1] + 1, 10);
            sent[i][1] += 1;
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    for node in [&one, &two] {
        let (figures, state) = (node.figures(3 - node.index), node.state());
        println!("{figures:?}, {} gaps", state.gaps);
        // Each of the two lanes.
        assert!(state.gaps <= 2 * figures.lost, "{figures:?}");
    }
}
