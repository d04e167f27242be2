//! Int8 weight quantiser and ONNX writer.
