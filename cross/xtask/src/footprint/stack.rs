//! The stack frames of an image, as the compiler wrote them down beside the code.

use anyhow::{Context, Result};
use object::{Object, ObjectSection, ObjectSymbol};
use rustc_demangle::demangle;

/// What one function takes from the stack.
pub(super) struct Frame {
    pub(super) bytes: u64,
    pub(super) name: String,
}

/// All of them, the largest first.
pub(super) fn frames(elf: &object::File<'_>) -> Result<Vec<Frame>> {
    let section = elf.section_by_name(".stack_sizes").context("the image has no table of stack frames")?;
    let mut bytes = section.data()?;
    let mut frames = Vec::new();
    while let Some((address, rest)) = bytes.split_first_chunk::<4>() {
        let (size, rest) = number(rest).context("the table of stack frames ends in mid-number")?;
        bytes = rest;
        frames.push(Frame { bytes: size, name: name(elf, u64::from(u32::from_le_bytes(*address))) });
    }
    frames.sort_by_key(|frame| std::cmp::Reverse(frame.bytes));
    Ok(frames)
}

/// The function's name at an address; the lowest bit of an address says that its code is Thumb.
pub(super) fn name(elf: &object::File<'_>, address: u64) -> String {
    let found = elf.symbols().find(|it| {
        it.kind() == object::SymbolKind::Text
            && it.address() & !1 == address & !1
            && it.name().is_ok_and(|name| !name.starts_with('$'))
    });
    found.and_then(|it| it.name().ok()).map_or_else(|| format!("{address:#x}"), |name| format!("{:#}", demangle(name)))
}

/// A number of any length (LEB128), and what follows it.
fn number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let end = bytes.iter().position(|byte| byte & 0x80 == 0)? + 1;
    let (digits, rest) = bytes.split_at_checked(end)?;
    let value = digits.iter().rev().fold(0, |value, byte| value << 7 | u64::from(byte & 0x7f));
    Some((value, rest))
}
