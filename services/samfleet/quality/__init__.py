"""Evaluation of masks against annotations by COCO's rules.

May import `db`, `storage`, `masks` and below.
"""
