"""Compares the programs with the originals on full-size models; prints every figure with its limit; fails when one is missed.

usage: full.py PROGRAMS MODELS KEPT REMADE

PROGRAMS is the folder of `trimtab` and `trimtab-lab`, MODELS what exports.py made, KEPT tests/vectors/models and REMADE what
vectors.py makes of it now.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy
import onnxruntime

import texts

# Results of PyTorch may differ in the last digits from processor to processor.
REMADE_DIFFERENCE_MAX = 1e-4
FLOAT_COSINE_MIN = 0.9999
INT8_COSINE_MIN = 0.99
RUNTIMES_COSINE_MIN = 0.999
LOGPROB_DIFFERENCE_MAX = 1e-3
# Of random weights, which have no shape that four bits could follow; layers stay at eight bits until this is met.
INT4_COSINE_MIN = 0.9


class Refused(Exception):
    """A program that does not do what it is asked to."""


class Table:
    def __init__(self):
        self.missed = 0

    def row(self, what, figure, limit, at_least):
        kept = figure >= limit if at_least else figure <= limit
        self.missed += not kept
        print(f"{what:<78} {figure:>12.7f}  {'at least' if at_least else 'at most':>8} {limit:<8g} {'pass' if kept else 'MISSED'}", flush=True)

    def cosine(self, what, ours, theirs, limit):
        ours, theirs = (numpy.asarray(rows, numpy.float64) for rows in (ours, theirs))
        assert ours.shape == theirs.shape, (what, ours.shape, theirs.shape)
        lengths = numpy.linalg.norm(ours, axis=-1) * numpy.linalg.norm(theirs, axis=-1)
        self.row(f"{what}: least cosine of {len(ours)}", float(((ours * theirs).sum(-1) / lengths).min()), limit, True)

    def difference(self, what, ours, theirs, limit):
        self.row(what, float(numpy.abs(numpy.asarray(ours, numpy.float64) - numpy.asarray(theirs, numpy.float64)).max()), limit, False)


def remade(table, kept, made):
    names = sorted(path.name for path in kept.iterdir())
    table.row("kept results that are made again", len(set(names) & {path.name for path in made.iterdir()}), len(names), True)
    for name in names:
        if name == "clip.json":
            ours, theirs = (json.loads((folder / name).read_text()) for folder in (kept, made))
            for key in ("text", "image"):
                table.difference(f"{name}, {key}: largest difference", ours.pop(key), theirs.pop(key), REMADE_DIFFERENCE_MAX)
            table.row(f"{name}: the rest is the same", float(ours == theirs), 1, True)
        elif name == "decoder.bin":
            ours, theirs = (numpy.fromfile(folder / name, "<f4") for folder in (kept, made))
            table.difference(f"{name}: largest difference", ours, theirs, REMADE_DIFFERENCE_MAX)
        else:
            table.row(f"{name}: the same bytes", float((kept / name).read_bytes() == (made / name).read_bytes()), 1, True)


def said(*words):
    """The JSON that a program prints."""
    done = subprocess.run([str(word) for word in words], stdout=subprocess.PIPE, check=False)
    if done.returncode:
        raise Refused(f"{' '.join(map(str, words[:4]))} … ended with {done.returncode}: {done.stdout.decode()}")
    return json.loads(done.stdout)


def session(path):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def run(path, output, feeds):
    model = session(path)
    asked = {value.name for value in model.get_inputs()}
    return model.run([output], {name: value for name, value in feeds.items() if name in asked})[0]


def quantise(programs, folder, material, bits=8, cosine=INT8_COSINE_MIN):
    """The quantiser's folder beside the float one, made anew, and what it says of each file."""
    out = folder.with_name(f"{folder.name}-int{bits}")
    shutil.rmtree(out, ignore_errors=True)
    calibrate = [word for place in material for word in ("--calibrate", place)]
    options = ("--bits", bits, "--target-cosine", cosine, "--out", out, "--json")
    return out, said(programs / "trimtab-lab", "quantise", folder, *calibrate, *options)


def lines(path, rows):
    path.write_text("\n".join(rows) + "\n")
    return path


