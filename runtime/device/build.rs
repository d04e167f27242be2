//! Leaves the tables for unwinding out of the installed program, a sixth of its size. There a panic aborts, so nothing reads
//! them; the message of a panic names file and line without them.

const SCRIPT: &str = "no-unwind.ld";

fn main() {
    println!("cargo::rerun-if-changed={SCRIPT}");
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    // The profile's own name is not told. Only the one for installation optimises for size, and only with it a panic aborts.
    if variable("OPT_LEVEL") == "z" && variable("CARGO_CFG_TARGET_OS") == "linux" {
        println!("cargo::rustc-link-arg-bins=-Wl,-T,{}/{SCRIPT}", variable("CARGO_MANIFEST_DIR"));
        // The linker that Rust brings for this target can keep one copy of functions that came out the same.
        if variable("CARGO_CFG_TARGET_ARCH") == "x86_64" && variable("CARGO_CFG_TARGET_ENV") == "gnu" {
            println!("cargo::rustc-link-arg-bins=-Wl,--icf=all");
        }
    }
}
