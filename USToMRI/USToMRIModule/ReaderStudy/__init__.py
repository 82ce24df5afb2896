"""The panel's part that makes a reader study of the scene."""
