"""Writes what ONNX Runtime's own tools make of a float model: the forms that it is compared in.

usage: peer_forms.py MODEL.onnx FOLDER int8|int4

int8 gives one file for each way of its tool to quantise weights; which is the fastest is for the clock to say. int4 gives
4-bit weights in blocks, to be multiplied in int8, as exported language models have them.
"""

import sys
from pathlib import Path

import onnx
from onnxruntime.quantization import QuantType, quantize_dynamic

BLOCK = 32
# Sums of products of bytes, not of floats: the level at which the operator is fastest on a processor.
SUMS_IN_INT8 = 4
WAYS = {
    "every-layer": {},
    "every-layer-channels": {"per_channel": True},
    "products": {"op_types_to_quantize": ["MatMul", "Gemm"]},
    "products-channels": {"op_types_to_quantize": ["MatMul", "Gemm"], "per_channel": True},
}


def int8(model, folder):
    for name, way in WAYS.items():
        quantize_dynamic(model, folder / f"{name}.onnx", weight_type=QuantType.QInt8, **way)


def int4(model, folder):
    # Here, because it asks for a package that only the environment for exports has.
    from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer

    quantizer = MatMulNBitsQuantizer(onnx.load(model), block_size=BLOCK, is_symmetric=True, accuracy_level=SUMS_IN_INT8)
    quantizer.process()
    quantizer.model.save_model_to_file(str(folder / "int4.onnx"))


def main():
    model, folder, form = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    folder.mkdir(parents=True, exist_ok=True)
    {"int8": int8, "int4": int4}[form](model, folder)


main()
