"""The panel's part that measures the contrast-to-noise ratio."""
