"""How good pseudo-MRI are: metrics, statistics, figures, and one report of all of it.

Importing it is cheap; the packages of the extra ``evaluation`` are imported where they are used.
"""
