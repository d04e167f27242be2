"""Runs a model in ONNX Runtime: checks it, feeds it the tensors of a JSON file, prints one output as JSON."""

import json
import sys

import numpy
import onnx
import onnxruntime

path, feeds, output = sys.argv[1:]
onnx.checker.check_model(path, full_check=True)
session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
with open(feeds, encoding="utf-8") as file:
    feeds = json.load(file)
kinds = {feed.name: numpy.int64 if "int64" in feed.type else numpy.float32 for feed in session.get_inputs()}
tensors = {
    name: numpy.array(feed["values"], dtype=kinds[name]).reshape(feed["shape"]) for name, feed in feeds.items() if name in kinds
}
print(json.dumps(session.run([output], tensors)[0].reshape(-1).tolist()))
