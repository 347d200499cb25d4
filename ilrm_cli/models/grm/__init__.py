"""GRM: self attention over coarse tokens, then a transformer upsampler to one Gaussian per pixel."""
