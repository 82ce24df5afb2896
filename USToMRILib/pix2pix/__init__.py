"""Pix2Pix of volumes: window by window, within a given memory."""
