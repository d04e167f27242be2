//! One layer over one set of rows, and the walk over its tiles that all kernels share.

use crate::pack::Packed;

/// What a kernel works on. `bytes` holds a whole number of rows of the packed depth, and there is one scale for each.
pub(crate) struct Job<'a> {
    pub(crate) packed: &'a Packed,
    pub(crate) bytes: &'a [u8],
    pub(crate) scales: &'a [f32],
    /// Added to the result; as long as `out`.
    pub(crate) residual: Option<&'a [f32]>,
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
        let (scales, bias) = (&self.packed.scales[start..][..COLUMNS], &self.packed.bias[start..][..COLUMNS]);
        let excess = &self.packed.excess[start..][..COLUMNS];
        for (row, sums) in sums.iter().enumerate() {
            let of_row = self.scales[first + row];
            let mut results = [0.0; COLUMNS];
            for column in 0..COLUMNS {
                let sum = (sums[column] - excess[column]) as f32;
                results[column] = sum.mul_add(scales[column] * of_row, bias[column]);
            }
            let at = (first + row) * outputs + start;
            if let Some(residual) = self.residual {
                results.iter_mut().zip(&residual[at..][..count]).for_each(|(result, other)| *result += other);
            }
            self.out[at..][..count].copy_from_slice(&results[..count]);
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
