"""The model code: segments images with every variant, inside Triton or alone.

Imports of `samfleet` only what describes variants, masks and messages; needs no database, queue or web server.
"""
