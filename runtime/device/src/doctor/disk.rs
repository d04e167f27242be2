//! The state folder, the room on its disk, the disk's wear, and the ledger.

use std::path::Path;

use rustix::fs::{Access, StatVfsMountFlags, access, statvfs};
use trimtab_core::Bytes;

use super::files::{entries, name, sized, text};
use super::{Finding, Places};
use crate::config::Config;
use crate::shell::LEDGER_FILE;
use trimtab_ledger::{BYTES_KEPT, Losses, examine as look_at};

/// Room below which the ledger may soon not grow any more.
const ROOM_LOW: Bytes = Bytes::new(BYTES_KEPT.get() * 4);
/// Room below which writing is about to fail.
const ROOM_NONE: Bytes = Bytes::new(16 * 1024 * 1024);
/// Used-up tenths of an eMMC's life from which on it should be replaced soon.
const WORN: u8 = 9;

pub(super) fn examine(config: &Config, running: bool, places: &Places) -> Vec<Finding> {
    let mut findings = vec![folder(&config.state_dir)];
    findings.extend(room(&config.state_dir));
    findings.push(ledger(config, running));
    findings.extend(wear(&places.sys));
    findings
}

/// The folder itself, or the nearest above it that is there.
fn nearest(folder: &Path) -> &Path {
    folder.ancestors().find(|folder| folder.exists()).unwrap_or(Path::new("/"))
}

fn folder(folder: &Path) -> Finding {
    const PART: &str = "state folder";
    let there = nearest(folder);
    if access(there, Access::WRITE_OK | Access::EXEC_OK).is_err() {
        let remedy = "give it to the runtime's user (`chown`), or set [device] state_dir to one that it may write";
        return Finding::fail(PART, format!("{}: not writable for this user; {remedy}", there.display()));
    }
    let note = if there == folder { "" } else { ", made at the start" };
    Finding::ok(PART, format!("{}{note}", folder.display()))
}

fn room(folder: &Path) -> Option<Finding> {
    const PART: &str = "disk";
    let about = statvfs(nearest(folder)).ok()?;
    let free = Bytes::new(about.f_bavail.saturating_mul(about.f_frsize));
    let (place, room, kept) = (folder.display(), sized(free), sized(BYTES_KEPT));
    Some(if about.f_flag.contains(StatVfsMountFlags::RDONLY) {
        Finding::fail(
            PART,
            format!("{place}: on a read-only file system; mount it writable, or set [device] state_dir to one that is"),
        )
    } else if free < ROOM_NONE {
        Finding::fail(PART, format!("{place}: {room} free, so the ledger cannot grow; free disk space"))
    } else if free < ROOM_LOW {
        Finding::warn(PART, format!("{place}: only {room} free; the ledger may take {kept}, so free some disk space"))
    } else {
        Finding::ok(PART, format!("{room} free"))
    })
}

fn ledger(config: &Config, running: bool) -> Finding {
    const PART: &str = "ledger";
    let path = config.state_dir.join(LEDGER_FILE);
    if !path.exists() {
        return Finding::ok(PART, "none yet; made at the start");
    }
    match look_at(&path) {
        Ok(found) => {
            let used = if running { ", in use" } else { "" };
            let (schema, turns, bytes) = (found.schema, found.turns, sized(found.bytes));
            let text = format!("schema {schema}, {turns} turns, {bytes}{used}");
            match found.losses {
                Losses { records: 0, .. } => Finding::ok(PART, text),
                Losses { records, full: false, .. } => {
                    Finding::ok(PART, format!("{text}; {records} records went when the disk was full once"))
                }
                Losses { records, full: true, .. } => Finding::warn(
                    PART,
                    format!("{text}; {records} records went because the disk is full, and more will; free disk space"),
                ),
            }
        }
        Err(fault) => Finding::fault(PART, &fault),
    }
}

/// What storage tells of its own age: eMMC and UFS do, cards and most USB sticks do not.
fn wear(sys: &Path) -> Vec<Finding> {
    let block = entries(&sys.join("block"));
    block.iter().filter_map(|device| worn(&name(device), &text(&device.join("device/life_time"))?)).collect()
}

/// From `life_time` of an eMMC: two hexadecimal codes, one for each kind of cells; code n means that up to n tenths of the
/// life are used, 0x0b that all is. Source: JEDEC JESD84-B51, DEVICE_LIFE_TIME_EST_TYP_A and _B.
fn worn(device: &str, codes: &str) -> Option<Finding> {
    let part = format!("storage {device}");
    let tenths = codes
        .split_ascii_whitespace()
        .filter_map(|code| u8::from_str_radix(code.trim_start_matches("0x"), 16).ok())
        .max()
        .filter(|code| *code > 0)?;
    Some(if tenths > 10 {
        Finding::fail(part, "its rated life is used up; copy what is on it and replace it")
    } else if tenths >= WORN {
        Finding::warn(
            part,
            format!("{} to {} % of its rated life are used; plan to replace it", (tenths - 1) * 10, tenths * 10),
        )
    } else {
        Finding::ok(part, format!("up to {} % of its rated life are used", tenths * 10))
    })
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;

    #[test]
    fn wear_is_told_in_tenths() {
        let state = |codes| worn("mmcblk0", codes).map(|finding| finding.state);
        assert_eq!(state("0x01 0x02"), Some(State::Ok));
        assert_eq!(state("0x01 0x0a"), Some(State::Warn));
        assert_eq!(state("0x0b 0x01"), Some(State::Fail));
        assert_eq!((state("0x00 0x00"), state(""), state("new")), (None, None, None));
    }
}
