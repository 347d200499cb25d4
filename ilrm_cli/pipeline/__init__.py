"""The stages from photos to a scene, in order, and whole reconstructions: one, many, or one again."""
