"""Training and evaluation data: readers of captures with known cameras, and procedural scenes."""
