use crate::ack::{Edges, Lineage, Root};

/// How the copies of an emitted tuple are tracked. For each copy a fresh edge is drawn, and added to the anchors
/// before the copy is sent.
pub trait Anchor {
    fn child(&mut self, edges: &mut Edges) -> Lineage;

    /// The trees that the copies will be part of.
    fn roots(&self) -> Vec<Root>;
}

/// One tuple (or a spout's own tree), in any number of trees; the edges are collected in the second.
pub struct Input<'a>(pub &'a Lineage, pub &'a mut u64);

impl Anchor for Input<'_> {
    #[inline(always)]
    fn child(&mut self, edges: &mut Edges) -> Lineage {
        if !self.0.is_tracked() {
            return Lineage::NONE;
        }
        let edge = edges.draw();
        *self.1 ^= edge;
        self.0.child(edge)
    }

    fn roots(&self) -> Vec<Root> {
        let mut roots = Vec::new();
        self.0.each(|root, _| roots.push(root));
        roots
    }
}

/// Any number of tuples, each in any number of trees. Each anchor has an edge of its own to the child, as in Storm: one
/// edge for two anchors of the same tree would cancel out.
pub struct Anchors<'a>(pub &'a mut [(Lineage, u64)]);

impl Anchor for Anchors<'_> {
    fn child(&mut self, edges: &mut Edges) -> Lineage {
        let mut pairs = Vec::with_capacity(self.0.len());
        for (lineage, made) in self.0.iter_mut().filter(|(lineage, _)| lineage.is_tracked()) {
            let edge = edges.draw();
            *made ^= edge;
            lineage.each(|root, _| pairs.push((root, edge)));
        }
        Lineage::many(pairs)
    }

    fn roots(&self) -> Vec<Root> {
        let mut roots = Vec::new();
        for (lineage, _) in self.0.iter() {
            lineage.each(|root, _| roots.push(root));
        }
        roots.sort_unstable_by_key(|root| root.bits());
        roots.dedup();
        roots
    }
}
