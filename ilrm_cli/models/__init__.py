"""Networks that turn posed views into Gaussians, their weights and what a pass costs."""
