//! What targets need around them: a folder in memory, a runtime, a device without models, and word of every panic.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};
use trimtab_device::config::{ApiConfig, Config, ModelsConfig, MqttConfig};
use trimtab_device::shell::{Device, Parts};

/// Files of one target; in memory where the system has such a folder, since most inputs are written before they are read.
pub(crate) fn scratch() -> TempDir {
    let memory = Path::new("/dev/shm");
    let made = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    made.expect("a temporary folder can be made")
}

/// Writes an input where its decoder will look for it.
pub(crate) fn write(path: &Path, bytes: &[u8]) {
    std::fs::write(path, bytes).unwrap_or_else(|fault| panic!("{}: {fault}", path.display()));
}

/// The runtime of every target that needs one.
pub(crate) fn runtime() -> &'static Runtime {
    static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
        Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime can be started")
    });
    &RUNTIME
}

/// The configuration of a device without models, so that every turn is refused before it costs anything.
pub(crate) fn config(state: &Path, mqtt: Option<MqttConfig>) -> Config {
    let standard = Config::standard();
    Config {
        state_dir: state.to_owned(),
        api: ApiConfig { listen: Some(([127, 0, 0, 1], 0).into()), socket: state.join("trimtab.sock"), explore: true },
        models: ModelsConfig { encoder: PathBuf::from("no-encoder"), lm: None, policy: None, ..standard.models },
        mqtt,
        ..standard
    }
}

pub(crate) async fn device(config: Config) -> Device {
    Device::start(config, Parts::default()).await.expect("a device starts without models")
}
