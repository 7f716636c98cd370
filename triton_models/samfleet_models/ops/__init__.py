"""Operations on arrays: non-maximum suppression, removal of small regions, oneDNN.

May import `device`; `ops.nms` needs numpy alone, so that the worker can use it.
"""
