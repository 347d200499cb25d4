"""Camera poses and lenses: COLMAP models, transforms.json, undistortion."""
