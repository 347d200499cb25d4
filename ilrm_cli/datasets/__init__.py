"""Readers of captures with known cameras, frame by frame, for evaluation and training."""
