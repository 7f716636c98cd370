"""The engine (one loaded variant, batches of requests) and the handler that converts Triton's tensors to requests.

May import from `networks` down.
"""
