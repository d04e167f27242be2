//! A head, `ROWS` queries at a time, `VECS` registers of keys or values of a panel at once.

use super::{Attention, Head, Rows, RowsMut, UNPACKED_MAX};
use crate::function::exp;
use crate::wide::{STRIDE, Wide, spread, total};

#[inline(always)]
pub(super) fn run<S: Wide, const ROWS: usize, const VECS: usize>(
    wide: S,
    attention: &mut Attention,
    head: &Head<'_>,
    out: &mut RowsMut<'_>,
) {
    let columns = VECS * S::WIDTH;
    let (queries, keys) = (head.queries.count(), head.keys.count());
    let Attention { keys: packed_keys, values: packed_values, scores, .. } = attention;
    let few = queries <= UNPACKED_MAX;
    if !few {
        pack_across(&head.keys, columns, packed_keys);
        pack_along(&head.values, columns, packed_values);
    }
    // Whole panels and whole strides.
    let padded = keys.next_multiple_of(2 * STRIDE);
    scores.resize(ROWS * padded, 0.0);
    let mut first = 0;
    while first < queries {
        let count = ROWS.min(queries - first);
        // A row too many is computed from the last one, and not written.
        let rows: [&[f32]; ROWS] = std::array::from_fn(|row| head.queries.row(first + row.min(count - 1)));
        if few {
            for (row, scores) in rows[..count].iter().zip(scores.chunks_exact_mut(padded)) {
                for (key, score) in scores[..keys].iter_mut().enumerate() {
                    *score = dot(wide, row, head.keys.row(key));
                }
            }
        } else {
            for (panel, keys) in packed_keys.chunks_exact(columns * head.keys.width().max(1)).enumerate() {
                let products = tile::<S, ROWS, VECS>(wide, &rows, keys);
                for (row, products) in products.iter().enumerate() {
                    let scores = &mut scores[row * padded + panel * columns..][..columns];
                    for (vec, product) in products.iter().enumerate() {
                        wide.store(*product, &mut scores[vec * S::WIDTH..]);
                    }
                }
            }
        }
        let mut shares = [0.0; ROWS];
        for (row, share) in shares[..count].iter_mut().enumerate() {
            let mask = head.mask.as_ref().map(|mask| mask.row(if mask.count() == 1 { 0 } else { first + row }));
            *share = soften(wide, &mut scores[row * padded..][..padded], keys, head.scale, mask);
        }
        if few {
            for (row, share) in shares[..count].iter().enumerate() {
                let out = out.row(first + row);
                out.fill(0.0);
                for (key, score) in scores[row * padded..][..keys].iter().enumerate() {
                    add_product(wide, score * share, head.values.row(key), out);
                }
            }
        } else {
            let rows: [&[f32]; ROWS] = std::array::from_fn(|row| &scores[row.min(count - 1) * padded..][..keys]);
            for (panel, values) in packed_values.chunks_exact(columns * keys.max(1)).enumerate() {
                let sums = tile::<S, ROWS, VECS>(wide, &rows, values);
                for (row, (sums, share)) in sums.iter().zip(shares).enumerate().take(count) {
                    let out = &mut out.row(first + row)[panel * columns..];
                    for (vec, sum) in sums.iter().enumerate() {
                        let sum = wide.mul(*sum, wide.splat(share));
                        let at = vec * S::WIDTH;
                        if at + S::WIDTH <= out.len() {
                            wide.store(sum, &mut out[at..]);
                        } else if at < out.len() {
                            let mut last = [0.0; STRIDE];
                            wide.store(sum, &mut last);
                            let count = out.len() - at;
                            out[at..].copy_from_slice(&last[..count]);
                        }
                    }
                }
            }
        }
        first += count;
    }
}

/// The products of `ROWS` rows with the columns of a panel.
#[inline(always)]
fn tile<S: Wide, const ROWS: usize, const VECS: usize>(
    wide: S,
    rows: &[&[f32]; ROWS],
    panel: &[f32],
) -> [[S::Floats; VECS]; ROWS] {
    let mut sums = [[wide.splat(0.0); VECS]; ROWS];
    let depth = rows[0].len();
    let rows: [&[f32]; ROWS] = std::array::from_fn(|row| &rows[row][..depth]);
    for (at, columns) in panel.chunks_exact(VECS * S::WIDTH).enumerate().take(depth) {
        let mut vecs = [wide.splat(0.0); VECS];
        for (vec, place) in vecs.iter_mut().enumerate() {
            *place = wide.load(&columns[vec * S::WIDTH..]);
        }
        for (sums, row) in sums.iter_mut().zip(rows) {
            let x = wide.splat(row[at]);
            for (sum, vec) in sums.iter_mut().zip(vecs) {
                *sum = wide.mul_add(x, vec, *sum);
            }
        }
    }
    sums
}

