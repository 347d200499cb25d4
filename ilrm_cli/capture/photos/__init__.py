"""Photos, masks and videos on disk: found, opened and compared."""
