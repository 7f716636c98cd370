"""Frames of files that have several: pages of a TIFF, pictures of an animation, frames of a video."""
