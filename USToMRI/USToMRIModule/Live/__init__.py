"""Live mode: while an ultrasound changes, its pseudo-MRI follows."""
