"""Routes of comparisons: two runs image by image, and the matched masks of one image.

May import `hardware`, `jobs` and `runs`, `samfleet` and the modules at the root of `samfleet_api`.
"""
