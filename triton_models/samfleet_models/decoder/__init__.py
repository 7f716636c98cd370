"""The mask decoder with premultiplied parameters, which runs in place of the published modules.

May import from `precision`, `postprocess` and `checkpoints` down.
"""
