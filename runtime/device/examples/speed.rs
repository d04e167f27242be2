//! The benches as an ordinary program. Cargo builds benches to unwind, whatever the profile says; only this way are they
//! made of the code that is installed.

#[path = "../benches/speed/main.rs"]
mod speed;

fn main() -> anyhow::Result<()> {
    speed::main()
}
