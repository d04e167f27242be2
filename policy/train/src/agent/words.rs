//! A turn of the published environment in words.

use std::fmt::Write;

use trimtab_core::TaskKind;
use trimtab_engine::PolicyError;

use super::Agent;
use crate::published::{ACTIONS, Chooser, Costs, Episode, Scene, VIEWS, class_of, views_of};

/// Number of the local action.
const LOCAL: usize = 0;

/// A model that decides in the published environment. It is told what is known before an answer is given; the simulator's
/// responses are not.
#[derive(Debug)]
pub struct Published<'a> {
    agent: Agent,
    episodes: &'a [Episode],
    /// The prompts of every episode, turn by turn.
    prompts: Vec<Vec<&'a str>>,
    costs: Costs,
}

impl<'a> Published<'a> {
    /// Of these dialogues.
    #[must_use]
    pub const fn new(agent: Agent, episodes: &'a [Episode], prompts: Vec<Vec<&'a str>>, costs: Costs) -> Self {
        Self { agent, episodes, prompts, costs }
    }

    /// The model, for its counts.
    #[must_use]
    pub const fn agent(&self) -> &Agent {
        &self.agent
    }

    fn describe(&self, scene: &Scene<'_>) -> String {
        let episode = &self.episodes[scene.episode];
        let task = |task: u8| TaskKind::KNOWN.get(usize::from(task)).map_or("unknown", |kind| kind.name());
        let mut text = format!("Turn {} of a conversation.\n", scene.turn + 1);
        let prompt = self.prompts[scene.episode][scene.turn];
        // Writing to a text does not fail.
        let _ = writeln!(text, "Prompt: {}", serde_json::Value::from(prompt));
        let _ = writeln!(text, "Task: {}", task(scene.state.task()));
        for (view, association) in episode.association[scene.turn].iter().enumerate() {
            let _ = writeln!(text, "View {view}: cosine with the prompt {association:.3}");
        }
        let _ = writeln!(
            text,
            "Left for the whole conversation: {:.2} s, {:.5} USD",
            scene.remaining.seconds, scene.remaining.usd
        );
        let tasks = scene.state.tasks();
        let taken: Vec<usize> = scene.state.actions().collect();
        for (action, earlier) in taken.iter().zip(&tasks[tasks.len().saturating_sub(taken.len() + 1)..]) {
            let _ = writeln!(text, "Before: {}, action {action}", task(*earlier));
        }
        for action in 0..ACTIONS {
            let class = class_of(action);
            let place = if action == LOCAL { "local".to_owned() } else { cloud(action) };
            let (seconds, usd) = (self.costs.seconds[class], self.costs.usd[class]);
            let _ = writeln!(text, "Action {action}: {place}, {seconds:.2} s, {usd:.5} USD");
        }
        text
    }
}

fn cloud(action: usize) -> String {
    let views: Vec<String> =
        (0..VIEWS).filter(|view| views_of(action).contains(*view)).map(|view| view.to_string()).collect();
    if views.is_empty() { "cloud without views".into() } else { format!("cloud with views {}", views.join(", ")) }
}

impl Chooser for Published<'_> {
    fn scores(&mut self, scene: &Scene<'_>) -> Result<[f64; ACTIONS], PolicyError> {
        let chosen = self.agent.choose(self.describe(scene), ACTIONS).unwrap_or(LOCAL);
        Ok(std::array::from_fn(|action| f64::from(u8::from(action == chosen))))
    }
}
