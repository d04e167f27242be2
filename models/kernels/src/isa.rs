//! Instruction sets, and which of them this processor has.

/// A set of instructions that a layer can run on.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Isa {
    /// Any processor, one number at a time.
    Scalar,
    /// x86: products of bytes in pairs.
    Avx2,
    /// x86: dot products of four bytes, 256 bits at once.
    AvxVnni,
    /// x86: dot products of four bytes, 512 bits at once.
    Avx512Vnni,
    /// ARM: products of bytes in pairs, as on a Cortex-A72 (Raspberry Pi 4).
    Neon,
    /// ARM: dot products of four bytes, as on a Cortex-A76 (Raspberry Pi 5) or -A78 (Jetson Orin).
    NeonDot,
}

impl Isa {
    /// Every set, the fastest first.
    pub const ALL: [Self; 6] = [Self::Avx512Vnni, Self::AvxVnni, Self::Avx2, Self::NeonDot, Self::Neon, Self::Scalar];

    /// The sets that this processor has, the fastest first.
    pub fn available() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|isa| isa.is_available())
    }
    /// The fastest of them.
    #[must_use]
    pub fn best() -> Self {
        Self::available().next().unwrap_or(Self::Scalar)
    }
    /// Whether this processor has it.
    #[must_use]
    pub fn is_available(self) -> bool {
        match self {
            Self::Scalar => true,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => {
                std::is_x86_feature_detected!("avx2")
                    && std::is_x86_feature_detected!("fma")
                    && std::is_x86_feature_detected!("f16c")
            }
            #[cfg(target_arch = "x86_64")]
            Self::AvxVnni => Self::Avx2.is_available() && std::is_x86_feature_detected!("avxvnni"),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Vnni => {
                Self::Avx2.is_available()
                    && std::is_x86_feature_detected!("avx512f")
                    && std::is_x86_feature_detected!("avx512bw")
                    && std::is_x86_feature_detected!("avx512vl")
                    && std::is_x86_feature_detected!("avx512vnni")
            }
            // Every 64-bit ARM processor has it.
            #[cfg(target_arch = "aarch64")]
            Self::Neon => true,
            #[cfg(target_arch = "aarch64")]
            Self::NeonDot => std::arch::is_aarch64_feature_detected!("dotprod"),
            #[cfg(not(target_arch = "x86_64"))]
            Self::Avx2 | Self::AvxVnni | Self::Avx512Vnni => false,
            #[cfg(not(target_arch = "aarch64"))]
            Self::Neon | Self::NeonDot => false,
        }
    }
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::Avx2 => "avx2",
            Self::AvxVnni => "avx-vnni",
            Self::Avx512Vnni => "avx-512-vnni",
            Self::Neon => "neon",
            Self::NeonDot => "neon-dot",
        }
    }
    /// Outputs of a panel.
    pub(crate) const fn columns(self) -> usize {
        match self {
            Self::Avx512Vnni => 64,
            Self::AvxVnni | Self::Avx2 => 16,
            Self::Neon | Self::NeonDot | Self::Scalar => 8,
        }
    }
    /// Added to activations: dot products of x86 take unsigned bytes on one side.
    pub(crate) const fn offset(self) -> u8 {
        match self {
            Self::Avx512Vnni | Self::AvxVnni => 128,
            Self::Avx2 | Self::Neon | Self::NeonDot | Self::Scalar => 0,
        }
    }
}
