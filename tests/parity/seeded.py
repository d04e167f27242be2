"""Weights and pictures made by formula, the same here and in models/engine/tests/parity/seeded.rs."""

import numpy

SEED = 20_240_601
MASK = (1 << 64) - 1


def key(name):
    """FNV-1a of a tensor's name."""
    state = 0xCBF29CE484222325
    for byte in name.encode():
        state = ((state ^ byte) * 0x100000001B3) & MASK
    return state


def uniform(name, count):
    """`count` numbers in -1..1, from SplitMix64 begun at the seed and the name."""
    steps = numpy.arange(1, count + 1, dtype=numpy.uint64)
    with numpy.errstate(over="ignore"):
        z = numpy.uint64(SEED ^ key(name)) + steps * numpy.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> numpy.uint64(30))) * numpy.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> numpy.uint64(27))) * numpy.uint64(0x94D049BB133111EB)
        z ^= z >> numpy.uint64(31)
    return (z >> numpy.uint64(40)).astype(numpy.float32) / numpy.float32(1 << 23) - numpy.float32(1)


def tensor(name, shape):
    """A parameter of a model by the name that transformers gives it. Norms lie around one, biases around zero; queries and keys are
    larger than they would be drawn, so that attention is not nearly even."""
    numbers = uniform(name, int(numpy.prod(shape)))
    if "norm" in name and name.endswith("weight"):
        numbers = numpy.float32(1) + numpy.float32(0.2) * numbers
    elif name.endswith("bias"):
        numbers = numpy.float32(0.1) * numbers
    elif "embed" in name and "patch" not in name:
        numbers = numpy.float32(0.5) * numbers
    else:
        spread = 1.5 if "q_proj" in name or "k_proj" in name else 1.0
        numbers = numpy.float32(spread * (3.0 / numpy.prod(shape[1:])) ** 0.5) * numbers
    return numbers.reshape(shape)


def picture(width, height, kind):
    """Noise, a slope, or blocks with hard edges, as bytes of red, green and blue."""
    y, x, c = numpy.meshgrid(
        numpy.arange(height, dtype=numpy.uint64),
        numpy.arange(width, dtype=numpy.uint64),
        numpy.arange(3, dtype=numpy.uint64),
        indexing="ij",
    )
    if kind == "noise":
        values = (((y * numpy.uint64(width) + x) * numpy.uint64(3) + c) * numpy.uint64(2654435761) >> numpy.uint64(24))
    elif kind == "slope":
        values = x * numpy.uint64(5) // numpy.uint64(2) + y * (c + numpy.uint64(1))
    elif kind == "blocks":
        values = (x // numpy.uint64(7) + y // numpy.uint64(5) + c) % numpy.uint64(2) * numpy.uint64(255)
    else:
        raise ValueError(kind)
    return (values % numpy.uint64(256)).astype(numpy.uint8)
