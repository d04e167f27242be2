//! Encoder, local model and policy: whether they load and fit, and which they are.

use super::Finding;
use crate::config::Config;
use crate::shell::inspect_models;

pub(super) async fn examine(config: &Config) -> Vec<Finding> {
    let config = config.clone();
    let looked = tokio::task::spawn_blocking(move || inspect_models(&config)).await;
    match looked {
        Ok(found) => {
            let models = found.models.into_iter().map(|model| Finding::ok("model", model));
            models.chain(found.faults.into_iter().map(|fault| Finding::fail("model", fault))).collect()
        }
        Err(fault) => {
            vec![Finding::fail("model", format!("looking at the models broke off ({fault}); please report this"))]
        }
    }
}
