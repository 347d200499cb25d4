"""Gaussians and cameras to images: one contract, gsplat on CUDA and our own kernels on the CPU."""
