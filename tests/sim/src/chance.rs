//! The one source of chance: a counter mixed by splitmix64, so that a seed gives the same run on every machine.

/// Draws numbers.
#[derive(Clone, Debug)]
pub struct Chance(u64);

impl Chance {
    /// Of that seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub const fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A whole number of `low..=high`.
    pub const fn within(&mut self, low: u64, high: u64) -> u64 {
        low + self.bits() % (high - low + 1)
    }

    /// A number of 0..1.
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Whether something happens that does so in this share of cases.
    pub fn happens(&mut self, share: f64) -> bool {
        self.unit() < share
    }

    /// A number whose logarithm is nearly normal around that of `median`.
    pub fn around(&mut self, median: f64, sigma: f64) -> f64 {
        // The sum of twelve uniform numbers has variance one.
        let normal: f64 = (0..12).map(|_| self.unit()).sum::<f64>() - 6.0;
        median * (sigma * normal).exp()
    }

    /// The time until something that happens every so often at random.
    pub fn wait(&mut self, mean: f64) -> u64 {
        (-mean * (1.0 - self.unit()).ln()).ceil().max(1.0) as u64
    }

    /// One of these.
    pub const fn pick(&mut self, count: usize) -> usize {
        (self.bits() % count as u64) as usize
    }
}
