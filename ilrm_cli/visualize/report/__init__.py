"""Reports: what a scene was made of, how long each part took and how good it is, for people and programs."""
