"""Loading of official checkpoints: containers, layouts, and the maps from their keys to ours.

May import `modeling`, `images` and below.
"""
