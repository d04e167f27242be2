"""ONNX Runtime and the reference tokenizer answer one question: JSON on standard input, JSON on standard output.

    {"tokenizer": FILE, "texts": [TEXT…]}                            the tokens of each text, without those put around it
    {"model": FILE, "shape": [1, …], "pixel_values": [[NUMBER…]…]}   the vector of each picture
    {"model": FILE, "input_ids": [[ID…]…]}                           the vector of each text
    {"model": FILE, "prompt": [ID…], "followed": [ID…]}              the logits after the prompt and after each following token
"""

import json
import sys

import numpy
import onnx
import onnxruntime
from tokenizers import Tokenizer


def tokens(file, texts):
    tokenizer = Tokenizer.from_file(file)
    tokenizer.no_truncation()
    tokenizer.no_padding()
    # What a user types is no special token, whatever it looks like.
    tokenizer.encode_special_tokens = True
    return [tokenizer.encode(text, add_special_tokens=False).ids for text in texts]


def session(file):
    onnx.checker.check_model(file, full_check=True)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])


def pictures(model, shape, pictures):
    feeds = [numpy.array(numbers, numpy.float32).reshape(shape) for numbers in pictures]
    return [model.run(["image_embeds"], {"pixel_values": feed})[0][0].tolist() for feed in feeds]


def texts(model, texts):
    feeds = [numpy.array([ids], numpy.int64) for ids in texts]
    asked = {value.name for value in model.get_inputs()}
    made = []
    for ids in feeds:
        feed = {"input_ids": ids, "attention_mask": numpy.ones_like(ids)}
        feed = {name: value for name, value in feed.items() if name in asked}
        made.append(model.run(["text_embeds"], feed)[0][0].tolist())
    return made


def logits(model, prompt, followed):
    inputs, outputs = model.get_inputs(), [value.name for value in model.get_outputs()]
    cache = {value.name: numpy.zeros([1, value.shape[1], 0, value.shape[3]], numpy.float32) for value in inputs if value.name.startswith("past_")}
    asked = {value.name for value in inputs}
    done, made = 0, []
    for ids in [prompt] + [[token] for token in followed]:
        feed = {
            "input_ids": numpy.array([ids], numpy.int64),
            "attention_mask": numpy.ones((1, done + len(ids)), numpy.int64),
            "position_ids": numpy.arange(done, done + len(ids), dtype=numpy.int64)[None],
        }
        got = dict(zip(outputs, model.run(None, {name: value for name, value in feed.items() if name in asked} | cache)))
        made.append(got["logits"][0, -1].tolist())
        cache = {name: got[name.replace("past_key_values", "present")] for name in cache}
        done += len(ids)
    return made


def main():
    asked = json.load(sys.stdin)
    if "tokenizer" in asked:
        answer = tokens(asked["tokenizer"], asked["texts"])
    else:
        model = session(asked["model"])
        if "pixel_values" in asked:
            answer = pictures(model, asked["shape"], asked["pixel_values"])
        elif "input_ids" in asked:
            answer = texts(model, asked["input_ids"])
        else:
            answer = logits(model, asked["prompt"], asked["followed"])
    json.dump(answer, sys.stdout)


main()
