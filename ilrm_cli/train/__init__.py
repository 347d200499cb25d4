"""Training iLRM on endless procedural scenes and on captures."""
