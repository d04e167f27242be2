"""Writes tests/vectors/models: what PyTorch and transformers make of small models, pictures and strings.

usage: vectors.py FOLDER

The models have the structure of the real ones and weights by formula, so that the files hold results alone:

| file | what |
|---|---|
| texts.json | the strings |
| clip-tokenizer.json, bpe-tokenizer.json | two small vocabularies, learnt from the strings' own phrases: CLIP's scheme, and that of SmolLM2 |
| clip-ids.json, bpe-ids.json | the tokens of every string, without those that are put around it |
| pictures.json, pictures.bin | pictures by formula, and the bytes that are left of each when resized and cut; one after the other |
| clip.json | configuration of a dual encoder, texts, and the unit vectors of the texts and the pictures |
| decoder.json, decoder.bin | configuration of a decoder, a prompt, what follows it greedily, and the logits before each of those, f32 |
"""

import json
import sys
from collections import Counter
from pathlib import Path

import numpy
import torch
from PIL import Image
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import CLIPConfig, CLIPTextModelWithProjection, CLIPTokenizer, CLIPVisionModelWithProjection
from transformers import LlamaConfig, LlamaForCausalLM
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

import seeded
import texts

VOCABULARY = 1500
SIDE = 32
PICTURES = [
    (32, 32, "noise"), (64, 64, "noise"), (97, 61, "noise"), (61, 97, "slope"), (400, 300, "slope"), (333, 500, "blocks"),
    (20, 31, "blocks"), (1, 1, "noise"), (3, 200, "slope"), (33, 32, "noise"), (640, 480, "blocks"), (5, 4, "noise"),
]  # fmt: skip
CLIP_TEXTS = ["a photo of a cat", "two red chairs beside a wooden table in a dark room", "Где ключи?", "☕ on the table", "", "very " * 40]
CLIP = {
    "projection_dim": 32,
    "text_config": {
        "hidden_size": 48, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 2, "max_position_embeddings": 24,
        "vocab_size": VOCABULARY, "bos_token_id": VOCABULARY - 2, "eos_token_id": VOCABULARY - 1, "pad_token_id": VOCABULARY - 1, "projection_dim": 32,
    },
    "vision_config": {
        "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": SIDE, "patch_size": 8, "projection_dim": 32,
    },
}  # fmt: skip
DECODER = {
    "vocab_size": 512, "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
    "max_position_embeddings": 256, "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "tie_word_embeddings": True, "bos_token_id": 0, "eos_token_id": 0,
}  # fmt: skip
PROMPT = [7, 300, 12, 45, 45, 499, 130, 2, 88, 261, 19, 400, 33, 5, 77, 210]
STEPS = 64


