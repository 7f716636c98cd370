"""Default limits that settings and the model code share; the model code is installed without the settings."""

from __future__ import annotations

MAX_PROMPTS_PER_IMAGE = 32_768
MAX_PROMPTS_PER_JOB = 4_000_000_000  # a million images with 4,000 prompts each
MAX_MASK_BYTES = 256 * 2**20  # RLE of the candidate masks of one image; 64 x 64 points take a few MiB
