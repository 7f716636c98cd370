"""The engine (one loaded variant, batches of requests) and the handler between its requests and Triton's tensors.

May import from `networks` down.
"""
