"""Rendering of Gaussians: one contract, gsplat on CUDA and our own kernels on the CPU."""
