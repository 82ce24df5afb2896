"""The trainings, a command each: ``python -m training.train.eps``."""
