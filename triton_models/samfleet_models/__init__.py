"""The model code: segments images with every variant, inside Triton or alone.

From `samfleet` it imports only the descriptions of variants, masks and messages. It needs no database, queue or web
server.
"""
