// Shows photos whole. The viewer's field of view is that of the longer side of the window, whose shape the page cannot
// know before it is opened: each pose therefore tells the extents that must be seen, and here they meet the window.
const { settings, options } = window.sse;
const aspect = window.innerWidth / window.innerHeight || 1; // a frame that is hidden has no size

// (right, up): tangents of half the angles of view. The field of view in degrees that contains both.
const fitted = (right, up) => {
    const high = Math.max(up, right / aspect);
    return (360 / Math.PI) * Math.atan(Math.max(high, high * aspect));
};

for (const { initial } of [...settings.cameras, ...settings.annotations.map((stop) => stop.camera)]) {
    initial.fov = fitted(...initial.extent);
}
for (const { keyframes: { values } } of settings.animTracks) {
    values.fov = values.fov.map((_, i) => fitted(...values.extent.slice(2 * i, 2 * i + 2)));
}
options.noanim = true; // still at first, as a photo is; the play button starts the tour
