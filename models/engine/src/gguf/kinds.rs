//! How tensors of each kind are stored in a GGUF file. Source: the GGUF format's list of tensor types.

/// Elements and bytes of one block of a kind of tensor; none for kinds that no model stores.
pub(super) const fn block(kind: u32) -> Option<(u64, u64)> {
    Some(match kind {
        // f32, f16, bf16
        0 => (1, 4),
        1 | 30 => (1, 2),
        // Q4_0, Q4_1, Q5_0, Q5_1, Q8_0
        2 => (32, 18),
        3 => (32, 20),
        6 => (32, 22),
        7 => (32, 24),
        8 => (32, 34),
        // Q2_K to Q6_K
        10 => (256, 84),
        11 => (256, 110),
        12 => (256, 144),
        13 => (256, 176),
        14 => (256, 210),
        // IQ2_XXS, IQ2_XS, IQ3_XXS, IQ1_S, IQ4_NL, IQ3_S, IQ2_S, IQ4_XS, IQ1_M
        16 => (256, 66),
        17 => (256, 74),
        18 => (256, 98),
        19 => (256, 50),
        20 => (32, 18),
        21 => (256, 110),
        22 => (256, 82),
        23 => (256, 136),
        29 => (256, 56),
        // TQ1_0, TQ2_0, MXFP4
        34 => (256, 54),
        35 => (256, 66),
        39 => (32, 17),
        _ => return None,
    })
}
