"""Images with geometry: what reads, writes, compares and measures them."""
