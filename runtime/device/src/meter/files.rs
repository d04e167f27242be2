//! The kernel's small files that hold one value each, and what is said where one cannot be read.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::MeterError;

/// Longest value that is read.
const VALUE_BYTES_MAX: usize = 128;
/// Most folders of one kind that are looked at.
const FOLDERS_MAX: usize = 64;
/// What is shown of a text that is no number.
const SHOWN_MAX: usize = 64;

/// A file that is read again and again. It stays open, since the kernel makes its value anew for every reading.
#[derive(Debug)]
pub(super) struct ValueFile {
    path: PathBuf,
    file: File,
}

impl ValueFile {
    pub(super) fn open(path: PathBuf) -> Result<Self, MeterError> {
        match File::open(&path) {
            Ok(file) => Ok(Self { path, file }),
            Err(source) => Err(refused(&path, source)),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn text(&self) -> Result<String, MeterError> {
        let mut bytes = [0; VALUE_BYTES_MAX];
        let gone = || io::Error::new(io::ErrorKind::NotFound, "the device is gone");
        let read = self.file.metadata().and_then(|about| if about.nlink() == 0 { Err(gone()) } else { Ok(()) });
        let length = read
            .and_then(|()| self.file.read_at(&mut bytes, 0))
            .map_err(|source| MeterError::Read { path: self.path.clone(), source })?;
        Ok(String::from_utf8_lossy(bytes.get(..length).unwrap_or_default()).trim().to_owned())
    }

    pub(super) fn number<T: FromStr>(&self) -> Result<T, MeterError> {
        parse(&self.path, &self.text()?)
    }
}

/// The value of a file that is read once.
pub(crate) fn text(path: &Path) -> Result<String, MeterError> {
    ValueFile::open(path.to_owned())?.text()
}

/// The number in a file that is read once.
pub(crate) fn number<T: FromStr>(path: &Path) -> Result<T, MeterError> {
    parse(path, &text(path)?)
}

/// The number in a file that need not be there.
pub(crate) fn number_if_any<T: FromStr>(path: &Path) -> Result<Option<T>, MeterError> {
    if path.exists() { number(path).map(Some) } else { Ok(None) }
}

fn parse<T: FromStr>(path: &Path, text: &str) -> Result<T, MeterError> {
    text.parse()
        .map_err(|_| MeterError::Form { path: path.to_path_buf(), text: text.chars().take(SHOWN_MAX).collect() })
}

/// Folders of `root` whose names begin with `prefix`, by number and then by name; none where `root` is not there.
pub(crate) fn folders(root: &Path, prefix: &str) -> Result<Vec<PathBuf>, MeterError> {
    let entries = match fs::read_dir(root) {
        Ok(entries) => entries,
        Err(source) if source.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(refused(root, source)),
    };
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.starts_with(prefix))
        .collect();
    let number = |name: &str| name.get(prefix.len()..).and_then(|rest| rest.parse::<u32>().ok()).unwrap_or(u32::MAX);
    names.sort_by(|one, two| number(one).cmp(&number(two)).then_with(|| one.cmp(two)));
    names.truncate(FOLDERS_MAX);
    Ok(names.into_iter().map(|name| root.join(name)).collect())
}

/// What is wrong with a file that does not open: where the right is missing, whose it is and how to get it.
pub(super) fn refused(path: &Path, source: io::Error) -> MeterError {
    match (source.kind(), fs::metadata(path)) {
        (io::ErrorKind::PermissionDenied, Ok(file)) => {
            let mode = file.mode() & 0o7777;
            let group = account("/etc/group", file.gid());
            let remedy = if mode & 0o040 == 0 {
                format!(
                    "give the runtime's user the right to read it, by a udev rule or `setfacl -m u:trimtab:r {}`",
                    path.display()
                )
            } else {
                format!("add the runtime's user to the group: `usermod -aG {group} trimtab`, and start it anew")
            };
            MeterError::Permission {
                path: path.to_path_buf(),
                owner: account("/etc/passwd", file.uid()),
                group,
                mode,
                remedy,
            }
        }
        _ => MeterError::Read { path: path.to_path_buf(), source },
    }
}

/// The name of a user or group as the machine's own table has it, else its number.
fn account(table: &str, id: u32) -> String {
    let number = id.to_string();
    let text = fs::read_to_string(table).unwrap_or_default();
    let named = text.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == number).then(|| name.to_owned())
    });
    named.unwrap_or(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_denied_file_names_owner_group_mode_and_remedy() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("energy_uj");
        fs::write(&path, "1").unwrap();
        let mut mode = fs::metadata(&path).unwrap().permissions();
        for (bits, remedy) in [(0o400, "udev rule"), (0o440, "usermod -aG ")] {
            std::os::unix::fs::PermissionsExt::set_mode(&mut mode, bits);
            fs::set_permissions(&path, mode.clone()).unwrap();
            let error = refused(&path, io::ErrorKind::PermissionDenied.into()).to_string();
            for part in ["energy_uj: permission denied (owner ", ", group ", &format!("mode {bits:o}"), remedy] {
                assert!(error.contains(part), "{part}: {error}");
            }
        }
        assert_eq!(account("/etc/group", 0), "root");
        assert_eq!(account("/etc/group", 4_000_000_000), "4000000000");
    }

    #[test]
    fn a_file_is_read_anew_each_time_and_missed_when_it_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("in1_input");
        fs::write(&path, "11984\n").unwrap();
        let file = ValueFile::open(path.clone()).unwrap();
        assert_eq!(file.number::<i64>().unwrap(), 11_984);
        fs::write(&path, "-5\n").unwrap();
        assert_eq!(file.number::<i64>().unwrap(), -5);
        fs::write(&path, "many\n").unwrap();
        assert!(file.number::<i64>().unwrap_err().to_string().contains("\"many\" is no number"));
        fs::remove_file(&path).unwrap();
        let error = crate::fault_text(&file.number::<i64>().unwrap_err());
        assert!(error.contains("in1_input: cannot read") && error.contains("the device is gone"), "{error}");
    }

    #[test]
    fn folders_come_in_the_order_of_their_numbers() {
        let root = tempfile::tempdir().unwrap();
        for name in ["hwmon10", "hwmon2", "other"] {
            fs::create_dir(root.path().join(name)).unwrap();
        }
        let found = folders(root.path(), "hwmon").unwrap();
        assert_eq!(found, ["hwmon2", "hwmon10"].map(|name| root.path().join(name)));
        assert!(folders(&root.path().join("nowhere"), "hwmon").unwrap().is_empty());
    }
}
