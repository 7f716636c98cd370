"""From low-resolution logits to masks: upsampling, threshold and stability, run lengths, boxes, areas.

May import `images`, `modeling` and below.
"""
