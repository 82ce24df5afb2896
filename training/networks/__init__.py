"""The networks, and the form in which they are exported."""
