"""ONNX Runtime as a contender: loads one model, then runs it as often as it is told, on one thread.

usage: peer.py vision|decoder FOLDER MODEL.onnx

FOLDER is the model's folder, for what the graph leaves open; MODEL.onnx may lie elsewhere. What is said, and when, is said in
runtime/device/examples/peer.rs, the engine's contender.
"""

import json
import sys
import time
from pathlib import Path

import numpy
import onnxruntime

PROMPT_TOKENS = 16
NEW_TOKENS = 32
SEED = 1


class Clock:
    """Wall and processor time since it was made, in microseconds."""

    def __init__(self):
        self.wall, self.cpu = time.perf_counter_ns(), time.process_time_ns()

    def read(self):
        return (time.perf_counter_ns() - self.wall) / 1e3, (time.process_time_ns() - self.cpu) / 1e3


def resident(key):
    """A line of the kernel's account of this process's memory, in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{key}:"):
            return int(line.split()[1]) * 1024
    raise SystemExit(f"the kernel tells no {key}")


def session(path):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def vision(model, folder):
    """A picture of the size that the folder's configuration says."""
    side = json.loads((folder / "config.json").read_text())["vision_config"]["image_size"]
    pixels = numpy.random.default_rng(SEED).standard_normal((1, 3, side, side), numpy.float32)
    return lambda: once(model, {"pixel_values": pixels})


def once(model, feeds):
    clock = Clock()
    model.run(None, feeds)
    return [clock.read()]


def decoder(model, _folder):
    """Reads a prompt, then goes on greedily; the cache goes from run to run as the graph gives it."""
    pasts = [value for value in model.get_inputs() if value.name.startswith("past_key_values.")]
    empty = {value.name: numpy.zeros([1, value.shape[1], 0, value.shape[3]], numpy.float32) for value in pasts}
    asked = {value.name for value in model.get_inputs()}
    outputs = [value.name for value in model.get_outputs()]
    presents = [outputs.index(value.name.replace("past_key_values", "present")) for value in pasts]
    logits = outputs.index("logits")

    def step(ids, done, past):
        count = len(ids)
        feeds = {
            "input_ids": numpy.array([ids], numpy.int64),
            "attention_mask": numpy.ones((1, done + count), numpy.int64),
            "position_ids": numpy.arange(done, done + count, dtype=numpy.int64)[None],
        }
        made = model.run(None, {name: value for name, value in feeds.items() if name in asked} | past)
        following = int(made[logits][0, -1].argmax())
        return following, {value.name: made[index] for value, index in zip(pasts, presents)}

    def run():
        clock = Clock()
        following, past = step(list(range(1, PROMPT_TOKENS + 1)), 0, empty)
        prompt = clock.read()
        clock = Clock()
        for index in range(NEW_TOKENS):
            following, past = step([following], PROMPT_TOKENS + index, past)
        return [prompt, tuple(part / NEW_TOKENS for part in clock.read())]

    return run


def main():
    kind, folder, path = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
    before = resident("VmRSS")
    clock = Clock()
    model = session(path)
    wall, cpu = clock.read()
    run = {"vision": vision, "decoder": decoder}[kind](model, folder)
    run()
    print(f"ready {wall:.1f} {cpu:.1f} {before}", flush=True)
    for line in sys.stdin:
        for _ in range(int(line)):
            print(" ".join(f"{part:.1f}" for timed in run() for part in timed), flush=True)
    print(f"peak {resident('VmHWM')}", flush=True)


main()
