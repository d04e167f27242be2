//! Keeps everything running with the device's API open.

use crate::print::{self, Style};
use anyhow::{Context, Result};
use trimtab_rig::world::{TurnOutcome, World};

/// Says how to talk to the device, and waits for an interrupt. The cameras keep showing the last turn's frames.
pub(crate) async fn until_interrupted(style: Style, world: &World, outcomes: &[TurnOutcome]) -> Result<()> {
    let address = world.api().context("the device's API is not open")?;
    let turn = outcomes.last().map_or_else(|| "1-1".to_owned(), |outcome| outcome.record.turn.to_string());
    print::heading(style, "The device keeps running; stop it with Ctrl-C");
    println!(
        "  curl http://{address}/v1/chat/completions -H 'content-type: application/json' -d \\\n    \
         '{{\"model\": \"trimtab\", \"messages\": [{{\"role\": \"user\", \"content\": \"is the lamp on?\"}}]}}' -i\n"
    );
    println!("  curl http://{address}/v1/trimtab/explain/{turn}");
    println!("  curl http://{address}/v1/trimtab/status\n");
    println!("  from openai import OpenAI");
    println!("  client = OpenAI(base_url=\"http://{address}/v1\", api_key=\"none\")");
    println!(
        "  print(client.chat.completions.create(model=\"trimtab\",\n      \
         messages=[{{\"role\": \"user\", \"content\": \"tell Anna that I will be late\"}}]).choices[0].message.content)\n"
    );
    let broker = world.broker();
    println!("  mosquitto_sub -V 5 -h {} -p {} -t 'trimtab/v1/#' -v", broker.ip(), broker.port());
    tokio::signal::ctrl_c().await.context("interrupts cannot be waited for")
}
