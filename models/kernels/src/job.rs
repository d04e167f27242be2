//! One layer over one set of rows, and the walk over its tiles that all kernels share.

use crate::Function;
use crate::pack::Packed;

/// What a kernel works on. `bytes` holds a whole number of rows of the packed depth, and there is one scale for each.
pub(crate) struct Job<'a> {
    pub(crate) packed: &'a Packed,
    pub(crate) bytes: &'a [u8],
    pub(crate) scales: &'a [f32],
    /// One for each output of every panel, or empty.
    pub(crate) bias: &'a [f32],
    pub(crate) function: Function,
    /// Whether results are added to what is in `out`.
    pub(crate) adds: bool,
    /// `[rows, outputs]`.
    pub(crate) out: &'a mut [f32],
}

impl Job<'_> {
    /// Turns the sums of a tile into results: rows from `first`, the outputs of `panel`.
    #[inline(always)]
    pub(crate) fn finish<const ROWS: usize, const COLUMNS: usize>(
        &mut self,
        panel: usize,
        first: usize,
        sums: &[[i32; COLUMNS]; ROWS],
    ) {
        let outputs = self.packed.outputs;
        let start = panel * COLUMNS;
        let count = COLUMNS.min(outputs - start);
        let scales = &self.packed.scales[start..][..COLUMNS];
        let excess = &self.packed.excess[start..][..COLUMNS];
        let mut bias = [0.0; COLUMNS];
        if !self.bias.is_empty() {
            bias.copy_from_slice(&self.bias[start..][..COLUMNS]);
        }
        for (row, sums) in sums.iter().enumerate() {
            let of_row = self.scales[first + row];
            let mut results = [0.0; COLUMNS];
            for column in 0..COLUMNS {
                let sum = (sums[column] - excess[column]) as f32;
                results[column] = sum.mul_add(scales[column] * of_row, bias[column]);
            }
            self.function.apply(&mut results);
            let out = &mut self.out[(first + row) * outputs + start..][..count];
            if self.adds {
                out.iter_mut().zip(&results).for_each(|(out, result)| *out += result);
            } else {
                out.copy_from_slice(&results[..count]);
            }
        }
    }
}

/// The walk over tiles, for one instruction set: panel by panel, so that a panel's weights are read once from memory, and in
/// each as many rows at a time as there are registers for. `$tile::<ROWS>(panel, rows, depth)` gives the sums.
macro_rules! kernel {
    ($(#[$attribute:meta])* $tile:ident, $columns:literal, $most:literal: $($rows:literal)*) => {
        $(#[$attribute])*
        fn walk(job: &mut crate::job::Job<'_>) {
            let (depth, rows) = (job.packed.depth, job.scales.len());
            for panel in 0..job.packed.panels() {
                let mut first = 0;
                while first < rows {
                    let count = (rows - first).min($most);
                    let bytes = &job.bytes[first * depth..][..count * depth];
                    match count {
                        $($rows => {
                            let sums: [[i32; $columns]; $rows] = $tile::<$rows>(job.packed.panel(panel), bytes, depth);
                            job.finish(panel, first, &sums);
                        })*
                        _ => unreachable!("as many rows as a tile takes"),
                    }
                    first += count;
                }
            }
        }
    };
}

pub(crate) use kernel;
