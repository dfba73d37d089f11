"""Layers that move pixels, or mix images."""

# Layers of Keras and KerasCV, by name. A RandAugment is found by the layers within it.
_MOVING = {
    "AugMix",
    "CutMix",
    "FourierMix",
    "JitteredResize",
    "MixUp",
    "Mosaic",
    "RandomCrop",
    "RandomCropAndResize",
    "RandomElasticTransform",
    "RandomFlip",
    "RandomPerspective",
    "RandomRotation",
    "RandomShear",
    "RandomTranslation",
    "RandomZoom",
}


def moving_layer(layer):
    """Return a layer that moves pixels at random, or mixes images.

    Args:
        layer: Keras layer or model, of which the layers within are looked at too.

    Returns:
        The first such layer, or `None` if there is none.

    Example:
        >>> import keras
        >>> layer = keras.layers.RandomFlip(name="flip")
        >>> moving_layer(keras.Sequential([keras.layers.Rescaling(2.0), layer])).name
        'flip'
    """
    for part in layer._flatten_layers():
        if {kind.__name__ for kind in type(part).__mro__} & _MOVING:
            return part
    return None
