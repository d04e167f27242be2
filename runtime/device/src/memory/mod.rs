//! One memory ceiling for the whole runtime, and admission under it.
//!
//! What counts against the ceiling is the largest of three figures: what the kernel says is resident now; what is held on the
//! heap, be it resident or not; and what was resident at the start plus the peaks of everything admitted since. The last
//! counts a model's activations also while it is idle, so two models cannot both be let in on memory that only one of them
//! may use. The ceiling is the configured one or the cgroup's `memory.max`, whichever is lower.
//!
//! Admission looks ahead; what happens all the same is watched: [`Memory::strain`] says how near the ceiling the process is
//! and how long work stalls for want of memory, and the [`Ladder`] what is then given up, rung by rung.

mod group;
mod heap;
mod ladder;
mod stall;

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use trimtab_core::Bytes;

pub use group::{Group, NoGroup};
pub use ladder::{LOOK_EVERY, Ladder, REST, Rung, Strain};
pub use stall::Stall;

/// Bytes of a kernel's file that are read.
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// Why memory cannot be told or given.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MemoryError {
    /// What the kernel says about this process cannot be read.
    #[error("{path}: cannot read memory use; mount /proc for the runtime")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The file is there but says something else.
    #[error("{path}: no memory figure in {text:?}; mount the kernel's own /proc")]
    Form {
        /// The file.
        path: PathBuf,
        /// Its beginning.
        text: String,
    },
    /// It does not fit under the ceiling.
    #[error(
        "{what} needs {peak} at its peak, {left} are left under the ceiling of {ceiling}; raise [memory] ceiling or choose a smaller model"
    )]
    Ceiling {
        /// What was to be admitted.
        what: String,
        /// Its peak.
        peak: Bytes,
        /// What is left.
        left: Bytes,
        /// The ceiling in force.
        ceiling: Bytes,
    },
}

/// Who tells of memory; others than the kernel and the allocator are for tests.
#[derive(Clone, Debug)]
pub struct MemorySources {
    /// Usually `/proc`.
    pub proc: PathBuf,
    /// Usually `/sys/fs/cgroup`.
    pub cgroup: PathBuf,
    /// What is held on the heap now; usually counted by the allocator.
    pub heap: fn() -> Bytes,
}

impl Default for MemorySources {
    fn default() -> Self {
        Self { proc: PathBuf::from("/proc"), cgroup: PathBuf::from("/sys/fs/cgroup"), heap: heap::held }
    }
}

/// What counts against the ceiling.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Accounting {
    /// The whole process: it is the device and nothing else.
    Process,
    /// Only what is admitted, plus this much for the runtime itself: for a process that holds other programs too.
    Admitted {
        /// What the runtime takes without a model.
        runtime: Bytes,
    },
}

#[derive(Debug)]
struct Book {
    configured: Option<Bytes>,
    admitted: Bytes,
}

/// The ceiling, and what is admitted under it. Clones share one book.
#[derive(Clone, Debug)]
pub struct Memory {
    book: Arc<Mutex<Book>>,
    sources: MemorySources,
    group: Result<Group, NoGroup>,
    group_limit: Option<Bytes>,
    accounting: Accounting,
    at_start: Bytes,
}

/// A place under the ceiling; given back when dropped.
#[must_use = "dropping it gives the memory back"]
#[derive(Debug)]
pub struct Admission {
    book: Arc<Mutex<Book>>,
    peak: Bytes,
}

impl Admission {
    /// What it admits.
    #[must_use]
    pub const fn peak(&self) -> Bytes {
        self.peak
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        let mut book = self.book.lock().unwrap_or_else(PoisonError::into_inner);
        book.admitted = book.admitted.minus(self.peak);
    }
}

impl Memory {
    /// Starts the account; `ceiling` of none leaves only the cgroup's limit. Call it before the first model is loaded.
    /// Fails if the process's own use cannot be read.
    pub fn new(ceiling: Option<Bytes>, accounting: Accounting, sources: MemorySources) -> Result<Self, MemoryError> {
        let at_start = match accounting {
            Accounting::Process => resident(&sources.proc)?,
            Accounting::Admitted { runtime } => runtime,
        };
        let group = Group::own(&sources.proc, &sources.cgroup);
        Ok(Self {
            book: Arc::new(Mutex::new(Book { configured: ceiling, admitted: Bytes::ZERO })),
            group_limit: group.as_ref().ok().and_then(Group::limit),
            group,
            sources,
            accounting,
            at_start,
        })
    }

    /// The ceiling in force; [`Bytes::MAX`] where there is none.
    #[must_use]
    pub fn ceiling(&self) -> Bytes {
        let configured = self.book().configured.unwrap_or(Bytes::MAX);
        configured.min(self.group_limit.unwrap_or(Bytes::MAX))
    }

    /// Replaces the configured ceiling; what is admitted stays admitted.
    pub fn set_ceiling(&self, ceiling: Option<Bytes>) {
        self.book().configured = ceiling;
    }

