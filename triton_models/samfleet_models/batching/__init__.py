"""Decode requests as data, and the scheduler that decodes the prompts of many images in shared chunks.

May import from `decoder` down.
"""
