//! The crates depend on each other as ARCHITECTURE.md says, and the house rules that can be read off the tree hold.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

/// A file longer than this wants splitting.
const FILE_LINES_MAX: usize = 600;
/// Crates in which unsafe code is denied and not forbidden: one names instructions of processors, one calls the kernel's video
/// interface, one is a plugin with an interface of C, which no product holds, and each board touches its own registers and memory.
const UNSAFE: [&str; 5] =
    ["models/kernels", "runtime/v4l2", "cross/icount", "firmware/board-mps2-an386", "firmware/board-pico"];

/// One row of the table in ARCHITECTURE.md.
struct Row {
    folder: String,
    may_use: BTreeSet<String>,
    tests_also: BTreeSet<String>,
}

/// One member of the workspace as cargo sees it.
struct Member {
    name: String,
    folder: PathBuf,
    /// Dependencies of the crate itself and of its build script.
    uses: BTreeSet<String>,
    tests_use: BTreeSet<String>,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the workspace root exists")
}

/// The words in backticks of one table cell.
fn quoted(cell: &str) -> BTreeSet<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The table in the document's order.
fn table() -> Result<Vec<(String, Row)>> {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md"))?;
    let section = text.split("\n## ").find(|part| part.starts_with("The table")).context("no section `The table`")?;
    let mut rows = Vec::new();
    for line in section.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [name, folder, _, may_use, tests_also] = cells[..] else { bail!("a row needs five cells: {line}") };
        let one = |cell| quoted(cell).pop_first().with_context(|| format!("no `name` in the cell {cell}"));
        rows.push((one(name)?, Row { folder: one(folder)?, may_use: quoted(may_use), tests_also: quoted(tests_also) }));
    }
    ensure!(!rows.is_empty(), "the table has no rows");
    Ok(rows)
}

/// Of the workspace and of that of the firmware.
fn members() -> Result<Vec<Member>> {
    let mut members = Vec::new();
    for workspace in [root(), root().join("firmware")] {
        let output = Command::new(env!("CARGO"))
            .current_dir(workspace)
            .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
            .output()?;
        ensure!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
        let metadata: Value = serde_json::from_slice(&output.stdout)?;
        for package in metadata["packages"].as_array().context("metadata without packages")? {
            members.push(member(package)?);
        }
    }
    Ok(members)
}

fn member(package: &Value) -> Result<Member> {
    let text = |value: &Value| value.as_str().map(str::to_owned).context("expected a string in the metadata");
    let (mut uses, mut tests_use) = (BTreeSet::new(), BTreeSet::new());
    for dependency in package["dependencies"].as_array().context("package without dependencies")? {
        let name = text(&dependency["name"])?;
        if dependency["kind"] == "dev" {
            tests_use.insert(name)
        } else {
            uses.insert(name)
        };
    }
    let manifest = PathBuf::from(text(&package["manifest_path"])?);
    let folder = manifest.parent().context("a manifest lies in a folder")?.strip_prefix(root())?.to_owned();
    Ok(Member { name: text(&package["name"])?, folder, uses, tests_use })
}

#[test]
fn crates_depend_as_the_table_says() -> Result<()> {
    let rows = table()?;
    let mut faults = Vec::new();
    let mut above: BTreeSet<&str> = BTreeSet::new();
    for (name, row) in &rows {
        for used in row.may_use.iter().filter(|used| !above.contains(used.as_str())) {
            faults.push(format!("the table lets {name} use {used}, which does not stand above it"));
        }
        above.insert(name);
    }
    let rows: BTreeMap<&str, &Row> = rows.iter().map(|(name, row)| (name.as_str(), row)).collect();
    let members = members()?;
    let own: BTreeSet<&str> = members.iter().map(|member| member.name.as_str()).collect();
    for missing in rows.keys().filter(|name| !own.contains(*name)) {
        faults.push(format!("the table names {missing}, which is not in the workspace"));
    }
    for member in &members {
        let Some(row) = rows.get(member.name.as_str()) else {
            faults.push(format!("{} has no row in the table", member.name));
            continue;
        };
        if Path::new(&row.folder) != member.folder {
            faults.push(format!("{} lies in {}, not in {}", member.name, member.folder.display(), row.folder));
        }
        let ours = |used: &&String| own.contains(used.as_str());
        for used in member.uses.iter().filter(ours).filter(|used| !row.may_use.contains(*used)) {
            faults.push(format!("{} must not depend on {used}", member.name));
        }
        let allowed = |used: &&String| row.may_use.contains(*used) || row.tests_also.contains(*used);
        for used in member.tests_use.iter().filter(ours).filter(|used| !allowed(used)) {
            faults.push(format!("the tests of {} must not depend on {used}", member.name));
        }
    }
    ensure!(faults.is_empty(), "against ARCHITECTURE.md:\n  {}", faults.join("\n  "));
    Ok(())
}

