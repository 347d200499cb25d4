"""Readers of captures with known cameras: what evaluation and training look at, frame by frame."""
