"""Networks by family: those with SAM's kind of heads here, ONNX graphs in `onnx`, FastSAM and MobileSAMv2 in `yolo`,
PicoSAM in `pico`.

May import from `mask_generation` down.
"""
