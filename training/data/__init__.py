"""Public data sets: where they lie, what is in them, and which subject is in which part."""
