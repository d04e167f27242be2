//! The one matrix product: `out += a · b`, blocked so that sums stay in registers and columns run side by side.

/// Rows of a block.
const ROWS: usize = 4;
/// Columns of a block of several rows.
const COLUMNS: usize = 8;
/// Columns of a block of one row: as many sums in flight as a block of several rows has.
const COLUMNS_OF_ONE: usize = 32;

/// How the left factor lies in memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Left {
    /// `[rows, depth]`.
    Plain,
    /// `[depth, rows]`: it is the transpose that is multiplied.
    Transposed,
}

/// Sizes of a product: `[rows, depth] · [depth, columns]`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Shape {
    pub(super) rows: usize,
    pub(super) depth: usize,
    pub(super) columns: usize,
}

/// Room for a few rows of the left factor, one depth after another.
#[derive(Clone, Debug, Default)]
pub(super) struct Panel {
    several: Vec<[f32; ROWS]>,
    one: Vec<[f32; 1]>,
}

/// `out += a · b`; everything is row-major, `a` as `left` says.
pub(super) fn add_product(shape: Shape, left: Left, a: &[f32], b: &[f32], out: &mut [f32], panel: &mut Panel) {
    let Shape { rows, columns, .. } = shape;
    let whole = rows - rows % ROWS;
    for row in (0..whole).step_by(ROWS) {
        pack(shape, left, a, row, &mut panel.several);
        let out = &mut out[row * columns..(row + ROWS) * columns];
        let mut column = across::<ROWS, COLUMNS>(&panel.several, b, out, columns, 0);
        column = across::<ROWS, 4>(&panel.several, b, out, columns, column);
        across::<ROWS, 1>(&panel.several, b, out, columns, column);
    }
    for row in whole..rows {
        pack(shape, left, a, row, &mut panel.one);
        let out = &mut out[row * columns..(row + 1) * columns];
        let mut column = across::<1, COLUMNS_OF_ONE>(&panel.one, b, out, columns, 0);
        column = across::<1, COLUMNS>(&panel.one, b, out, columns, column);
        across::<1, 1>(&panel.one, b, out, columns, column);
    }
}

/// Copies `R` rows of `a` from `row` on, the numbers of one depth side by side.
fn pack<const R: usize>(shape: Shape, left: Left, a: &[f32], row: usize, panel: &mut Vec<[f32; R]>) {
    let Shape { rows, depth, .. } = shape;
    panel.clear();
    match left {
        Left::Plain => {
            let rows: [&[f32]; R] = std::array::from_fn(|r| &a[(row + r) * depth..(row + r + 1) * depth]);
            panel.extend((0..depth).map(|k| std::array::from_fn(|r| rows[r][k])));
        }
        Left::Transposed => {
            let part = |line: &[f32]| std::array::from_fn(|r| line[row + r]);
            panel.extend(a.chunks_exact(rows).take(depth).map(part));
        }
    }
}

/// The blocks of `R` rows and `C` columns from `column` on; returns the first column that is left over.
fn across<const R: usize, const C: usize>(
    panel: &[[f32; R]],
    b: &[f32],
    out: &mut [f32],
    columns: usize,
    mut column: usize,
) -> usize {
    while column + C <= columns {
        let mut sums = [[0.0_f32; C]; R];
        for (a, line) in panel.iter().zip(b.chunks_exact(columns)) {
            let line = &line[column..column + C];
            for (sums, a) in sums.iter_mut().zip(a) {
                sums.iter_mut().zip(line).for_each(|(sum, b)| *sum += a * b);
            }
        }
        for (sums, out) in sums.iter().zip(out.chunks_exact_mut(columns)) {
            out[column..column + C].iter_mut().zip(sums).for_each(|(out, sum)| *out += sum);
        }
        column += C;
    }
    column
}

#[cfg(test)]
mod tests {
    use super::*;
    use trimtab_scenes::Rng;

    #[test]
    fn every_shape_agrees_with_the_plain_sum() {
        let mut rng = Rng::for_purpose(1, "product");
        for (rows, depth, columns) in [(1, 1, 1), (5, 7, 9), (4, 25, 64), (64, 64, 9), (3, 5, 45), (9, 2, 13)] {
            let mut random = |n: usize| -> Vec<f32> { (0..n).map(|_| rng.range(-1.0, 1.0)).collect() };
            let (a, b, before) = (random(rows * depth), random(depth * columns), random(rows * columns));
            for left in [Left::Plain, Left::Transposed] {
                let mut out = before.clone();
                add_product(Shape { rows, depth, columns }, left, &a, &b, &mut out, &mut Panel::default());
                for row in 0..rows {
                    for column in 0..columns {
                        let at = |k: usize| match left {
                            Left::Plain => a[row * depth + k],
                            Left::Transposed => a[k * rows + row],
                        };
                        let sum: f32 = (0..depth).map(|k| at(k) * b[k * columns + column]).sum();
                        let (have, expect) = (out[row * columns + column], before[row * columns + column] + sum);
                        assert!((have - expect).abs() < 1e-4, "{left:?} {rows}x{depth}x{columns}: {have} {expect}");
                    }
                }
            }
        }
    }
}
