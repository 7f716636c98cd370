"""A job's report as one HTML file: figures, charts and sample images, without scripts or other files."""
