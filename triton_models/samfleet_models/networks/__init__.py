"""Networks by family: SAM's kind of heads here, ONNX graphs in `onnx`, detectors (FastSAM, MobileSAMv2) in `yolo`.

May import from `mask_generation` down.
"""
