//! Who may panic: every function of an image that calls into the panics of the core library, by its machine code. Each has to be on the
//! board's list, with the reason why the call cannot be reached; what is on the list and calls nothing any more has to go.
//!
//! A line of the list: the function's name, ` | `, the panic's name, ` | `, the reason.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use object::{Object, ObjectSection, ObjectSymbol, SymbolKind};
use rustc_demangle::demangle;

/// Crates that must not be able to panic at all.
const FREE: [&str; 2] = ["trimtab_supervisor::", "trimtab_wire::"];

/// Who calls what.
type Calls = BTreeSet<(String, String)>;

/// Prints the callers; gives what does not hold.
pub(super) fn judge(elf: &object::File<'_>, list: &str) -> Result<Vec<String>> {
    let found = calls(elf)?;
    let mut listed = Calls::new();
    for line in list.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let mut parts = line.split(" | ");
        let (caller, panic, reason) = (parts.next(), parts.next(), parts.next());
        let (caller, panic) = caller.zip(panic).with_context(|| format!("no panic in {line:?}"))?;
        reason.with_context(|| format!("no reason in {line:?}"))?;
        listed.insert((caller.trim().to_owned(), panic.trim().to_owned()));
    }
    println!("  {} calls into core's panics, {} listed", found.len(), listed.len());
    let mut faults = Vec::new();
    for (caller, panic) in found.difference(&listed) {
        faults.push(format!("a call that is not listed: {caller} | {panic}"));
    }
    for (caller, panic) in listed.difference(&found) {
        faults.push(format!("a listed call that is not there: {caller} | {panic}"));
    }
    for (caller, _) in found.iter().filter(|(caller, _)| FREE.iter().any(|name| caller.contains(name))) {
        faults.push(format!("{caller} may panic, and must not"));
    }
    Ok(faults)
}

/// Every function outside of the core library's own panics that calls one of them.
fn calls(elf: &object::File<'_>) -> Result<Calls> {
    let mut functions: Vec<(u64, u64, String)> = elf
        .symbols()
        .filter(|it| it.kind() == SymbolKind::Text && it.size() > 0)
        .filter_map(|it| Some((it.address() & !1, it.size(), format!("{:#}", demangle(it.name().ok()?)))))
        .collect();
    functions.sort();
    let is_panic = |name: &str| name.starts_with("core::") && name.contains("panic") || name.contains("unwrap_failed");
    // What is no code lies between marks of its own.
    let data: Vec<(u64, bool)> = marks(elf);
    let section = elf.section_by_name(".text").context("the image has no code")?;
    let (base, code) = (section.address(), section.data()?);
    let mut calls = Calls::new();
    for (start, size, name) in functions.iter().filter(|(_, _, name)| !is_panic(name)) {
        let mut at = *start;
        while at < start + size {
            let Some(first) = half(code, base, at) else { break };
            if is_data(&data, at) {
                at += 2;
                continue;
            }
            // The first five bits tell how long an instruction is.
            if first >> 11 < 0b11101 {
                at += 2;
                continue;
            }
            let target = half(code, base, at + 2).and_then(|second| target(at, first, second));
            at += 4;
            let called = target.and_then(|target| functions.iter().find(|(start, ..)| *start == target));
            if let Some((_, _, panic)) = called.filter(|(_, _, called)| is_panic(called)) {
                calls.insert((name.clone(), panic.clone()));
            }
        }
    }
    Ok(calls)
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

fn half(code: &[u8], base: u64, at: u64) -> Option<u16> {
    let place = usize::try_from(at.checked_sub(base)?).ok()?;
    Some(u16::from_le_bytes([*code.get(place)?, *code.get(place + 1)?]))
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
    let offset = -(sign << 24) | high[0] << 23 | high[1] << 22 | i64::from(first & 0x3ff) << 12 | i64::from(second & 0x7ff) << 1;
    at.checked_add(4)?.checked_add_signed(offset)
}
