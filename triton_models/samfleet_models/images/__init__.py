"""From the bytes of an image file to the input of a network: decoding, resizing, normalisation, padding.

May import `ops` and `device`.
"""
