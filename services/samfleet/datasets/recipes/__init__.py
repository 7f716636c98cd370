"""Recipes of public datasets: where their files are, what their terms are, and how they become a folder of images.

May import `datasets` and what it may import; nothing else of `datasets` imports from here.
"""
