"""Image encoders: networks whose output is the features of images."""
