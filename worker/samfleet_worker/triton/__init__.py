"""Inference by Triton: client, its errors, loaded variants, devices, and the double for tests.

Imports `samfleet` and no other module of the worker.
"""
