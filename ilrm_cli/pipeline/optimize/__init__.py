"""The fit of a scene to all posed photos: parameters, density control, and the loop."""
