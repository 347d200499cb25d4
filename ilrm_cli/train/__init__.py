"""Training iLRM on endless procedural scenes."""
