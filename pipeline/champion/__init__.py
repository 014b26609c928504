"""Scheduled retraining that never gets worse: a challenger takes a champion's place if it may."""