    /// The limit of the cgroup this process is in, if it has one.
    #[must_use]
    pub const fn group_limit(&self) -> Option<Bytes> {
        self.group_limit
    }

    /// What is resident now, by `/proc/self/statm`.
    pub fn resident(&self) -> Result<Bytes, MemoryError> {
        resident(&self.sources.proc)
    }

    /// What is held on the heap now, resident or not.
    #[must_use]
    pub fn heap(&self) -> Bytes {
        (self.sources.heap)()
    }

    /// What this process takes, whatever it was admitted for.
    fn taken(&self) -> Result<Bytes, MemoryError> {
        Ok(self.resident()?.max(self.heap()))
    }

    /// What counts against the ceiling now.
    pub fn used(&self) -> Result<Bytes, MemoryError> {
        let committed = self.at_start.plus(self.book().admitted);
        Ok(match self.accounting {
            Accounting::Process => committed.max(self.taken()?),
            Accounting::Admitted { .. } => committed,
        })
    }

    /// What may still be allocated under the ceiling; [`Bytes::MAX`] where there is none.
    pub fn left(&self) -> Result<Bytes, MemoryError> {
        let ceiling = self.ceiling();
        if ceiling == Bytes::MAX {
            return Ok(Bytes::MAX);
        }
        Ok(ceiling.minus(self.used()?))
    }

    /// The control group that this process is in, or why there is none that counts memory.
    pub const fn group(&self) -> Result<&Group, &NoGroup> {
        self.group.as_ref()
    }

    /// What the machine has; none where the kernel does not tell.
    #[must_use]
    pub fn machine(&self) -> Option<Bytes> {
        machine(&self.sources.proc).map(|(_, total)| total)
    }

    /// How hard memory is pressed. Where no ceiling is set, the machine's own memory is the ceiling. None where this process
    /// holds other programs too, so that its figures say nothing of the runtime, or where the kernel does not tell.
    #[must_use]
    pub fn strain(&self) -> Option<Strain> {
        if matches!(self.accounting, Accounting::Admitted { .. }) {
            return None;
        }
        let (used, ceiling) = match self.ceiling() {
            Bytes::MAX => {
                let (available, total) = machine(&self.sources.proc)?;
                (total.minus(available), total)
            }
            ceiling => (self.taken().ok()?, ceiling),
        };
        let stall = self.group.as_ref().ok().and_then(Group::stall).or_else(|| Stall::of_machine(&self.sources.proc));
        Some(Strain { share: permille(used, ceiling), stall: stall.unwrap_or_default().some })
    }

    /// Whether something would be let in, before it is loaded. Nothing is booked.
    pub fn has_room(&self, what: &str, peak: Bytes) -> Result<(), MemoryError> {
        self.admit(what, peak).map(drop)
    }

    /// Lets something in whose peak is known from its card, or says what is missing. `what` names it in the error.
    pub fn admit(&self, what: &str, peak: Bytes) -> Result<Admission, MemoryError> {
        let ceiling = self.ceiling();
        let taken = match self.accounting {
            Accounting::Process => self.taken()?,
            Accounting::Admitted { .. } => Bytes::ZERO,
        };
        // Checked and booked under one lock: two that fit alone but not together are not both let in.
        let mut book = self.book();
        let left = ceiling.minus(self.at_start.plus(book.admitted).max(taken));
        if peak > left {
            return Err(MemoryError::Ceiling { what: what.to_owned(), peak, left, ceiling });
        }
        book.admitted = book.admitted.plus(peak);
        Ok(Admission { book: Arc::clone(&self.book), peak })
    }

    fn book(&self) -> std::sync::MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn resident(proc: &Path) -> Result<Bytes, MemoryError> {
    let path = proc.join("self/statm");
    let text = fs::read_to_string(&path).map_err(|source| MemoryError::Read { path: path.clone(), source })?;
    let pages = text.split_ascii_whitespace().nth(1).and_then(|field| field.parse::<u64>().ok());
    let Some(pages) = pages else {
        return Err(MemoryError::Form { path, text: text.chars().take(64).collect() });
    };
    let page = u64::try_from(rustix::param::page_size()).unwrap_or(u64::MAX);
    Ok(Bytes::new(pages).times(page))
}

/// What is available and what there is of the machine's memory, by `/proc/meminfo`.
fn machine(proc: &Path) -> Option<(Bytes, Bytes)> {
    let text = read(&proc.join("meminfo"))?;
    let field = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        let kibibytes: u64 = line.split_ascii_whitespace().next()?.parse().ok()?;
        Some(Bytes::new(kibibytes).times(1024))
    };
    Some((field("MemAvailable:")?, field("MemTotal:")?))
}

/// A part of a whole in thousandths, rounded up; all of it where there is no whole.
fn permille(part: Bytes, whole: Bytes) -> u32 {
    let share = (u128::from(part.get()) * 1000).div_ceil(u128::from(whole.get().max(1)));
    u32::try_from(share).unwrap_or(u32::MAX)
}

