"""iLRM: posed views in, 3D Gaussians out, in one forward pass (arXiv 2507.23277)."""
