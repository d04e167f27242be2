"""Runs a policy file in ONNX Runtime: checks it, feeds it the rows of a JSON file, prints its scores as JSON."""

import json
import sys

import numpy
import onnx
import onnxruntime

path, rows = sys.argv[1], sys.argv[2]
onnx.checker.check_model(onnx.load(path), full_check=True)
session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
feed = session.get_inputs()[0]
with open(rows, encoding="utf-8") as file:
    rows = numpy.array(json.load(file), dtype=numpy.float32)
one_at_a_time = feed.shape[0] == 1
batches = [row[None] for row in rows] if one_at_a_time else [rows]
scores = [session.run(["score"], {feed.name: batch})[0].reshape(-1).tolist() for batch in batches]
print(json.dumps(scores))
