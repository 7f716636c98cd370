"""The steps from an image file's bytes to a network's input: decoding, resizing, normalisation, padding.

May import `ops` and `device`.
"""