/// A file of the kernel's, as far as it is bounded; none where it is not there.
fn read(path: &Path) -> Option<String> {
    let mut text = String::new();
    fs::File::open(path).ok()?.take(FILE_BYTES_MAX).read_to_string(&mut text).ok()?;
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kernel(pages: &str, limits: &[(&str, &str)]) -> (tempfile::TempDir, MemorySources) {
        let root = tempfile::tempdir().unwrap();
        let place = |name| root.path().join(name);
        let paths = MemorySources { proc: place("proc"), cgroup: place("cgroup"), heap: || Bytes::ZERO };
        fs::create_dir_all(paths.proc.join("self")).unwrap();
        fs::write(paths.proc.join("self/statm"), pages).unwrap();
        fs::write(paths.proc.join("self/cgroup"), "0::/system.slice/trimtab\n").unwrap();
        fs::create_dir_all(&paths.cgroup).unwrap();
        fs::write(paths.cgroup.join("cgroup.controllers"), "cpu memory\n").unwrap();
        for (group, limit) in limits {
            fs::create_dir_all(paths.cgroup.join(group)).unwrap();
            fs::write(paths.cgroup.join(group).join("memory.max"), limit).unwrap();
        }
        (root, paths)
    }

    #[test]
    fn the_lowest_limit_of_all_levels_holds() {
        let (_root, paths) =
            kernel("9 1 0 0 0 0 0\n", &[("system.slice", "50000000\n"), ("system.slice/trimtab", "max\n")]);
        let memory = Memory::new(Some(Bytes::new(60_000_000)), Accounting::Process, paths).unwrap();
        assert_eq!(memory.ceiling(), Bytes::new(50_000_000));
        memory.set_ceiling(Some(Bytes::new(40_000_000)));
        assert_eq!(memory.ceiling(), Bytes::new(40_000_000));
        assert!(memory.left().unwrap() < Bytes::new(40_000_000));
    }

    #[test]
    fn peaks_add_up_and_are_given_back() {
        let (_root, paths) = kernel("9 1 0 0 0 0 0\n", &[]);
        let runtime = Bytes::new(1_000);
        let memory = Memory::new(Some(Bytes::new(10_000)), Accounting::Admitted { runtime }, paths).unwrap();
        let encoder = memory.admit("encoder", Bytes::new(5_000)).unwrap();
        let refused = memory.admit("lm", Bytes::new(4_001)).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "lm needs 4001 B at its peak, 4000 B are left under the ceiling of 10000 B; raise [memory] ceiling or choose a smaller model"
        );
        let lm = memory.admit("lm", Bytes::new(4_000)).unwrap();
        assert_eq!(memory.left().unwrap(), Bytes::ZERO);
        drop(encoder);
        assert_eq!(memory.left().unwrap(), Bytes::new(5_000));
        drop(lm);
    }

    #[test]
    fn strain_is_told_against_the_ceiling_or_the_machine() {
        let (_root, paths) = kernel("9 1000 0 0 0 0 0\n", &[]);
        fs::write(paths.proc.join("meminfo"), "MemTotal: 1000 kB\nMemFree: 100 kB\nMemAvailable: 250 kB\n").unwrap();
        fs::create_dir_all(paths.proc.join("pressure")).unwrap();
        let psi = "some avg10=12.50 avg60=1.00 avg300=0.10 total=9\nfull avg10=2.00 avg60=0.00 avg300=0.00 total=1\n";
        fs::write(paths.proc.join("pressure/memory"), psi).unwrap();
        let memory = Memory::new(None, Accounting::Process, paths).unwrap();
        assert_eq!(memory.strain(), Some(Strain { share: 750, stall: 125 }));
        let page = rustix::param::page_size() as u64;
        memory.set_ceiling(Some(Bytes::new(2_000 * page)));
        assert_eq!(memory.strain(), Some(Strain { share: 500, stall: 125 }));
        let (_root, paths) = kernel("9 1 0 0 0 0 0\n", &[]);
        let shared = Memory::new(None, Accounting::Admitted { runtime: Bytes::ZERO }, paths).unwrap();
        assert_eq!(shared.strain(), None);
    }

    #[test]
    fn the_real_process_has_a_figure_and_nonsense_has_none() {
        let memory = Memory::new(None, Accounting::Process, MemorySources::default()).unwrap();
        assert!(memory.resident().unwrap() > Bytes::new(100_000));
        // Zeroed by the kernel when it is touched, and not before: held, and not resident.
        let lazy = std::hint::black_box(vec![0_u8; 256 << 20]);
        assert!(memory.used().unwrap() > Bytes::new(256 << 20) && memory.resident().unwrap() < Bytes::new(256 << 20));
        drop(lazy);
        let (_root, paths_without_limit) = kernel("9 1 0 0 0 0 0\n", &[]);
        let unbounded = Memory::new(None, Accounting::Process, paths_without_limit).unwrap();
        assert_eq!(unbounded.left().unwrap(), Bytes::MAX);
        let (_root, paths) = kernel("nonsense", &[]);
        let error = Memory::new(None, Accounting::Process, paths).unwrap_err();
        assert!(error.to_string().contains("statm"), "{error}");
    }
}
