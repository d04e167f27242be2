//! Kernels for x86.

pub(crate) mod avx2;
pub(crate) mod avx512;
pub(crate) mod avxvnni;
mod half;

/// Four activations of a row as one number, as dot products take them.
///
/// # Safety
/// `rows` holds four bytes from `at` on.
#[inline(always)]
#[allow(unsafe_code, reason = "a bounds check for each row and step would cost more than the products")]
unsafe fn quad(rows: &[u8], at: usize) -> i32 {
    debug_assert!(at + 4 <= rows.len());
    // SAFETY: the caller's promise; an unaligned read has no other condition.
    unsafe { rows.as_ptr().add(at).cast::<i32>().read_unaligned() }
}
