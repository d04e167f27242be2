//! The control group (version 2) that this process is in: its limit, what it takes, and what the kernel had to kill.

use std::path::{Path, PathBuf};

use trimtab_core::Bytes;

use super::read;
use super::stall::Stall;

/// Most levels of a group's path that are walked for a limit.
const DEPTH_MAX: usize = 32;

/// Why no control group counts this process's memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NoGroup {
    /// No group of version 2.
    #[error("no control group of version 2: start the runtime by systemd, on a kernel that mounts cgroup2")]
    None,
    /// Groups, but not of memory: stock Raspberry Pi OS starts its kernel so.
    #[error(
        "the memory controller of control groups is off: add \"cgroup_enable=memory cgroup_memory=1\" to the kernel's command line (on a Raspberry Pi /boot/firmware/cmdline.txt) and start the board anew"
    )]
    Off,
}

/// A control group whose memory the kernel counts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Group {
    own: PathBuf,
    root: PathBuf,
}

impl Group {
    /// The group of this process.
    pub fn own(proc: &Path, cgroup: &Path) -> Result<Self, NoGroup> {
        let text = read(&proc.join("self/cgroup")).ok_or(NoGroup::None)?;
        let own = text.lines().find_map(|line| line.strip_prefix("0::")).ok_or(NoGroup::None)?;
        let controllers = read(&cgroup.join("cgroup.controllers")).ok_or(NoGroup::None)?;
        if !controllers.split_ascii_whitespace().any(|name| name == "memory") {
            return Err(NoGroup::Off);
        }
        Ok(Self { own: cgroup.join(own.trim_start_matches('/')), root: cgroup.to_owned() })
    }

    /// The lowest `memory.max` from this group up to the root; none where no level has one.
    #[must_use]
    pub fn limit(&self) -> Option<Bytes> {
        self.own
            .ancestors()
            .take(DEPTH_MAX)
            .take_while(|level| level.starts_with(&self.root))
            .filter_map(|level| read(&level.join("memory.max")))
            .filter_map(|limit| limit.trim().parse().ok().map(Bytes::new))
            .min()
    }

    /// What the group takes now, the kernel's page cache on its behalf included.
    #[must_use]
    pub fn current(&self) -> Option<Bytes> {
        self.figure("memory.current")
    }

    /// The most it has taken.
    #[must_use]
    pub fn peak(&self) -> Option<Bytes> {
        self.figure("memory.peak")
    }

    /// Processes of the group that the kernel killed for want of memory.
    #[must_use]
    pub fn kills(&self) -> Option<u64> {
        let events = read(&self.own.join("memory.events"))?;
        events.lines().find_map(|line| line.strip_prefix("oom_kill "))?.trim().parse().ok()
    }

    /// How long its work stalls for want of memory.
    #[must_use]
    pub fn stall(&self) -> Option<Stall> {
        Stall::parse(&read(&self.own.join("memory.pressure"))?)
    }

    fn figure(&self, file: &str) -> Option<Bytes> {
        read(&self.own.join(file))?.trim().parse().ok().map(Bytes::new)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_group_without_the_memory_controller_says_how_to_get_it() {
        let root = tempfile::tempdir().unwrap();
        let (proc, cgroup) = (root.path().join("proc"), root.path().join("cgroup"));
        assert_eq!(Group::own(&proc, &cgroup), Err(NoGroup::None));
        fs::create_dir_all(proc.join("self")).unwrap();
        fs::create_dir_all(cgroup.join("system.slice")).unwrap();
        fs::write(proc.join("self/cgroup"), "0::/system.slice\n").unwrap();
        fs::write(cgroup.join("cgroup.controllers"), "cpuset cpu io pids\n").unwrap();
        let off = Group::own(&proc, &cgroup).unwrap_err();
        assert!(off.to_string().contains("cgroup_enable=memory"), "{off}");
        fs::write(cgroup.join("cgroup.controllers"), "cpu memory\n").unwrap();
        for (file, text) in [
            ("memory.current", "12000\n"),
            ("memory.peak", "15000\n"),
            ("memory.events", "low 0\nhigh 0\nmax 4\noom 1\noom_kill 2\n"),
            ("memory.pressure", "some avg10=1.00 avg60=0.00 avg300=0.00 total=7\n"),
        ] {
            fs::write(cgroup.join("system.slice").join(file), text).unwrap();
        }
        let group = Group::own(&proc, &cgroup).unwrap();
        assert_eq!((group.current(), group.peak()), (Some(Bytes::new(12_000)), Some(Bytes::new(15_000))));
        assert_eq!((group.kills(), group.limit()), (Some(2), None));
        assert_eq!(group.stall(), Some(Stall { some: 10, full: 0 }));
    }
}
