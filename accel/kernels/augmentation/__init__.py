"""Preparing images for training: `normalise` scales them, `image` also crops and mirrors them."""
