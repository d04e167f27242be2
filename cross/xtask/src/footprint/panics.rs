//! Who may panic: every function of an image that calls into the panics of the core library, by its machine code. Each has to be on the
//! board's list, with the reason why the call cannot be reached; what is on the list and calls nothing any more has to go.
//!
//! A line of the list: the function's name without its type arguments, ` | `, the reason. Which panic is called is not in it: the
//! compiler keeps one copy of those that look alike, under one of their names.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use object::{Object, ObjectSection, ObjectSymbol, SymbolKind};
use rustc_demangle::demangle;

/// Crates that must not be able to panic at all.
const FREE: [&str; 2] = ["trimtab_supervisor::", "trimtab_wire::"];

/// Prints the callers; gives what does not hold.
pub(super) fn judge(elf: &object::File<'_>, list: &str) -> Result<Vec<String>> {
    let found = calls(elf)?;
    let mut listed = BTreeSet::new();
    for line in list.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (caller, _reason) = line.split_once(" | ").with_context(|| format!("no reason in {line:?}"))?;
        listed.insert(caller.trim().to_owned());
    }
    println!("  {:<52} {:>6}   listed {}", "functions that call core's panics", found.len(), listed.len());
    let unlisted = found.difference(&listed).map(|caller| format!("{caller} may panic, and is not listed"));
    let stale = listed.difference(&found).map(|caller| format!("{caller} is listed, and cannot panic"));
    let forbidden = found.iter().filter(|caller| FREE.iter().any(|name| caller.contains(name)));
    Ok(unlisted.chain(stale).chain(forbidden.map(|caller| format!("{caller} may panic, and must not"))).collect())
}

/// A function of an image.
struct Function {
    start: u64,
    size: u64,
    name: String,
}

/// Every function outside of the core library that calls one of its panics, or a function of it that does.
fn calls(elf: &object::File<'_>) -> Result<BTreeSet<String>> {
    let functions: Vec<Function> = elf
        .symbols()
        .filter(|it| it.kind() == SymbolKind::Text && it.size() > 0)
        .filter_map(|it| {
            let name = plain(&format!("{:#}", demangle(it.name().ok()?)));
            Some(Function { start: it.address() & !1, size: it.size(), name })
        })
        .collect();
    let marks = marks(elf);
    let section = elf.section_by_name(".text").context("the image has no code")?;
    let text = Text { base: section.address(), code: section.data()?, marks };
    let calls: Vec<(&Function, BTreeSet<u64>)> = functions.iter().map(|it| (it, text.targets(it))).collect();
    // What the compiler takes out of several functions stands for each of them.
    let passed_through = ["core::", "<core::", "OUTLINED_FUNCTION_"];
    let of_core = |function: &Function| passed_through.iter().any(|name| function.name.starts_with(name));
    let mut panics: BTreeSet<u64> = functions
        .iter()
        .filter(|it| it.name.starts_with("core::") && it.name.contains("panic"))
        .map(|it| it.start)
        .collect();
    loop {
        let more: Vec<u64> = calls
            .iter()
            .filter(|(it, targets)| of_core(it) && !panics.contains(&it.start) && !targets.is_disjoint(&panics))
            .map(|(it, _)| it.start)
            .collect();
        if more.is_empty() {
            break;
        }
        panics.extend(more);
    }
    let callers = calls.iter().filter(|(it, targets)| !of_core(it) && !targets.is_disjoint(&panics));
    Ok(callers.map(|(it, _)| it.name.clone()).collect())
}

/// A name without type arguments.
fn plain(name: &str) -> String {
    let mut out = String::new();
    let mut depth = 0;
    let mut before = ' ';
    for letter in name.chars() {
        match letter {
            '<' if depth > 0 || before.is_alphanumeric() || before == ':' || before == '_' => depth += 1,
            '>' if depth > 0 && before != '-' => depth -= 1,
            _ if depth == 0 => out.push(letter),
            _ => {}
        }
        before = letter;
    }
    out.replace("::::", "::").trim_end_matches("::").to_owned()
}

/// The code of an image.
struct Text<'a> {
    base: u64,
    code: &'a [u8],
    /// Where code and data begin.
    marks: Vec<(u64, bool)>,
}

