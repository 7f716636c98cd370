"""The device: its hardware, free memory, timing of stages, transfers.

Imports no other folder.
"""
