"""Ultrasound and MRI simulated from anatomy: adult volumes and fetal slices."""
