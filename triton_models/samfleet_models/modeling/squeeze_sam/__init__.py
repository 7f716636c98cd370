"""The parts of SqueezeSAM, a U-Net whose input already contains the prompt.

May import from `ops` down.
"""
