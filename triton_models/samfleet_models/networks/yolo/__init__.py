"""FastSAM and the detector of MobileSAMv2: YOLOv8, its letterbox, detections and masks from prototypes.

May import from `mask_generation` down.
"""
