//! Commands of operators, each carried out once and answered.

use std::collections::VecDeque;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use trimtab_core::Placement;
use trimtab_mqtt::{Incoming, Publication};
use trimtab_wire::operator::{AskCommand, AskResult, CommandAnswer, ExplainCommand, Payload, StatusCommand};
use trimtab_wire::{CommandName, Topic};

use super::{decision, encoded, publish, unix_ms};
use crate::shell::{Ask, Device, Inner, lock};
use trimtab_ledger::Setting;

/// Ids of commands that are remembered, so that none is carried out twice.
pub(crate) const COMMAND_IDS_MAX: usize = 128;
/// Name under which they are kept in the ledger.
const COMMANDS: &str = "commands";

/// The commands that were carried out, oldest first.
#[derive(Debug, Default)]
pub(super) struct Carried {
    ids: VecDeque<String>,
    /// How many there were in all; the ledger keeps only what grows.
    count: u64,
    loaded: bool,
}

#[derive(Serialize, Deserialize)]
struct Kept {
    ids: VecDeque<String>,
}

/// Where an answer goes.
struct Reply {
    name: CommandName,
    topic: Topic,
    correlation: Option<bytes::Bytes>,
}

/// Carries out a command. What takes long goes on beside the next messages.
pub(crate) async fn on_command(inner: &Arc<Inner>, name: CommandName, message: &Incoming) {
    let own = Topic::CommandAnswer(inner.config.fleet.clone(), inner.config.id.clone(), name);
    // Another topic than the device's own would let an operator have it write anywhere.
    if message.response_topic.as_ref().is_some_and(|topic| *topic != own.to_string()) {
        tracing::warn!(command = name.as_str(), "a response topic that is not this device's own was not used");
    }
    let reply = Reply { name, topic: own, correlation: message.correlation.clone() };
    if message.retain {
        reply
            .refuse(
                inner,
                "",
                "a retained command is refused: it would come again with every connection; publish it without retain",
            )
            .await;
        return;
    }
    match name {
        CommandName::Status => match StatusCommand::decode(&message.payload) {
            Ok(command) => reply.done(inner, &command.id, inner.status().await).await,
            Err(fault) => reply.refuse(inner, "", &fault.to_string()).await,
        },
        CommandName::Explain => match ExplainCommand::decode(&message.payload) {
            Ok(command) => explain(inner, reply, command).await,
            Err(fault) => reply.refuse(inner, "", &fault.to_string()).await,
        },
        CommandName::Ask => match AskCommand::decode(&message.payload) {
            Ok(command) => ask(inner, reply, command).await,
            Err(fault) => reply.refuse(inner, "", &fault.to_string()).await,
        },
    }
}

async fn explain(inner: &Inner, reply: Reply, command: ExplainCommand) {
    let turn = command.turn;
    match inner.explain(turn).await {
        Ok(record) => reply.done(inner, &command.id, record).await,
        Err(fault) => reply.refuse(inner, &command.id, &crate::fault_text(&fault)).await,
    }
}

async fn ask(inner: &Arc<Inner>, reply: Reply, command: AskCommand) {
    if command.expires_unix_ms.is_some_and(|expires| expires < unix_ms()) {
        reply.refuse(inner, &command.id, "the command has expired; check both clocks, or send it again").await;
        return;
    }
    match remember(inner, &command.id).await {
        Ok(true) => {}
        Ok(false) => {
            reply.refuse(inner, &command.id, "a command with this id was carried out already; use a new id").await;
            return;
        }
        Err(fault) => {
            reply.refuse(inner, &command.id, &fault).await;
            return;
        }
    }
    let device = Device::of(inner);
    let conversation = command.conversation.unwrap_or_else(|| device.new_conversation());
    let asked =
        device.ask(Ask { conversation, prompt: command.prompt, max_tokens: command.max_tokens, ..Ask::default() });
    let news = match asked {
        Ok(news) => news,
        Err(fault) => {
            reply.refuse(inner, &command.id, &fault.to_string()).await;
            return;
        }
    };
    // Bounded by the turns that may wait.
    let inner = Arc::clone(inner);
    tokio::spawn(async move {
        let Some(record) = news.record().await else {
            reply.refuse(&inner, &command.id, "the runtime stopped before the turn was over; ask again").await;
            return;
        };
        if record.placement == Placement::Refused {
            let trouble = record.trouble.as_deref().map(|trouble| format!(": {trouble}")).unwrap_or_default();
            let turn = record.turn;
            let why = format!(
                "turn {turn} was refused ({}){trouble}; cmd/explain says what was ruled out and why",
                record.reason
            );
            reply.refuse(&inner, &command.id, &why).await;
            return;
        }
        let action = crate::shell::action(&record);
        let result = AskResult { text: record.answer.clone(), action, decision: decision(&inner, &record) };
        reply.done(&inner, &command.id, serde_json::to_value(result).unwrap_or_default()).await;
    });
}

/// Whether a command is new; from now on it is not. Kept before it is carried out.
async fn remember(inner: &Inner, id: &str) -> Result<bool, String> {
    if !lock(&inner.operator.commands).loaded {
        let kept =
            inner.ledger.with(|store| store.setting(COMMANDS)).await.map_err(|fault| crate::fault_text(&fault))?;
        let mut carried = lock(&inner.operator.commands);
        if let Some(setting) = kept.filter(|_| !carried.loaded) {
            let kept: Kept = serde_json::from_value(setting.value)
                .map_err(|fault| format!("the ledger's list of commands cannot be read: {fault}"))?;
            (carried.ids, carried.count) = (kept.ids, setting.counter);
        }
        carried.loaded = true;
    }
    let setting = {
        let mut carried = lock(&inner.operator.commands);
        if carried.ids.iter().any(|known| known == id) {
            return Ok(false);
        }
        carried.ids.push_back(id.to_owned());
        if carried.ids.len() > COMMAND_IDS_MAX {
            carried.ids.pop_front();
        }
        carried.count += 1;
        let value = serde_json::to_value(Kept { ids: carried.ids.clone() }).map_err(|fault| fault.to_string())?;
        Setting { counter: carried.count, value }
    };
    let now = inner.clock.now();
    inner
        .ledger
        .with(move |store| store.set(now, COMMANDS, &setting))
        .await
        .map_err(|fault| crate::fault_text(&fault))?;
    Ok(true)
}

impl Reply {
    async fn done(self, inner: &Inner, id: &str, result: serde_json::Value) {
        self.send(inner, CommandAnswer { id: id.to_owned(), ok: true, result, error: None }).await;
    }

    async fn refuse(self, inner: &Inner, id: &str, error: &str) {
        tracing::warn!(command = self.name.as_str(), %error, "a command was not carried out");
        self.send(
            inner,
            CommandAnswer {
                id: id.to_owned(),
                ok: false,
                result: serde_json::Value::Null,
                error: Some(error.to_owned()),
            },
        )
        .await;
    }

    async fn send(self, inner: &Inner, answer: CommandAnswer) {
        if let Some(payload) = encoded(&answer) {
            let correlation = self.correlation;
            publish(inner, self.topic, payload, |publication: Publication| publication.correlated(correlation)).await;
        }
    }
}
