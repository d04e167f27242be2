//! `trimtab run`: the runtime until it is told to stop.

use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{MissedTickBehavior, interval};

use super::Failure;
use crate::api::Api;
use crate::config::Config;
use crate::service::Manager;
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
    let manager = Manager::from_environment().map_err(|fault| failed(&fault))?.map(Arc::new);
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
    if let Some(manager) = &manager {
        manager.ready(&state(&address, device.faults()));
        tokio::spawn(show_life(Arc::clone(manager), device.clone()));
    }
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    tracing::info!("stopping");
    if let Some(manager) = &manager {
        manager.stopping();
    }
    api.stop().await;
    device.stop().await;
    Ok(())
}

fn state(address: &str, faults: &[String]) -> String {
    match faults {
        [] => format!("serving {address}"),
        [first, ..] => format!("serving {address}, {} fault(s): {first}", faults.len()),
    }
}

/// Shows the manager signs of life for as long as the event loop, the governor and the ledger give theirs.
async fn show_life(manager: Arc<Manager>, device: Device) {
    let Some(pause) = manager.pause() else { return };
    let mut ticks = interval(pause);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        match device.alive().await {
            Ok(()) => manager.alive(),
            Err(fault) => {
                tracing::error!(fault = %crate::fault_text(&fault), "no sign of life for the service manager");
            }
        }
    }
}
