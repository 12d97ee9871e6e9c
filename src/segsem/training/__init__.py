"""Losses, prompt simulation, augmentation and trainers."""
