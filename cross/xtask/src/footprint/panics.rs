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
    /// Where the calls and far jumps of a function lead.
    fn targets(&self, function: &Function) -> BTreeSet<u64> {
        let mut targets = BTreeSet::new();
        let mut at = function.start;
        while at < function.start + function.size {
            let Some(first) = self.half(at) else { break };
            // The first five bits tell how long an instruction is; what is no code is passed over by halves.
            if is_data(&self.marks, at) || first >> 11 < 0b11101 {
                at += 2;
                continue;
            }
            targets.extend(self.half(at + 2).and_then(|second| target(at, first, second)));
            at += 4;
        }
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

/// Where a call (BL) or a far jump (B.W) leads; none for any other instruction. ARMv7-M Architecture Reference Manual, A7.7.12, A7.7.18.
fn target(at: u64, first: u16, second: u16) -> Option<u64> {
    let (call, jump) = (second & 0xd000 == 0xd000, second & 0xd000 == 0x9000);
    if first >> 11 != 0b11110 || !(call || jump) {
        return None;
    }
    let bit = |word: u16, place: u16| i64::from(word >> place & 1);
    let sign = bit(first, 10);
    let high = [bit(second, 13), bit(second, 11)].map(|it| 1 - (it ^ sign));
    let offset =
        -(sign << 24) | high[0] << 23 | high[1] << 22 | i64::from(first & 0x3ff) << 12 | i64::from(second & 0x7ff) << 1;
    at.checked_add(4)?.checked_add_signed(offset)
}
