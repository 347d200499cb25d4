"""pixelNeRF (Yu et al. 2021): a field that looks up its features in the input photos themselves."""
