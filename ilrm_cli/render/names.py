"""Names of renderers, paths and channels for users; imports nothing heavy."""

PATHS = ("orbit", "ellipse", "spiral", "interpolate", "wobble", "dolly", "dolly-zoom", "inputs")  # see `paths`
FROM_ONE_PHOTO = ("wobble", "dolly", "dolly-zoom")  # of PATHS
CHANNELS = ("rgb", "depth", "alpha", "confidence")  # of a film, see `channels`
