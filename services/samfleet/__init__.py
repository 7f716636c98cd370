"""The library that the API, the worker, the command line and the model code share.

It imports none of them.
"""
