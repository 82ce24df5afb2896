"""The methods for fetal heads side by side: on simulated truth, and on real withheld heads."""
