"""What computes: bundles, devices, precision, threads and torch's settings."""
