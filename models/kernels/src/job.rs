//! One layer over one set of rows, and the walk over its tiles that all kernels share.

use crate::Function;
use crate::pack::Packed;
use crate::wide::Wide;

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
    pub(crate) fn finish<S: Wide, const COLUMNS: usize>(
        &mut self,
        wide: S,
        panel: usize,
        first: usize,
        sums: &[[i32; COLUMNS]],
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
            let of_row = wide.splat(self.scales[first + row]);
            let mut results = [0.0; COLUMNS];
            for part in 0..COLUMNS / S::WIDTH {
                let at = part * S::WIDTH;
                let scale = wide.mul(wide.load(&scales[at..]), of_row);
                let sum = wide.load_differences(&sums[at..], &excess[at..]);
                let result = wide.mul_add(sum, scale, wide.load(&bias[at..]));
                wide.store(self.function.of(wide, result), &mut results[at..]);
            }
            write(wide, &results, &mut self.out[(first + row) * outputs + start..][..count], self.adds);
        }
    }
}

/// Results of a row into what there is room for, or added to what is there.
#[inline(always)]
pub(crate) fn write<S: Wide, const COLUMNS: usize>(wide: S, results: &[f32; COLUMNS], out: &mut [f32], adds: bool) {
    if !adds {
        out.copy_from_slice(&results[..out.len()]);
    } else if out.len() == COLUMNS {
        for part in 0..COLUMNS / S::WIDTH {
            let at = part * S::WIDTH;
            wide.store(wide.add(wide.load(&out[at..]), wide.load(&results[at..])), &mut out[at..]);
        }
    } else {
        for (out, result) in out.iter_mut().zip(results) {
            *out += result;
        }
    }
}

/// The walk over tiles, for one instruction set: panel by panel, so that a panel's weights are read once from memory, and in
/// each as many rows at a time as there are registers for. `$tile::<ROWS>(panel, rows, depth)` gives the sums, and `$wide` finishes
/// them.
macro_rules! kernel {
    ($(#[$attribute:meta])* $tile:ident, $wide:expr, $columns:literal, $most:literal: $($rows:literal)*) => {
        $(#[$attribute])*
        #[inline(never)]
        fn finish(job: &mut crate::job::Job<'_>, panel: usize, first: usize, sums: &[[i32; $columns]]) {
            job.finish($wide, panel, first, sums);
        }

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
                            finish(job, panel, first, &sums);
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
