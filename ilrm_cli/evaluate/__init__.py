"""Quality on held-out views: protocols, baselines and scoreboards."""
