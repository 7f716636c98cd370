"""Modules with the official parameter names: prompt encoder, mask decoder, transformer.

May import `ops` and `device`.
"""
