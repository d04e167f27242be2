//! One libFuzzer program for all targets: `TRIMTAB_FUZZ_TARGET` names the one to run, so that everything is linked once.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::{Corpus, fuzz_target};
use trimtab_fuzz::{Target, target};

static TARGET: LazyLock<&Target> = LazyLock::new(|| {
    let name = std::env::var("TRIMTAB_FUZZ_TARGET").expect("TRIMTAB_FUZZ_TARGET names a target");
    target(&name).unwrap_or_else(|| panic!("no target {name}"))
});

fuzz_target!(|bytes: &[u8]| -> Corpus {
    if bytes.len() > TARGET.bytes_max {
        return Corpus::Reject;
    }
    (TARGET.run)(bytes);
    Corpus::Keep
});
