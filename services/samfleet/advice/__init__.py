"""Advice: which variant and execution meet constraints, with the evidence for each figure.

May import `reports` and below.
"""
