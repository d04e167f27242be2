//! From logits to text: what every engine has in common.

use std::ops::ControlFlow;

use super::draw::Draw;
use super::stop::Stops;
use super::{Finish, GenerateOptions, Generation};
use crate::action::{ACTION_BYTES_MAX, Action};
use crate::local::{OnProgress, Progress};
use crate::stream::Utf8Stream;
use crate::tokenizer::TokenId;

/// A reply that is being generated: chooses its tokens, makes characters of their bytes, and ends it where its options or its
/// listener say so.
pub struct Reply<'a> {
    draw: Draw,
    characters: Utf8Stream,
    stops: Stops<'a>,
    tokens_max: usize,
    /// What came after the token that begins the action.
    action: Option<Vec<u8>>,
    done: Generation,
}

impl<'a> Reply<'a> {
    /// Begins after a prompt of so many tokens, the end of which was left out or not.
    #[must_use]
    pub fn new(options: &'a GenerateOptions, prompt_tokens: usize, prompt_truncated: bool) -> Self {
        Self {
            draw: Draw::new(options),
            characters: Utf8Stream::default(),
            stops: Stops::new(&options.stop),
            tokens_max: options.max_tokens,
            action: None,
            done: Generation {
                text: String::new(),
                finish: Finish::Length,
                prompt_tokens,
                tokens: 0,
                prompt_truncated,
                action: None,
                action_malformed: false,
                confidence: None,
            },
        }
    }

    /// Whether it has as many tokens as it may have.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.done.tokens >= self.tokens_max
    }

    /// The next token, given the logits of all, and the natural logarithm of its probability at temperature 1; that is not finite if a
    /// logit is not.
    pub fn draw(&mut self, logits: &[f32]) -> (TokenId, f32) {
        self.draw.token(logits)
    }

    /// Adds a token and tells `on` of it. A break: the reply is over.
    pub fn push(
        &mut self,
        id: Option<TokenId>,
        bytes: &[u8],
        logprob: Option<f32>,
        on: OnProgress<'_>,
    ) -> ControlFlow<()> {
        self.done.tokens += 1;
        let (piece, stopped) = match &mut self.action {
            // Nobody hears what is not for ears: the token is told, with no text.
            Some(action) => {
                let room = (ACTION_BYTES_MAX + 1).saturating_sub(action.len());
                action.extend_from_slice(&bytes[..bytes.len().min(room)]);
                (String::new(), false)
            }
            None => self.stops.push(&self.characters.push(bytes)),
        };
        self.done.text.push_str(&piece);
        if on(Progress::Token { id, piece: &piece, logprob }).is_break() {
            self.done.finish = Finish::Cancelled;
            return ControlFlow::Break(());
        }
        if stopped {
            self.done.finish = Finish::Stop;
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }

    /// What comes from here on is the action; it is not part of the text.
    pub fn begin_action(&mut self) {
        self.action.get_or_insert_default();
    }

    /// It ended by itself.
    #[must_use]
    pub fn finished(mut self, finish: Finish) -> Generation {
        self.done.finish = finish;
        self.ended()
    }

    /// It ended at the last token that was added.
    #[must_use]
    pub fn ended(mut self) -> Generation {
        self.done.text.push_str(&self.stops.finish());
        if let Some(action) = self.action {
            // An action that was cut could still read as another one.
            let whole = std::str::from_utf8(&action).ok().filter(|_| self.done.finish == Finish::Stop);
            self.done.action = whole.and_then(Action::parse_all);
            self.done.action_malformed = self.done.action.is_none();
        }
        self.done
    }
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use super::Reply;
    use crate::local::Progress;
    use crate::{ACTION_BYTES_MAX, Action, Finish, GenerateOptions, Generation};

    /// A reply of these pieces, the action after those that come before it, and what was heard of it.
    fn reply(said: &[&str], action: &[&str], finish: Option<Finish>) -> (Generation, String, usize) {
        let options = GenerateOptions::default();
        let (mut heard, mut tokens) = (String::new(), 0);
        let mut on = |progress: Progress<'_>| {
            if let Progress::Token { piece, .. } = progress {
                heard.push_str(piece);
                tokens += 1;
            }
            ControlFlow::Continue(())
        };
        let mut reply = Reply::new(&options, 1, false);
        for piece in said {
            assert!(reply.push(None, piece.as_bytes(), None, &mut on).is_continue());
        }
        for (at, piece) in action.iter().enumerate() {
            if at == 0 {
                reply.begin_action();
            }
            assert!(reply.push(None, piece.as_bytes(), None, &mut on).is_continue());
        }
        let done = match finish {
            Some(finish) => reply.finished(finish),
            None => reply.ended(),
        };
        (done, heard, tokens)
    }

    #[test]
    fn an_action_is_done_and_not_said() {
        let (done, heard, tokens) = reply(&["Starting a", " timer."], &["", " timer", " 5"], Some(Finish::Stop));
        assert_eq!((done.text.as_str(), heard.as_str()), ("Starting a timer.", "Starting a timer."));
        assert_eq!((done.action, done.action_malformed), (Some(vec![Action::Timer { minutes: 5 }]), false));
        // Every token costs time and energy, so every one is told.
        assert_eq!((tokens, done.tokens), (5, 5));
    }

    #[test]
    fn what_is_no_action_or_was_cut_is_none_and_counted() {
        let long = "x".repeat(2 * ACTION_BYTES_MAX);
        for action in [&[""][..], &["", " jump"], &["", " open ", &long], &["", " timer 5; open"]] {
            let (done, heard, _) = reply(&["Yes."], action, Some(Finish::Stop));
            assert_eq!((done.action, done.action_malformed, heard.as_str()), (None, true, "Yes."));
        }
        let (cut, ..) = reply(&["Yes."], &["", " timer 5"], None);
        assert_eq!((cut.finish, cut.action, cut.action_malformed), (Finish::Length, None, true));
        let (plain, ..) = reply(&["Yes."], &[], Some(Finish::Stop));
        assert_eq!((plain.action, plain.action_malformed), (None, false));
    }
}
