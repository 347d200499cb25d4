"""Long-LRM: scans and attention over the tokens of many views, merged on the way, and pruned Gaussians."""
