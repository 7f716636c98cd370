"""SqueezeSAM, a network that runs whole for every prompt.

May import from `mask_generation` down.
"""