#[test]
fn only_one_crate_names_each_heavy_library() -> Result<()> {
    let owners =
        [("tract", "trimtab-engine"), ("llama", "trimtab-gguf"), ("burn", "trimtab-zoo"), ("rumqttc", "trimtab-mqtt")];
    for member in members()? {
        for (library, owner) in owners {
            let family = |used: &&String| *used == library || used.starts_with(&format!("{library}-"));
            // What stands in for a part of a library belongs to it.
            if family(&&member.name) {
                continue;
            }
            if let Some(used) = member.uses.iter().chain(&member.tests_use).find(family) {
                ensure!(member.name == owner, "{} names {used}; only {owner} may", member.name);
            }
        }
    }
    Ok(())
}

#[test]
fn decisions_have_no_clock_and_no_runtime() -> Result<()> {
    for member in members()?.iter().filter(|member| {
        ["trimtab-core", "trimtab-wire", "trimtab-turn", "trimtab-supervisor"].contains(&member.name.as_str())
    }) {
        let library = fs::read_to_string(root().join(&member.folder).join("src/lib.rs"))?;
        ensure!(library.contains("no_std"), "{} must be no_std", member.name);
        for barred in ["tokio", "rand", "hyper", "rusqlite"] {
            ensure!(!member.uses.contains(barred), "{} must not depend on {barred}", member.name);
        }
    }
    Ok(())
}

/// Every tracked file below the members' folders with one of these endings.
fn tracked(endings: &[&str]) -> Result<Vec<PathBuf>> {
    let output = Command::new("git").current_dir(root()).args(["ls-files", "-z"]).output()?;
    ensure!(output.status.success(), "git ls-files: {}", String::from_utf8_lossy(&output.stderr));
    let listed = String::from_utf8(output.stdout)?;
    let files = listed.split('\0').filter(|path| endings.iter().any(|ending| path.ends_with(ending)));
    Ok(files.map(PathBuf::from).filter(|path| root().join(path).exists()).collect())
}

#[test]
fn house_rules_hold_in_every_source_file() -> Result<()> {
    // Spelt in halves, so that this file does not break its own rule.
    let unfinished = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("todo", "!("), concat!("unimplemented", "!(")];
    let skipped = concat!("#[ig", "nore");
    let mut faults = Vec::new();
    for path in tracked(&[".rs"])? {
        let text = fs::read_to_string(root().join(&path))?;
        let shown = path.display();
        if text.lines().count() > FILE_LINES_MAX {
            faults.push(format!("{shown}: more than {FILE_LINES_MAX} lines"));
        }
        for word in unfinished.iter().filter(|word| text.contains(**word)) {
            faults.push(format!("{shown}: {word}"));
        }
        if text.contains(skipped) {
            faults.push(format!("{shown}: a test that is skipped"));
        }
        for bad in text.lines().filter(|line| line.trim_start().starts_with("mod ")) {
            let name = bad.trim_start().trim_start_matches("mod ").trim_end_matches([';', ' ', '{']);
            if ["utils", "util", "common", "helpers", "misc"].contains(&name) {
                faults.push(format!("{shown}: a module named {name} says nothing"));
            }
        }
    }
    for member in members()? {
        let manifest = member.folder.join("Cargo.toml");
        let text = fs::read_to_string(root().join(&manifest))?;
        if UNSAFE.iter().any(|folder| member.folder == Path::new(folder)) {
            if !text.contains("unsafe_code = \"deny\"") || !text.contains("undocumented_unsafe_blocks = \"warn\"") {
                faults.push(format!("{}: unsafe code without a reason is not denied", manifest.display()));
            }
        } else if !text.contains("[lints]\nworkspace = true") {
            faults.push(format!("{}: does not take the workspace's lints", manifest.display()));
        }
    }
    for workspace in ["Cargo.toml", "firmware/Cargo.toml"] {
        if !fs::read_to_string(root().join(workspace))?.contains("unsafe_code = \"forbid\"") {
            faults.push(format!("{workspace}: unsafe code is not forbidden"));
        }
    }
    ensure!(faults.is_empty(), "house rules:\n  {}", faults.join("\n  "));
    Ok(())
}
