"""One HTML page that shows a scene in the browser."""
