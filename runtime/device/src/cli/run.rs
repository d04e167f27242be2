//! `trimtab run`: the runtime until it is told to stop.

use tokio::signal::unix::{SignalKind, signal};

use super::Failure;
use crate::api::Api;
use crate::config::Config;
use crate::shell::{Device, Parts};

/// Threads that drive connections; the models run on blocking threads beside them.
const WORKERS: usize = 2;
/// Blocking threads: one turn's work, and room for cameras and stragglers.
const BLOCKING_MAX: usize = 16;

pub(super) fn run(config: Config) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .max_blocking_threads(BLOCKING_MAX)
        .enable_all()
        .build()
        .map_err(|fault| Failure::Failed(format!("no event loop: {fault}")))?;
    runtime.block_on(serve(config))
}

async fn serve(config: Config) -> Result<(), Failure> {
    let failed = |fault: &dyn std::error::Error| Failure::Failed(crate::fault_text(fault));
    let mut interrupt = signal(SignalKind::interrupt()).map_err(|fault| failed(&fault))?;
    let mut terminate = signal(SignalKind::terminate()).map_err(|fault| failed(&fault))?;
    let api = config.api.clone();
    let device = Device::start(config, Parts::default()).await.map_err(|fault| failed(&fault))?;
    let api = match Api::start(device.clone(), &api).await {
        Ok(api) => api,
        Err(fault) => {
            device.stop().await;
            return Err(failed(&fault));
        }
    };
    let address = api.address().map_or_else(|| "no TCP".to_owned(), |address| format!("http://{address}"));
    tracing::info!(%address, socket = %api.socket().display(), "serving");
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    tracing::info!("stopping");
    api.stop().await;
    device.stop().await;
    Ok(())
}
