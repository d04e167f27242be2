//! Who scores the candidates.

use std::path::Path;
use std::sync::Arc;

use trimtab_core::Action;
use trimtab_core::observation::TRIMTAB1_WIDTH;
use trimtab_engine::{Encoder, PolicyFile};
use trimtab_turn::Event;

/// One candidate as a fixed rule sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    /// Node and views, by number.
    pub action: Action,
    /// The node's name; `local` for the device itself.
    pub node: String,
    /// What a policy would see.
    pub row: [f32; TRIMTAB1_WIDTH],
}

/// Scores every candidate, in their order; the highest that the shield admits is taken.
pub type FixedRule = Arc<dyn Fn(&[Choice]) -> Vec<f32> + Send + Sync>;

/// Who scores the candidates of a turn.
#[derive(Clone, Default)]
pub enum Chooser {
    /// The policy file that the configuration names; without one, the default rule.
    #[default]
    Configured,
    /// This policy, whatever the configuration names.
    Policy(Box<PolicyFile>),
    /// The documented default rule.
    DefaultRule,
    /// A rule of the caller's: baselines and data collection.
    Fixed(FixedRule),
}

impl std::fmt::Debug for Chooser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Configured => "Configured",
            Self::Policy(_) => "Policy",
            Self::DefaultRule => "DefaultRule",
            Self::Fixed(_) => "Fixed",
        })
    }
}

/// A chooser that is ready.
pub(super) enum Scorer {
    Policy(Box<PolicyFile>),
    Fixed(FixedRule),
    /// The default rule, and why.
    Default(String),
}

impl Scorer {
    /// Loads what is configured. A policy that is missing or refused is no reason to stop: the default rule decides, and
    /// the second value says what is wrong.
    pub(super) fn ready(
        chooser: Chooser,
        configured: Option<&Path>,
        encoder: Option<&Encoder>,
    ) -> (Self, Option<String>) {
        let checked = |policy: PolicyFile| match encoder {
            Some(encoder) => policy.check_encoder(&encoder.fingerprint()).map(|()| policy),
            None => Ok(policy),
        };
        let loaded = match chooser {
            Chooser::Fixed(rule) => return (Self::Fixed(rule), None),
            Chooser::DefaultRule => return (Self::Default("the default rule is configured".to_owned()), None),
            Chooser::Policy(policy) => checked(*policy),
            Chooser::Configured => match configured {
                Some(path) => PolicyFile::load(path).and_then(checked),
                None => {
                    let why = "no policy: set [models] policy to a policy file".to_owned();
                    return (Self::Default(why.clone()), Some(why));
                }
            },
        };
        match loaded {
            Ok(policy) => (Self::Policy(Box::new(policy)), None),
            Err(fault) => {
                let why = crate::fault_text(&fault);
                (Self::Default(why.clone()), Some(why))
            }
        }
    }

    pub(super) const fn policy(&self) -> Option<&PolicyFile> {
        match self {
            Self::Policy(policy) => Some(policy),
            Self::Fixed(_) | Self::Default(_) => None,
        }
    }

    /// Scores rows whose actions are `actions`, in the same order.
    pub(super) fn score(&self, rows: &[[f32; TRIMTAB1_WIDTH]], actions: Vec<(Action, String)>) -> Event {
        match self {
            Self::Policy(policy) => match policy.score(rows) {
                Ok(scores) => {
                    let quality = scores.quality;
                    let of = |index: usize| quality.as_ref().and_then(|quality| quality.get(index).copied());
                    Event::Scored(
                        scores.score.into_iter().enumerate().map(|(index, score)| (score, of(index))).collect(),
                    )
                }
                Err(fault) => Event::Unscored { why: crate::fault_text(&fault) },
            },
            Self::Fixed(rule) => {
                let choices: Vec<Choice> = actions
                    .into_iter()
                    .zip(rows)
                    .map(|((action, node), row)| Choice { action, node, row: *row })
                    .collect();
                Event::Scored(rule(&choices).into_iter().map(|score| (score, None)).collect())
            }
            Self::Default(why) => Event::Unscored { why: why.clone() },
        }
    }
}
