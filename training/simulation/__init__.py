"""Simulated ultrasound."""
