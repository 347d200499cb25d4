"""The CPU rasteriser, differentiable, compiled by numba."""
