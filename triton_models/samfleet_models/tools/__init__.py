"""Standalone commands: complexity and FLOPs, fit of weights to a network, gates.

May import every other folder.
"""
