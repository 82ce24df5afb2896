"""The fetal head: finding it, its frame, and the translation of slices and stacks of them."""

from .head import find_head

__all__ = ["find_head"]
