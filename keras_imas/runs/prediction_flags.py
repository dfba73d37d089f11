"""The flags of programs that predict whole images."""

import sys

from absl import flags

from keras_imas.runs.saved_networks import options_of_run


def define_prediction_flags(whole_images="whole images"):
    """Define the flags of how networks predict: windows, scales, mirrored images.

    Args:
        whole_images: What `--window=0` means. Defaults to `"whole images"`.
    """
    key = {"module_name": sys.argv[0]}  # so that `--help` shows them
    flags.DEFINE_integer(
        "window",
        None,
        f"Side of a sliding window; 0: {whole_images}; default: as the run evaluated, "
        "or 0.",
        **key,
    )
    flags.DEFINE_float(
        "stride",
        2 / 3,
        "Stride of the windows, as a fraction of their side.",
        **key,
    )
    flags.DEFINE_boolean(
        "flip",
        None,
        "Average with the mirror image; default: as the run evaluated.",
        **key,
    )
    flags.DEFINE_list(
        "scales",
        None,
        "Average over images scaled by these factors; default: as the run evaluated, "
        "or 1.",
        **key,
    )
    flags.DEFINE_integer(
        "batch_size",
        None,
        "Windows, or whole images of one size, per batch; default: windows of 131,072 "
        "pixels in all, or one image.",
        1,
        **key,
    )


def options_from_flags(model, examples=None, size_multiple=0):
    """Return how the flags say that a network predicts, and where they don't, its run.

    Args:
        model: Path of the network's file, or of its run's directory.
        examples: See `keras_imas.runs.prediction_options.prediction_options`. Defaults
            to `None`.
        size_multiple: See there. Defaults to `0`: as the run evaluated.

    Returns:
        Dict of options of `keras_imas.inference.Predictor`.
    """
    values = flags.FLAGS
    given = {
        "window": values.window,
        "size_multiple": size_multiple or None,
        "stride": values.stride,
        "flip": values.flip,
        "scales": tuple(map(float, values.scales or ())) or None,
        "batch_size": values.batch_size,
    }
    given = {name: value for name, value in given.items() if value is not None}
    return options_of_run(model, examples, **given)
