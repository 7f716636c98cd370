"""The shared library of API, worker, command line and model code.

Imports none of them.
"""