impl Text<'_> {
    /// Where the calls and jumps of a function lead, and what is at the addresses that it holds: what is called often within a few
    /// lines is called by its address.
    fn targets(&self, function: &Function) -> BTreeSet<u64> {
        let mut targets = BTreeSet::new();
        let end = function.start + function.size;
        let mut at = function.start;
        while at < end {
            let Some(first) = self.half(at) else { break };
            if is_data(&self.marks, at) {
                if at.is_multiple_of(4) {
                    let address = self.half(at + 2).map(|second| u64::from(second) << 16 | u64::from(first));
                    // The lowest bit says that there is code.
                    targets.extend(address.filter(|it| it & 1 != 0).map(|it| it & !1));
                }
                at += 2;
                continue;
            }
            // The first five bits tell how long an instruction is.
            if first >> 11 < 0b11101 {
                targets.extend(near(at, first));
                at += 2;
            } else {
                targets.extend(self.half(at + 2).and_then(|second| target(at, first, second)));
                at += 4;
            }
        }
        targets.retain(|it| !(function.start..end).contains(it));
        targets
    }

    fn half(&self, at: u64) -> Option<u16> {
        let place = usize::try_from(at.checked_sub(self.base)?).ok()?;
        Some(u16::from_le_bytes([*self.code.get(place)?, *self.code.get(place + 1)?]))
    }
}

/// The marks of where code (`$t`) and data (`$d`) begin, in order.
fn marks(elf: &object::File<'_>) -> Vec<(u64, bool)> {
    let mut marks: Vec<(u64, bool)> = elf
        .symbols()
        .filter_map(|it| match it.name().ok()?.as_bytes() {
            [b'$', b'd', ..] => Some((it.address(), true)),
            [b'$', b't', ..] => Some((it.address() & !1, false)),
            _ => None,
        })
        .collect();
    marks.sort_unstable();
    marks
}

fn is_data(marks: &[(u64, bool)], at: u64) -> bool {
    let place = marks.partition_point(|(address, _)| *address <= at);
    place.checked_sub(1).and_then(|place| marks.get(place)).is_some_and(|(_, data)| *data)
}

/// Where a short jump (B) leads; none for any other instruction. ARMv6-M Architecture Reference Manual, A6.7.10.
fn near(at: u64, code: u16) -> Option<u64> {
    let (word, bits) = match code >> 11 {
        0b11100 => (code & 0x7ff, 11),
        // The last two conditions are other instructions.
        0b11010 | 0b11011 if code >> 9 != 0b110_1111 => (code & 0xff, 8),
        _ => return None,
    };
    let offset = i64::from(word) - (i64::from(word >> (bits - 1)) << bits);
    at.checked_add(4)?.checked_add_signed(2 * offset)
}

/// Where a call (BL) or a far jump (B.W, with a condition or without) leads; none for any other instruction. ARMv7-M Architecture
/// Reference Manual, A7.7.12, A7.7.18; ARMv6-M has the call alone.
fn target(at: u64, first: u16, second: u16) -> Option<u64> {
    if first >> 11 != 0b11110 || second & 0x8000 == 0 {
        return None;
    }
    let bit = |word: u16, place: u16| i64::from(word >> place & 1);
    let sign = bit(first, 10);
    let low = i64::from(second & 0x7ff) << 1;
    let offset = match second >> 12 & 0b101 {
        0b101 | 0b001 => {
            let high = [bit(second, 13), bit(second, 11)].map(|it| 1 - (it ^ sign));
            -(sign << 24) | high[0] << 23 | high[1] << 22 | i64::from(first & 0x3ff) << 12 | low
        }
        // Conditions that are none are other instructions.
        0b000 if first >> 7 & 0b111 != 0b111 => {
            let high = bit(second, 11) << 19 | bit(second, 13) << 18;
            -(sign << 20) | high | i64::from(first & 0x3f) << 12 | low
        }
        _ => return None,
    };
    at.checked_add(4)?.checked_add_signed(offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_and_jumps_lead_where_an_assembler_says() {
        // b, beq, bl, b.w, beq.w to themselves, and forward.
        assert_eq!(near(0x100, 0xe7fe), Some(0x100));
        assert_eq!(near(0x100, 0xd0fe), Some(0x100));
        assert_eq!(near(0x100, 0xe3ff), Some(0x100 + 4 + 2 * 0x3ff));
        for [first, second] in [[0xf7ff, 0xfffe], [0xf7ff, 0xbffe], [0xf43f, 0xaffe]] {
            assert_eq!(target(0x100, first, second), Some(0x100), "{first:#x} {second:#x}");
        }
        assert_eq!(target(0x100, 0xf000, 0xf800), Some(0x104));
        assert_eq!(target(0x100, 0xf040, 0x8001), Some(0x106));
        // udf, svc; mrs, dsb; movw.
        assert_eq!([near(0x100, 0xde00), near(0x100, 0xdf00)], [None; 2]);
        for [first, second] in [[0xf3ef, 0x8005], [0xf3bf, 0x8f4f], [0xf240, 0x0001]] {
            assert_eq!(target(0x100, first, second), None, "{first:#x} {second:#x}");
        }
    }
}
