//! A loaded model: prompts in, tokens out.

use std::fmt;
use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};

use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::context::params::LlamaContextParams;
use llama_cpp_2::llama_backend::LlamaBackend;
use llama_cpp_2::llama_batch::LlamaBatch;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::model::params::LlamaModelParams;
use llama_cpp_2::token::LlamaToken;
use trimtab_engine::{
    Card, Engine, Finish, GenerateOptions, Generation, LocalModel, ModelError, OnProgress, Progress, Reply,
};

use crate::backend::backend;
use crate::file::GgufFile;
use crate::prompt::Template;

/// Tokens of a prompt that are read at once; between two such parts a generation can be stopped.
pub const BATCH: usize = 64;
/// A cache is made for a multiple of so many tokens.
const CACHE_STEP: usize = 256;

/// A model that llama.cpp has loaded.
pub struct GgufModel {
    file: GgufFile,
    template: Template,
    /// Held while a context is made: llama.cpp changes the model then.
    making: Mutex<()>,
    backend: &'static LlamaBackend,
    model: LlamaModel,
}

impl GgufModel {
    pub(crate) fn load(file: GgufFile) -> Result<Self, ModelError> {
        let fault = |problem: &str| ModelError::Gguf { path: file.path.clone(), problem: problem.into() };
        let backend = backend().ok_or_else(|| fault("llama.cpp was set up by another part of this process"))?;
        // Read and not mapped: what is mapped counts twice where llama.cpp lays weights out anew, and a file that shrinks
        // below a mapping ends the process.
        let params = LlamaModelParams::default().with_use_mmap(false).with_n_gpu_layers(0);
        let model = LlamaModel::load_from_file(backend, &file.path, &params)
            .map_err(|_| fault("llama.cpp does not load it; its log at level debug says why"))?;
        let template = Template::of(&model, &file.header);
        let loaded = Self { template, making: Mutex::default(), backend, model, file };
        // Weights that are no numbers are heard of now and not in the first turn.
        loaded.run("", &GenerateOptions { max_tokens: 1, ..GenerateOptions::default() }, &mut |_| {
            std::ops::ControlFlow::Continue(())
        })?;
        Ok(loaded)
    }

    fn failed(&self, problem: impl fmt::Display) -> ModelError {
        ModelError::Run { path: self.file.path.clone(), problem: problem.to_string() }
    }

    /// A cache and buffers for so many tokens.
    fn context(&self, tokens: usize) -> Result<LlamaContext<'_>, ModelError> {
        let tokens = tokens.next_multiple_of(CACHE_STEP);
        let threads = i32::try_from(self.file.options.threads).unwrap_or(1);
        let params = LlamaContextParams::default()
            .with_n_ctx(u32::try_from(tokens).ok().and_then(NonZeroU32::new))
            .with_n_batch(BATCH as u32)
            .with_n_ubatch(BATCH as u32)
            .with_n_threads(threads)
            .with_n_threads_batch(threads)
            .with_no_perf(true);
        let _one_at_a_time = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        self.model.new_context(self.backend, params).map_err(|fault| self.failed(fault))
    }

    fn run(&self, prompt: &str, options: &GenerateOptions, on: OnProgress<'_>) -> Result<Generation, ModelError> {
        let context_max = self.file.options.context;
        let (prompt, prompt_truncated) = self.template.tokens(&self.model, prompt, (context_max - 1).max(1));
        let mut reply = Reply::new(options, prompt.len(), prompt_truncated);
        // The last token is told and not read.
        let tokens_max = options.max_tokens.min(context_max + 1 - prompt.len());
        if tokens_max == 0 {
            return Ok(reply.ended());
        }
        let mut context = self.context(prompt.len() + tokens_max)?;
        let mut batch = LlamaBatch::new(BATCH, 1);
        let mut read = 0;
        for part in prompt.chunks(BATCH) {
            if read > 0 && on(Progress::Waiting).is_break() {
                return Ok(reply.finished(Finish::Cancelled));
            }
            self.step(&mut context, &mut batch, part, read, read + part.len() == prompt.len())?;
            read += part.len();
        }
        let vocab = self.model.vocab();
        let mut bytes = Vec::new();
        for left in (0..tokens_max).rev() {
            let (id, logprob) = reply.draw(context.get_logits_ith(batch.n_tokens() - 1));
            if !logprob.is_finite() {
                return Err(
                    self.failed("its weights give values that are not finite; fetch it again or convert it anew")
                );
            }
            // The vocabulary has far fewer tokens than that.
            let token = LlamaToken(i32::try_from(id).unwrap_or(i32::MAX));
            if vocab.is_eog(token) {
                return Ok(reply.finished(Finish::Stop));
            }
            bytes.clear();
            vocab.token_to_piece_into(token, &mut bytes, false, None);
            if reply.push(Some(id), &bytes, Some(logprob), on).is_break() {
                break;
            }
            if left > 0 {
                self.step(&mut context, &mut batch, &[token], read, true)?;
                read += 1;
            }
        }
        Ok(reply.ended())
    }

    /// Reads tokens after the `read` that are in the cache; the last gives logits if they are `wanted`.
    fn step(
        &self,
        context: &mut LlamaContext<'_>,
        batch: &mut LlamaBatch<'_>,
        tokens: &[LlamaToken],
        read: usize,
        wanted: bool,
    ) -> Result<(), ModelError> {
        batch.clear();
        for (index, token) in tokens.iter().enumerate() {
            let place = i32::try_from(read + index).map_err(|fault| self.failed(fault))?;
            let last = wanted && index + 1 == tokens.len();
            batch.add(*token, place, &[0], last).map_err(|fault| self.failed(fault))?;
        }
        context.decode(batch).map_err(|fault| self.failed(fault))
    }
}

impl LocalModel for GgufModel {
    fn generate(&self, prompt: &str, options: &GenerateOptions, on: OnProgress<'_>) -> Result<Generation, ModelError> {
        self.run(prompt, options, on)
    }

    fn engine(&self) -> Engine {
        Engine::Gguf
    }

    fn context(&self) -> Option<usize> {
        Some(self.file.options.context)
    }

    fn count_tokens(&self, text: &str) -> Option<usize> {
        Some(self.model.vocab().tokenize(text.as_bytes(), false, false).len())
    }

    fn loaded_bytes(&self) -> u64 {
        self.file.loaded_bytes()
    }

    fn cache_bytes_max(&self) -> u64 {
        self.file.cache_bytes_max()
    }

    fn card(&self) -> &Card {
        &self.file.card
    }
}

impl fmt::Debug for GgufModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GgufModel").field("file", &self.file).finish_non_exhaustive()
    }
}
