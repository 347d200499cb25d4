"""Training of iLRM on endless procedural scenes."""
