//! `trimtab-fleet`: lists devices, watches their decisions, asks them, and sets their budgets, over MQTT.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::{Args, Parser, Subcommand};
use serde_json::{Map, Value, json};
use trimtab_fleet::amount::LimitArgument;
use trimtab_fleet::{Operator, show};
use trimtab_mqtt::{Connect, TlsFiles};
use trimtab_wire::{DeviceId, FleetId};

/// Works with a fleet over its MQTT broker.
#[derive(Parser)]
#[command(
    version,
    after_help = "Example: trimtab-fleet --fleet home --broker mqtt.example.com:8883 --ca ca.pem \
    --certificate operator.pem --key operator.key list"
)]
struct Arguments {
    #[command(flatten)]
    connection: Connection,
    /// Prints JSON, one object a line.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Args)]
struct Connection {
    /// The fleet.
    #[arg(long, global = true, default_value = "home")]
    fleet: FleetId,
    /// Broker as host, host:port or [address]:port.
    #[arg(long, global = true, default_value = "localhost")]
    broker: String,
    /// Certificates that the broker's must descend from, PEM; turns TLS on.
    #[arg(long, global = true)]
    ca: Option<PathBuf>,
    /// The operator's certificate, PEM.
    #[arg(long, global = true, requires = "key")]
    certificate: Option<PathBuf>,
    /// The key of that certificate, PEM.
    #[arg(long, global = true, requires = "certificate")]
    key: Option<PathBuf>,
    /// MQTT client id; by default one of its own for every run.
    #[arg(long, global = true)]
    id: Option<String>,
    /// Allows plain TCP to a broker that is not on loopback.
    #[arg(long, global = true)]
    allow_plaintext: bool,
    /// Longest wait for the broker and for an answer, seconds.
    #[arg(long, global = true, default_value_t = 30)]
    timeout: u64,
}

#[derive(Subcommand)]
enum Command {
    /// Every device that ever said it was there.
    #[command(after_help = "Example: trimtab-fleet list --json")]
    List,
    /// Follows decisions as they are made, until Ctrl-C.
    #[command(after_help = "Example: trimtab-fleet watch robot-7")]
    Watch {
        /// One device; otherwise all.
        device: Option<DeviceId>,
    },
    /// Has a device answer a prompt.
    #[command(after_help = "Example: trimtab-fleet ask robot-7 \"Is the stove on?\"")]
    Ask {
        /// Which device.
        device: DeviceId,
        /// The prompt.
        prompt: String,
        /// Conversation that it belongs to.
        #[arg(long)]
        conversation: Option<String>,
    },
    /// Shows or sets the budgets of a device.
    #[command(after_help = "Example: trimtab-fleet budget robot-7 --set energy:day=500J --set money:hour=2mUSD")]
    Budget {
        /// Which device.
        device: DeviceId,
        /// A limit: energy, money, bytes or latency, per turn, conversation, hour or day.
        #[arg(long, value_name = "RESOURCE:WINDOW=AMOUNT", conflicts_with = "show")]
        set: Vec<LimitArgument>,
        /// Shows the budgets in force; this is also what happens without --set.
        #[arg(long)]
        show: bool,
    },
}

impl Connection {
    fn connect(&self) -> anyhow::Result<Connect> {
        let tls = match (&self.ca, &self.certificate, &self.key) {
            (Some(ca), Some(certificate), Some(key)) => {
                Some(TlsFiles { ca: ca.clone(), identity: Some((certificate.clone(), key.clone())) })
            }
            (Some(ca), _, _) => Some(TlsFiles { ca: ca.clone(), identity: None }),
            (None, None, None) => None,
            (None, _, _) => bail!("--certificate is given without --ca; add the broker's CA"),
        };
        let (host, port) = self.address(if tls.is_some() { 8883 } else { 1883 })?;
        let id = self.id.clone().unwrap_or_else(|| format!("operator-{}", std::process::id()));
        Ok(Connect { tls, allow_plaintext: self.allow_plaintext, ..Connect::new(&id, &host, port) })
    }

    fn address(&self, default_port: u16) -> anyhow::Result<(String, u16)> {
        let bare = |host: &str| host.trim_start_matches('[').trim_end_matches(']').to_owned();
        match self.broker.rsplit_once(':') {
            Some((host, port)) if !host.contains(':') || host.ends_with(']') => {
                let port = port.parse().with_context(|| format!("--broker {}: {port:?} is no port", self.broker))?;
                Ok((bare(host), port))
            }
            _ => Ok((bare(&self.broker), default_port)),
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("trimtab-fleet: {fault:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let Arguments { connection, json, command } = arguments;
    let wait = Duration::from_secs(connection.timeout);
    let mut operator = Operator::connect(connection.fleet.clone(), &connection.connect()?, wait).await?;
    let done = carry_out(&mut operator, command, json).await;
    operator.disconnect().await;
    done
}

async fn carry_out(operator: &mut Operator, command: Command, json: bool) -> anyhow::Result<()> {
    match command {
        Command::List => {
            let devices = operator.list().await?;
            if devices.is_empty() {
                eprintln!("trimtab-fleet: no device of this fleet has reported to this broker");
            }
            for (device, status) in devices {
                match (json, &status) {
                    (false, _) => println!("{}", show::status(&device, &status)),
                    (true, Ok(status)) => println!("{}", labelled(&device, serde_json::to_value(status)?)),
                    (true, Err(fault)) => println!("{}", labelled(&device, json!({ "error": fault.to_string() }))),
                }
            }
        }
        Command::Watch { device } => {
            operator.follow(device.as_ref()).await?;
            loop {
                let (device, decision) = tokio::select! {
                    interrupted = tokio::signal::ctrl_c() => return interrupted.context("no handler for Ctrl-C"),
                    next = operator.next_decision() => next?,
                };
                match decision {
                    Ok(decision) if json => println!("{}", labelled(&device, serde_json::to_value(&decision)?)),
                    Ok(decision) => println!("{}", show::decision(&device, &decision)),
                    Err(fault) => eprintln!("trimtab-fleet: device {device}: {fault}"),
                }
            }
        }
        Command::Ask { device, prompt, conversation } => {
            let result = operator.ask(&device, &prompt, conversation.as_deref()).await?;
            if json {
                println!("{}", labelled(&device, serde_json::to_value(&result)?));
            } else {
                println!("{}", result.text);
                eprintln!("{}", show::decision(&device, &result.decision));
            }
        }
        Command::Budget { device, set, show: _ } => {
            let limits: Vec<_> = set.iter().map(|LimitArgument(limit)| *limit).collect();
            let reported = if limits.is_empty() {
                operator.budgets(&device).await?
            } else {
                operator.set_budgets(&device, &limits).await?
            };
            if json {
                println!("{}", labelled(&device, serde_json::to_value(&reported)?));
            } else {
                print!("{}", show::budgets(&reported));
            }
        }
    }
    Ok(())
}

/// The payload with the device's id in front.
fn labelled(device: &DeviceId, payload: Value) -> Value {
    let mut object = Map::from_iter([("device".to_owned(), Value::from(device.as_str()))]);
    match payload {
        Value::Object(fields) => object.extend(fields),
        other => drop(object.insert("payload".to_owned(), other)),
    }
    Value::Object(object)
}
