"""Commands that run on their own: complexity and FLOPs, fit of weights to a network, gates.

May import every other folder.
"""
