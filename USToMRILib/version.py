"""The version, in the records of all that is made."""

__version__ = "0.2.0"
