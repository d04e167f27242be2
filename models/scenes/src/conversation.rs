//! Whole conversations, and prompts that are like none of them.

use crate::prompt::{Prompt, TaskKind};
use crate::rng::Rng;
use crate::scene::{Scene, Split};

/// Most turns of one conversation.
pub const TURNS_MAX: usize = 10_000;

/// One prompt and the scene it is said in.
#[derive(Clone, Debug)]
pub struct Turn {
    /// The room as it is when the prompt is said.
    pub scene: Scene,
    /// What is said.
    pub prompt: Prompt,
}

/// Turns in equal shares of the four kinds; between two turns the robot moves on, so every turn has its own scene.
#[derive(Clone, Debug)]
pub struct Conversation {
    /// The turns, in order.
    pub turns: Vec<Turn>,
}

impl Conversation {
    /// The conversation that follows from `seed`; at most [`TURNS_MAX`] turns.
    #[must_use]
    pub fn generate(seed: u64, split: Split, turns: usize) -> Self {
        let mut rng = Rng::for_purpose(seed, "conversation");
        let mut kinds: Vec<TaskKind> = Vec::new();
        let turns = (0..turns.min(TURNS_MAX))
            .map(|_| {
                if kinds.is_empty() {
                    kinds.extend(TaskKind::ALL);
                    rng.shuffle(&mut kinds);
                }
                let kind = kinds.pop().unwrap_or(TaskKind::Query);
                let scene = Scene::generate(rng.bits(), split);
                let prompt = Prompt::generate(kind, &scene, split, &mut rng);
                Turn { scene, prompt }
            })
            .collect();
        Self { turns }
    }
}

const UNKNOWN_TRAIN: [&str; 40] = [
    "what is the capital of Portugal?",
    "write a poem about autumn leaves",
    "translate good morning into Swahili",
    "who won the world cup in 1974?",
    "prove that the square root of two is irrational",
    "explain quantum entanglement to a student",
    "compose a melody in a minor key",
    "how do I file my income taxes?",
    "summarise the plot of Hamlet",
    "what is 847 divided by 13?",
    "give me the recipe for goulash",
    "draft a contract for a lease",
    "debug this sorting function in C",
    "what are the symptoms of measles?",
    "which shares performed best last year?",
    "describe the French revolution",
    "asdf qwer zxcv uiop",
    "0x7f 0x3a 0x99 0x10",
    "lorem ipsum dolor sit amet",
    "how far away is the Andromeda galaxy?",
    "tell a joke about penguins and physicists",
    "play chess against me, e4",
    "what does the law say about inheritance?",
    "name five rivers of South America",
    "convert 12 inches to centimetres",
    "who painted the Mona Lisa?",
    "how is cement made?",
    "bla bla bla bla bla",
    "solve x squared plus three x equals ten",
    "what year did the Titanic sink?",
    "give me a synonym of melancholy",
    "how do vaccines work?",
    "invent a new religion",
    "what is the meaning of life?",
    "rank the planets by mass",
    "!!! ??? ### @@@",
    "je voudrais un billet pour Lyon",
    "wie spät ist es in Tokio?",
    "list the prime numbers below fifty",
    "how tall is Mount Kilimanjaro?",
];

const UNKNOWN_HELD_OUT: [&str; 24] = [
    "what is the currency of Hungary?",
    "write a short story about a dragon",
    "translate this sentence into Latin",
    "who discovered penicillin?",
    "explain how a turbine generates electricity",
    "what is the boiling point of nitrogen?",
    "how do I renew my passport?",
    "summarise the theory of evolution",
    "multiply 345 by 982",
    "give me tips for a job interview",
    "review this paragraph for grammar",
    "hjkl mnbv trew poiu",
    "which kings ruled Denmark?",
    "describe the rules of cricket",
    "what causes inflation?",
    "sing a song about sailors",
    "how many moons has Jupiter?",
    "what is a monad in programming?",
    "donde puedo comprar zapatos?",
    "integrate the sine of x",
    "what is the population of Nairobi?",
    "~~~ %%% &&& ===",
    "recite the first amendment",
    "why is the ocean salty?",
];

/// Prompts unlike any of the four task kinds: the task is `unknown`.
#[must_use]
pub const fn unknown_prompts(split: Split) -> &'static [&'static str] {
    match split {
        Split::Train => &UNKNOWN_TRAIN,
        Split::HeldOut => &UNKNOWN_HELD_OUT,
    }
}
