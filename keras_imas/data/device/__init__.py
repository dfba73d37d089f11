"""The input pipeline without TensorFlow: threads read, the device makes the views."""