/// The sum of products.
#[inline(always)]
fn dot<S: Wide>(wide: S, one: &[f32], other: &[f32]) -> f32 {
    let mut parts = [wide.splat(0.0); STRIDE / 4];
    let (ones, rest) = one.as_chunks::<STRIDE>();
    let (others, tail) = other.as_chunks::<STRIDE>();
    for (ones, others) in ones.iter().zip(others) {
        for (part, sum) in parts.iter_mut().enumerate().take(STRIDE / S::WIDTH) {
            let at = part * S::WIDTH;
            *sum = wide.mul_add(wide.load(&ones[at..]), wide.load(&others[at..]), *sum);
        }
    }
    let rest: f32 = rest.iter().zip(tail).map(|(one, other)| one * other).sum();
    total(wide, &parts) + rest
}

/// Adds a row, times a number, to another.
#[inline(always)]
fn add_product<S: Wide>(wide: S, factor: f32, row: &[f32], out: &mut [f32]) {
    let (rows, rest) = row.as_chunks::<STRIDE>();
    let (outs, tail) = out.as_chunks_mut::<STRIDE>();
    for (row, out) in rows.iter().zip(outs) {
        for part in 0..STRIDE / S::WIDTH {
            let at = part * S::WIDTH;
            let sum = wide.mul_add(wide.splat(factor), wide.load(&row[at..]), wide.load(&out[at..]));
            wide.store(sum, &mut out[at..]);
        }
    }
    for (out, number) in tail.iter_mut().zip(rest) {
        *out = factor.mul_add(*number, *out);
    }
}

/// The first `keys` scores, which are followed by room for whole strides, as weights that are still to be multiplied with what is
/// returned, so that they sum to one.
#[inline(always)]
fn soften<S: Wide>(wide: S, scores: &mut [f32], keys: usize, scale: f32, mask: Option<&[f32]>) -> f32 {
    // What follows the last key is the least there is, and adds nothing.
    scores[keys..].fill(0.0);
    let strides = scores.as_chunks_mut::<STRIDE>().0;
    let strides = &mut strides[..keys.div_ceil(STRIDE)];
    let mut most = [wide.splat(f32::NEG_INFINITY); STRIDE / 4];
    for (stride, scores) in strides.iter_mut().enumerate() {
        let first = stride * STRIDE;
        let mut terms = [f32::NEG_INFINITY; STRIDE];
        let here = STRIDE.min(keys - first);
        match mask {
            Some(mask) => terms[..here].copy_from_slice(&mask[first..][..here]),
            None => terms[..here].fill(0.0),
        }
        for (part, most) in most.iter_mut().enumerate().take(STRIDE / S::WIDTH) {
            let at = part * S::WIDTH;
            let score = wide.mul_add(wide.load(&scores[at..]), wide.splat(scale), wide.load(&terms[at..]));
            wide.store(score, &mut scores[at..]);
            *most = wide.max(score, *most);
        }
    }
    let mut largest = f32::NEG_INFINITY;
    for number in spread(wide, &most) {
        largest = if number > largest { number } else { largest };
    }
    let mut sums = [wide.splat(0.0); STRIDE / 4];
    for scores in strides {
        for (part, sum) in sums.iter_mut().enumerate().take(STRIDE / S::WIDTH) {
            let at = part * S::WIDTH;
            let weight = exp(wide, wide.sub(wide.load(&scores[at..]), wide.splat(largest)));
            wide.store(weight, &mut scores[at..]);
            *sum = wide.add(*sum, weight);
        }
    }
    1.0 / total(wide, &sums)
}

/// Rows as the columns of panels, `[panels, width, columns]`.
#[inline(always)]
fn pack_across(rows: &Rows<'_>, columns: usize, packed: &mut Vec<f32>) {
    let (count, width) = (rows.count(), rows.width());
    packed.resize(count.next_multiple_of(columns) * width, 0.0);
    for (panel, packed) in packed.chunks_exact_mut((columns * width).max(1)).enumerate() {
        for column in 0..columns {
            // What fills the last panel up is never looked at.
            let row = rows.row((panel * columns + column).min(count - 1));
            for (at, number) in row.iter().enumerate() {
                packed[at * columns + column] = *number;
            }
        }
    }
}

/// Parts of rows under each other, `[panels, rows, columns]`.
#[inline(always)]
fn pack_along(rows: &Rows<'_>, columns: usize, packed: &mut Vec<f32>) {
    let (count, width) = (rows.count(), rows.width());
    packed.resize(width.next_multiple_of(columns) * count, 0.0);
    for (panel, packed) in packed.chunks_exact_mut((columns * count).max(1)).enumerate() {
        let start = panel * columns;
        let end = width.min(start + columns);
        for (row, packed) in packed.chunks_exact_mut(columns).enumerate() {
            packed[..end - start].copy_from_slice(&rows.row(row)[start..end]);
        }
    }
}
