"""The records of the variants, one module per family.

May import `variants.record` and what describes conventions and tasks.
"""
