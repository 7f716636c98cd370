"""The mask decoder with its parameters multiplied out, which runs in place of the published modules.

May import from `precision`, `postprocess` and `checkpoints` down.
"""