def seed(model):
    """Gives every parameter its value by formula."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(torch.from_numpy(seeded.tensor(name, tuple(parameter.shape))))
    return model.eval()


def write(folder, name, value):
    (folder / name).write_text(json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n")


def learn(words, count, mark=""):
    """The merges of byte-pair encoding; of pairs that are as frequent the first in the alphabet, so that every run learns the same.
    `mark` is put behind the last letter of a word."""
    split = [[*word[:-1], word[-1] + mark] for word in words]
    merges = []
    while len(merges) < count:
        pairs = Counter(pair for word in split for pair in zip(word, word[1:]))
        if not pairs:
            break
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merges.append(best)
        for word in split:
            at = 0
            while at + 1 < len(word):
                if (word[at], word[at + 1]) == best:
                    word[at : at + 2] = ["".join(best)]
                at += 1
    return merges


def words_of(normalizer, pre_tokenizer):
    """The words of the phrases, as a tokenizer cuts them."""
    for phrase in texts.PHRASES:
        text = normalizer.normalize_str(phrase) if normalizer else phrase
        yield from (word for word, _ in pre_tokenizer.pre_tokenize_str(text))


def clip_tokenizer():
    """CLIP's scheme, by transformers' own class, with merges of our own."""
    scheme = CLIPTokenizer().backend_tokenizer
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    letters += [letter + "</w>" for letter in letters]
    merges = learn(words_of(scheme.normalizer, scheme.pre_tokenizer), VOCABULARY - len(letters) - 2, "</w>")
    pieces = list(dict.fromkeys(letters + ["".join(pair) for pair in merges] + ["<|startoftext|>", "<|endoftext|>"]))
    return CLIPTokenizer(vocab={piece: index for index, piece in enumerate(pieces)}, merges=merges)


def bpe_tokenizer():
    """The scheme of SmolLM2: single digits, then GPT-2's words, bytes as letters."""
    cut = [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    cut = pre_tokenizers.Sequence(cut)
    letters = ["<|endoftext|>", *sorted(pre_tokenizers.ByteLevel.alphabet())]
    merges = learn(words_of(None, cut), VOCABULARY - len(letters))
    pieces = list(dict.fromkeys(letters + ["".join(pair) for pair in merges]))
    tokenizer = Tokenizer(models.BPE(vocab={piece: index for index, piece in enumerate(pieces)}, merges=merges))
    tokenizer.pre_tokenizer, tokenizer.decoder = cut, decoders.ByteLevel()
    tokenizer.add_special_tokens(["<|endoftext|>"])
    return tokenizer


def tokens(folder):
    """The vocabularies and what they make of the strings; returns transformers' tokenizer of CLIP."""
    strings = texts.all_texts()
    write(folder, "texts.json", strings)
    clip = clip_tokenizer()
    for name, tokenizer in (("clip", clip.backend_tokenizer), ("bpe", bpe_tokenizer())):
        write(folder, f"{name}-tokenizer.json", json.loads(tokenizer.to_str()))
        # What a user types is no special token, whatever it looks like.
        tokenizer.encode_special_tokens = True
        write(folder, f"{name}-ids.json", [tokenizer.encode(text, add_special_tokens=False).ids for text in strings])
        tokenizer.encode_special_tokens = False
    return clip


def pictures(folder):
    """Resized and cut as CLIP wants them; returns them as numbers that a model takes."""
    processor = CLIPImageProcessorPil(size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE})
    given = [Image.fromarray(seeded.picture(*picture)) for picture in PICTURES]
    cut = processor(given, do_rescale=False, do_normalize=False, return_tensors="np")["pixel_values"]
    assert (cut == numpy.rint(cut)).all() and cut.min() >= 0 and cut.max() <= 255
    (folder / "pictures.bin").write_bytes(cut.astype(numpy.uint8).tobytes())
    described = [{"width": width, "height": height, "kind": kind} for width, height, kind in PICTURES]
    config = json.loads(processor.to_json_string())
    write(folder, "pictures.json", {"preprocessor": config, "pictures": described})
    return processor(given, return_tensors="pt")["pixel_values"]


def rows(tensor):
    unit = tensor / tensor.norm(dim=-1, keepdim=True)
    return [[round(float(number), 7) for number in row] for row in unit]


def dual_encoder(folder, tokenizer, pixels):
    config = CLIPConfig(**CLIP)
    vision = seed(CLIPVisionModelWithProjection._from_config(config.vision_config, attn_implementation="eager"))
    text = seed(CLIPTextModelWithProjection._from_config(config.text_config, attn_implementation="eager"))
    context = CLIP["text_config"]["max_position_embeddings"]
    ids = [tokenizer(string, truncation=True, max_length=context)["input_ids"] for string in CLIP_TEXTS]
    with torch.no_grad():
        seen = vision(pixel_values=pixels).image_embeds
        read = torch.cat([text(input_ids=torch.tensor([one])).text_embeds for one in ids])
    write(folder, "clip.json", {"config": CLIP, "texts": CLIP_TEXTS, "ids": ids, "text": rows(read), "image": rows(seen)})


def decoder(folder):
    model = seed(LlamaForCausalLM._from_config(LlamaConfig(**DECODER), attn_implementation="eager"))
    followed, logits = [], []
    with torch.no_grad():
        made = model(input_ids=torch.tensor([PROMPT]), use_cache=True)
        for _ in range(STEPS):
            logits.append(made.logits[0, -1].numpy())
            followed.append(int(logits[-1].argmax()))
            made = model(input_ids=torch.tensor([[followed[-1]]]), cache=made.cache, use_cache=True)
    (folder / "decoder.bin").write_bytes(numpy.stack(logits).astype("<f4").tobytes())
    write(folder, "decoder.json", {"config": DECODER, "prompt": PROMPT, "followed": followed})


def main():
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    tokenizer = tokens(folder)
    dual_encoder(folder, tokenizer, pictures(folder))
    decoder(folder)


main()
