"""A whole fetal head in a volume: found, brought to its own axes, translated there, and back."""
