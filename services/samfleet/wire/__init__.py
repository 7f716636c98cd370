"""Contract between worker and Triton: messages as tensors, model configurations, device state, stages of timing."""
