//! A head, `ROWS` queries at a time, `COLUMNS` keys or values of a panel at once. Compiled anew into each instruction set.

use super::{Attention, Head, Rows, RowsMut, UNPACKED_MAX};
use crate::function::exp;

#[inline(always)]
pub(super) fn run<const ROWS: usize, const COLUMNS: usize>(
    attention: &mut Attention,
    head: &Head<'_>,
    out: &mut RowsMut<'_>,
) {
    let (queries, keys, width) = (head.queries.count(), head.keys.count(), head.values.width());
    let Attention { keys: packed_keys, values: packed_values, scores, .. } = attention;
    let few = queries <= UNPACKED_MAX;
    if !few {
        pack_across::<COLUMNS>(&head.keys, packed_keys);
    }
    pack_along::<COLUMNS>(&head.values, packed_values, few);
    let wide = keys.next_multiple_of(COLUMNS);
    scores.resize(ROWS * wide, 0.0);
    let mut first = 0;
    while first < queries {
        let count = ROWS.min(queries - first);
        // A row too many is computed from the last one, and not written.
        let rows: [&[f32]; ROWS] = std::array::from_fn(|row| head.queries.row(first + row.min(count - 1)));
        if few {
            for (row, scores) in rows[..count].iter().zip(scores.chunks_exact_mut(wide)) {
                (0..keys).for_each(|key| scores[key] = dot(row, head.keys.row(key)));
            }
        } else {
            for (panel, keys) in packed_keys.chunks_exact(COLUMNS * head.keys.width().max(1)).enumerate() {
                let products = tile::<ROWS, COLUMNS>(&rows, keys);
                for (row, products) in products.iter().enumerate() {
                    scores[row * wide + panel * COLUMNS..][..COLUMNS].copy_from_slice(products);
                }
            }
        }
        let mut shares = [0.0; ROWS];
        for (row, share) in shares[..count].iter_mut().enumerate() {
            let mask = head.mask.as_ref().map(|mask| mask.row(if mask.count() == 1 { 0 } else { first + row }));
            *share = soften(&mut scores[row * wide..][..keys], head.scale, mask);
        }
        if few {
            for (row, share) in shares[..count].iter().enumerate() {
                let out = out.row(first + row);
                out.fill(0.0);
                for (key, score) in scores[row * wide..][..keys].iter().enumerate() {
                    let score = score * share;
                    let value = head.values.row(key);
                    out.iter_mut().zip(value).for_each(|(sum, value)| *sum = score.mul_add(*value, *sum));
                }
            }
        } else {
            let rows: [&[f32]; ROWS] = std::array::from_fn(|row| &scores[row.min(count - 1) * wide..][..keys]);
            for (panel, values) in packed_values.chunks_exact(COLUMNS * keys.max(1)).enumerate() {
                let sums = tile::<ROWS, COLUMNS>(&rows, values);
                let start = panel * COLUMNS;
                let end = width.min(start + COLUMNS);
                for (row, (sums, share)) in sums.iter().zip(shares).enumerate().take(count) {
                    let out = &mut out.row(first + row)[start..end];
                    out.iter_mut().zip(sums).for_each(|(out, sum)| *out = sum * share);
                }
            }
        }
        first += count;
    }
}

/// The products of `ROWS` rows with the columns of a panel.
#[inline(always)]
fn tile<const ROWS: usize, const COLUMNS: usize>(rows: &[&[f32]; ROWS], panel: &[f32]) -> [[f32; COLUMNS]; ROWS] {
    let mut sums = [[0.0_f32; COLUMNS]; ROWS];
    let depth = rows[0].len();
    let rows: [&[f32]; ROWS] = std::array::from_fn(|row| &rows[row][..depth]);
    for (at, columns) in panel.as_chunks::<COLUMNS>().0.iter().enumerate().take(depth) {
        for (sums, row) in sums.iter_mut().zip(rows) {
            let x = row[at];
            for (sum, column) in sums.iter_mut().zip(columns) {
                *sum = x.mul_add(*column, *sum);
            }
        }
    }
    sums
}

/// The sum of products, in as many parts as the widest register holds.
#[inline(always)]
fn dot(one: &[f32], other: &[f32]) -> f32 {
    let mut parts = [0.0_f32; 16];
    let (ones, rest) = one.as_chunks::<16>();
    let (others, tail) = other.as_chunks::<16>();
    for (ones, others) in ones.iter().zip(others) {
        for ((part, one), other) in parts.iter_mut().zip(ones).zip(others) {
            *part = one.mul_add(*other, *part);
        }
    }
    let rest: f32 = rest.iter().zip(tail).map(|(one, other)| one * other).sum();
    parts.iter().sum::<f32>() + rest
}

/// Scores as weights that are still to be multiplied with what is returned, so that they sum to one.
#[inline(always)]
fn soften(scores: &mut [f32], scale: f32, mask: Option<&[f32]>) -> f32 {
    match mask {
        Some(mask) => scores.iter_mut().zip(mask).for_each(|(score, mask)| *score = score.mul_add(scale, *mask)),
        None => scores.iter_mut().for_each(|score| *score *= scale),
    }
    let mut most = [f32::NEG_INFINITY; 16];
    let (whole, rest) = scores.as_chunks::<16>();
    for scores in whole {
        most.iter_mut().zip(scores).for_each(|(most, score)| *most = if *score > *most { *score } else { *most });
    }
    let most = most.iter().chain(rest).fold(f32::NEG_INFINITY, |most, score| if *score > most { *score } else { most });
    let mut sums = [0.0_f32; 16];
    let (whole, rest) = scores.as_chunks_mut::<16>();
    for scores in whole {
        for (sum, score) in sums.iter_mut().zip(scores) {
            *score = exp(*score - most);
            *sum += *score;
        }
    }
    let mut total: f32 = sums.iter().sum();
    for score in rest {
        *score = exp(*score - most);
        total += *score;
    }
    1.0 / total
}

/// Rows as the columns of panels, `[panels, width, COLUMNS]`.
#[inline(always)]
fn pack_across<const COLUMNS: usize>(rows: &Rows<'_>, packed: &mut Vec<f32>) {
    let (count, width) = (rows.count(), rows.width());
    packed.resize(count.next_multiple_of(COLUMNS) * width, 0.0);
    for (panel, packed) in packed.chunks_exact_mut((COLUMNS * width).max(1)).enumerate() {
        for column in 0..COLUMNS {
            // What fills the last panel up is never looked at.
            let row = rows.row((panel * COLUMNS + column).min(count - 1));
            for (at, number) in row.iter().enumerate() {
                packed[at * COLUMNS + column] = *number;
            }
        }
    }
}

/// Parts of rows under each other, `[panels, rows, COLUMNS]`; nothing where they are read as they are.
#[inline(always)]
fn pack_along<const COLUMNS: usize>(rows: &Rows<'_>, packed: &mut Vec<f32>, unpacked: bool) {
    if unpacked {
        return;
    }
    let (count, width) = (rows.count(), rows.width());
    packed.resize(width.next_multiple_of(COLUMNS) * count, 0.0);
    for (panel, packed) in packed.chunks_exact_mut((COLUMNS * count).max(1)).enumerate() {
        let start = panel * COLUMNS;
        let end = width.min(start + COLUMNS);
        for (row, packed) in packed.chunks_exact_mut(COLUMNS).enumerate() {
            packed[..end - start].copy_from_slice(&rows.row(row)[start..end]);
        }
    }
}