def encoder(table, programs, models, name):
    folder = models / name
    kept = numpy.load(folder / "reference.npz")
    photos = [folder / "photos" / f"{photo}.png" for photo in kept["photos"]]
    captions = [str(text) for text in kept["texts"]]
    feeds = {key: kept[key] for key in ("pixel_values", "input_ids", "attention_mask")}

    def embed(place):
        given = [word for photo in photos for word in ("--image", photo)] + [word for text in captions for word in ("--text", text)]
        made = said(programs / "trimtab", "models", "embed", place, *given, "--json")
        return made["images"], made["texts"]

    images, read = embed(folder)
    table.cosine(f"{name} fp32, photographs to PyTorch", images, kept["image_embeds"], FLOAT_COSINE_MIN)
    table.cosine(f"{name} fp32, texts to PyTorch", read, kept["text_embeds"], FLOAT_COSINE_MIN)
    prompts = lines(models / f"{name}.txt", [" ".join(phrase.split()) for phrase in texts.PHRASES])
    small, _ = quantise(programs, folder, [folder / "photos", prompts])
    images, read = embed(small)
    table.cosine(f"{name} int8, photographs to PyTorch", images, kept["image_embeds"], INT8_COSINE_MIN)
    table.cosine(f"{name} int8, texts to PyTorch", read, kept["text_embeds"], INT8_COSINE_MIN)
    theirs = run(small / "onnx/vision_model.onnx", "image_embeds", feeds)
    table.cosine(f"{name} int8, photographs to ONNX Runtime", images, theirs, RUNTIMES_COSINE_MIN)
    theirs = run(small / "onnx/text_model.onnx", "text_embeds", feeds)
    table.cosine(f"{name} int8, texts to ONNX Runtime", read, theirs, RUNTIMES_COSINE_MIN)


def decoder(table, programs, models, name):
    folder = models / name
    kept = numpy.load(folder / "reference.npz")
    logits = kept["logits"].astype(numpy.float64)
    top = logits.max(-1)
    expected = -numpy.log(numpy.exp(logits - top[:, None]).sum(-1))
    steps = len(expected)
    made = said(programs / "trimtab", "models", "generate", folder, "--prompt", str(kept["prompt"]), "--max-tokens", steps, "--greedy", "--json")
    table.row(f"{name} fp32, tokens that follow greedily and are PyTorch's, of {steps}", float(sum(a == b for a, b in zip(made["ids"], kept["followed"]))), steps, True)
    table.difference(f"{name} fp32, log-probabilities of those", made["logprobs"], expected[: len(made["logprobs"])], LOGPROB_DIFFERENCE_MAX)
    prompts = lines(models / f"{name}.txt", [" ".join(phrase.split()) for phrase in texts.PHRASES])
    _, report = quantise(programs, folder, [prompts], 4, INT4_COSINE_MIN)
    for file, measured in report["report"]["files"].items():
        table.row(f"{name} int4 in the engine, {file}: mean cosine to its float", measured["cosine"], INT4_COSINE_MIN, True)


def sentences(table, programs, models, name):
    folder = models / name
    kept = numpy.load(folder / "reference.npz")
    feeds = {key: kept[key] for key in ("input_ids", "attention_mask", "token_type_ids")}
    mask = feeds["attention_mask"][..., None]
    pooled = lambda states: (states * mask).sum(1) / mask.sum(1)  # noqa: E731
    # Its tokens come from another scheme than the engine's, so calibration is given the tokens themselves.
    rows = [json.dumps(ids[: int(many)].tolist()) for ids, many in zip(feeds["input_ids"], feeds["attention_mask"].sum(1))]
    small, report = quantise(programs, folder, [lines(models / f"{name}.txt", rows)])
    float_, int8 = (run(place / "onnx/model.onnx", "last_hidden_state", feeds) for place in (folder, small))
    table.cosine(f"{name} fp32 in ONNX Runtime, sentences to PyTorch", pooled(float_), pooled(kept["last_hidden_state"]), FLOAT_COSINE_MIN)
    table.cosine(f"{name} int8 in ONNX Runtime, sentences to PyTorch", pooled(int8), pooled(kept["last_hidden_state"]), INT8_COSINE_MIN)
    for file, measured in report["report"]["files"].items():
        table.row(f"{name} int8 in the engine, {file}: mean cosine to its float", measured["cosine"], INT8_COSINE_MIN, True)


def main():
    programs, models, kept, made = map(Path, sys.argv[1:5])
    table = Table()
    remade(table, kept, made)
    for name, compare in (("clip-b32", encoder), ("tinyclip", encoder), ("smollm2-135m", decoder), ("minilm", sentences)):
        try:
            compare(table, programs, models, name)
        except Refused as refused:
            table.missed += 1
            print(f"{name}: MISSED, {refused}", flush=True)
    if table.missed:
        raise SystemExit(f"{table.missed} figures miss their limit")


main()
