/// The source of edge ids: wyrand, which is not linear over XOR. (A linear generator has fixed XOR relations between
/// its outputs; a ledger fed from one would complete trees that are not complete.)
#[derive(Debug, Clone)]
pub struct Edges(u64);

impl Edges {
    /// Seed from the operating system's entropy, once per thread and after any fork.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Edges(seed)
    }

    /// A fresh edge, never 0.
    #[inline(always)]
    pub fn draw(&mut self) -> u64 {
        loop {
            self.0 = self.0.wrapping_add(0xa076_1d64_78bd_642f);
            let wide = u128::from(self.0).wrapping_mul(u128::from(self.0 ^ 0xe703_7ed1_a0b4_28db));
            let edge = (wide >> 64) as u64 ^ wide as u64;
            if edge != 0 {
                return edge;
            }
        }
    }

    /// A number below `bound`, near enough to uniform for choosing a task.
    #[inline]
    pub fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.draw()) * bound as u128) >> 64) as usize
    }
}
