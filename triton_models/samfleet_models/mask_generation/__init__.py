"""SegEvery (`automatic`) and SegAny (`predictor`): from the features of an image to masks.

May import from `batching` down.
"""
