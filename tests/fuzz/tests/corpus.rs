//! Every file of the corpus and seeded mutations of it, through its target. The same on every run; `TRIMTAB_FUZZ_ROUNDS=N`
//! makes it N times as many mutations, where there is no nightly toolchain for `cargo xtask fuzz`.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::sync::atomic::{AtomicUsize, Ordering};

use trimtab_fuzz::{TARGETS, Target, mutate, target};

/// All files of the corpus together, bytes: it is read and reviewed by people.
const CORPUS_BYTES_MAX: u64 = 300_000;

/// Panics of any thread: those of a runtime's own tasks end no test by themselves.
static PANICS: AtomicUsize = AtomicUsize::new(0);

fn count_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            PANICS.fetch_add(1, Ordering::SeqCst);
            before(panic);
        }));
    });
}

/// The files of a corpus folder, in the order of their names.
fn corpus(target: &Target) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = target.corpus();
    let entries = fs::read_dir(&folder).unwrap_or_else(|fault| panic!("{}: {fault}", folder.display()));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

/// FNV-1a: a seed that depends on the input alone.
fn seed(input: &[u8]) -> u64 {
    input.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
}

/// Runs one input; what fails is kept, so that it can be looked at and pinned.
fn try_one(target: &Target, input: &[u8], origin: &str) {
    let before = PANICS.load(Ordering::SeqCst);
    let outcome = catch_unwind(AssertUnwindSafe(|| (target.run)(input)));
    if outcome.is_ok() && PANICS.load(Ordering::SeqCst) == before {
        return;
    }
    let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-{:016x}", target.name, seed(input)));
    fs::write(&kept, input).unwrap();
    eprintln!(
        "{}: {origin} fails; the input is {}: once it is dealt with, copy it into {}",
        target.name,
        kept.display(),
        target.corpus().display()
    );
    resume_unwind(outcome.err().unwrap_or_else(|| Box::new("a thread of the program under test panicked")));
}

fn rounds() -> u64 {
    let asked = std::env::var("TRIMTAB_FUZZ_ROUNDS").ok();
    asked.map_or(1, |rounds| rounds.parse().expect("TRIMTAB_FUZZ_ROUNDS is a number"))
}

fn exercise(name: &str) {
    count_panics();
    let target = target(name).unwrap_or_else(|| panic!("no target {name}"));
    let files = corpus(target);
    for (path, input) in &files {
        try_one(target, input, &path.display().to_string());
    }
    for (index, (path, input)) in files.iter().enumerate() {
        for n in 0..target.mutations * rounds() {
            let other = &files[(index + n as usize + 1) % files.len()].1;
            let mutated = mutate::mutated(seed(input).wrapping_add(n), input, other, target.bytes_max);
            try_one(target, &mutated, &format!("mutation {n} of {}", path.display()));
        }
    }
}

macro_rules! targets {
    ($($name:ident),+ $(,)?) => {
        $(#[test] fn $name() { exercise(stringify!($name)); })+

        #[test]
        fn every_target_has_a_test_and_a_corpus_within_bounds() {
            let tested = [$(stringify!($name)),+];
            assert_eq!(TARGETS.iter().map(|target| target.name).collect::<Vec<_>>(), tested);
            let mut bytes = 0;
            for target in TARGETS {
                let files = corpus(target);
                assert!(!files.is_empty(), "{} has no corpus", target.name);
                for (path, input) in files {
                    assert!(input.len() <= target.bytes_max, "{}: longer than is tried", path.display());
                    bytes += input.len() as u64;
                }
            }
            assert!(bytes <= CORPUS_BYTES_MAX, "the corpus has {bytes} bytes; keep what reaches code that nothing else does");
        }
    };
}

targets!(
    wire_up,
    wire_down,
    wire_topic,
    wire_chunks,
    mcu_frames,
    supervisor,
    operator,
    quantity,
    device_config,
    bridge_config,
    cloud_profile,
    text,
    tokenizer,
    picture,
    camera_file,
    camera_stream,
    camera_multipart,
    camera_rtsp,
    raw_picture,
    policy,
    onnx,
    model_folder,
    ledger,
    chat,
    http,
    device_inbox,
    bridge_intake,
    bridge_upstream,
);

/// `TRIMTAB_FREEZE=1` writes the seeds that are not there yet, and never changes one that is.
#[test]
fn every_seed_is_in_its_corpus() {
    let freeze = std::env::var_os("TRIMTAB_FREEZE").is_some();
    for target in TARGETS {
        for (name, bytes) in (target.seeds)() {
            let path = target.corpus().join(format!("seed-{name}"));
            if freeze && !path.exists() {
                fs::create_dir_all(target.corpus()).unwrap();
                fs::write(&path, bytes).unwrap();
            }
            assert!(path.exists(), "{}: missing; TRIMTAB_FREEZE=1 writes it", path.display());
        }
    }
}

#[test]
fn the_same_seed_makes_the_same_mutation() {
    for n in 0..2_000 {
        let once = mutate::mutated(n, b"{\"version\": 17}", b"other", 20);
        assert_eq!(once, mutate::mutated(n, b"{\"version\": 17}", b"other", 20));
        assert!(once.len() <= 20);
    }
}
