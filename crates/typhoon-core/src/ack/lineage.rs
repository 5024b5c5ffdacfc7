use super::Root;

/// The mark in a root's worker bits that says: `edge` is a pointer to a list.
const MANY: u64 = (Root::WORKERS as u64) << 52;

/// The trees that a tuple belongs to, and its edge in each: none, one (held in place), or several (a list on the heap).
///
/// Two words, since every queued tuple carries one.
pub struct Lineage {
    root: u64,
    edge: u64,
}

type List = Vec<(Root, u64)>;

impl Lineage {
    /// Of a tuple that nobody tracks.
    pub const NONE: Lineage = Lineage { root: 0, edge: 0 };

    #[inline(always)]
    #[must_use]
    pub fn one(root: Root, edge: u64) -> Self {
        Lineage {
            root: root.bits(),
            edge,
        }
    }

    /// From any number of (root, edge) pairs; pairs of the same root are combined, as in Storm.
    #[must_use]
    pub fn many(pairs: impl IntoIterator<Item = (Root, u64)>) -> Self {
        let mut list: List = Vec::new();
        for (root, edge) in pairs {
            match list.iter_mut().find(|(known, _)| *known == root) {
                Some((_, value)) => *value ^= edge,
                None => list.push((root, edge)),
            }
        }
        match list.as_slice() {
            [] => Self::NONE,
            &[(root, edge)] => Self::one(root, edge),
            _ => Lineage {
                root: MANY,
                edge: Box::into_raw(Box::new(list)) as u64,
            },
        }
    }

    #[inline(always)]
    #[must_use]
    pub fn is_tracked(&self) -> bool {
        self.root != 0
    }

    /// The single root and edge, when there is exactly one.
    #[inline(always)]
    #[must_use]
    pub fn single(&self) -> Option<(Root, u64)> {
        (self.root != 0 && self.root != MANY).then(|| (Root::from_bits(self.root), self.edge))
    }

    /// Each root with this tuple's edge in it.
    #[inline]
    pub fn each(&self, mut visit: impl FnMut(Root, u64)) {
        if let Some((root, edge)) = self.single() {
            visit(root, edge);
        } else if self.root == MANY {
            // SAFETY: `many` put a leaked box of this type there, and only `drop` takes it away.
            for &(root, edge) in unsafe { &*(self.edge as *const List) } {
                visit(root, edge);
            }
        }
    }

    #[cold]
    fn copy(&self) -> Self {
        let mut pairs = Vec::new();
        self.each(|root, edge| pairs.push((root, edge)));
        Self::many(pairs)
    }

    #[cold]
    fn with(&self, edge: u64) -> Self {
        let mut pairs = Vec::new();
        self.each(|root, _| pairs.push((root, edge)));
        Self::many(pairs)
    }

    /// The lineage of a child of this tuple alone: the same roots, with `edge` in each.
    #[inline(always)]
    #[must_use]
    pub fn child(&self, edge: u64) -> Self {
        if self.root == MANY {
            return self.with(edge);
        }
        Lineage {
            root: self.root,
            edge: if self.root == 0 { 0 } else { edge },
        }
    }
}

impl Drop for Lineage {
    #[inline(always)]
    fn drop(&mut self) {
        if self.root == MANY {
            // SAFETY: as in `each`; this is the only place that frees it.
            drop(unsafe { Box::from_raw(self.edge as *mut List) });
        }
    }
}

impl Clone for Lineage {
    #[inline(always)]
    fn clone(&self) -> Self {
        if self.root == MANY {
            return self.copy();
        }
        Lineage {
            root: self.root,
            edge: self.edge,
        }
    }
}

impl std::fmt::Debug for Lineage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut list = f.debug_list();
        self.each(|root, edge| {
            list.entry(&(root, edge));
        });
        list.finish()
    }
}

impl Default for Lineage {
    fn default() -> Self {
        Self::NONE
    }
}
