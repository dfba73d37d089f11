"""Which sizes of images a network takes: one, or multiples of so many pixels."""

import dataclasses
import weakref

import keras

# Powers of 2 first, which nearly all networks need: each try takes a while.
_MULTIPLES = (
    *(1, 2, 4, 8, 16, 32, 64, 128),
    *(3, 5, 6, 7, 9, 10, 12, 14, 18, 20, 24, 28, 36, 40, 48, 56, 72, 80, 96, 112),
)
_PRIMES = (11, 17, 37, 67, 131, 257)
_rules = weakref.WeakKeyDictionary()


@dataclasses.dataclass(frozen=True)
class SizeRule:
    """The sizes that a network takes.

    Attributes:
        size: `(height, width)` that it is built for; `None` if it is built for any.
        fixed: Whether it takes no other size than that.
        multiple: Pixels that the sides must be multiples of; 1: any size.
    """

    size: tuple | None = None
    fixed: bool = False
    multiple: int = 1

    def check(self, name, size):
        """Raise if a size is none that the network takes.

        Args:
            name: Name of the argument that gives the size.
            size: `(height, width)`.

        Raises:
            ValueError: If it is none.
        """
        size = tuple(size)
        if self.fixed and size != self.size:
            raise _worded(
                f"The network is built for images of {self.size[0]} x {self.size[1]} "
                f"(height x width). Received: {name}={size[0]} x {size[1]}"
            )
        if any(side % self.multiple for side in size):
            raise _worded(
                f"The network takes images whose sides are a multiple of "
                f"{self.multiple}. Received: {name}={size[0]} x {size[1]}"
            )


def size_rule(network):
    """Find out which sizes of images a network takes, without running it.

    A network that halves its features three times and joins them with earlier ones, as
    a U-Net does, takes multiples of 8 only.

    Args:
        network: Built Keras model from images to logits.

    Returns:
        `SizeRule`.

    Raises:
        ValueError: If it takes none of the sizes that were tried.

    Example:
        >>> images = keras.Input((None, None, 3))
        >>> half = keras.layers.MaxPooling2D(2, padding="same")(images)
        >>> double = keras.layers.UpSampling2D(2)(half)
        >>> network = keras.Model(images, keras.layers.Concatenate()([images, double]))
        >>> size_rule(network)
        SizeRule(size=None, fixed=False, multiple=2)
    """
    if network not in _rules:
        _rules[network] = _find(network)
    return _rules[network]


def check_images(network, images):
    """Raise if a network does not take images of a size, by the rule that is known.

    It is not looked for here: within a step of JAX a network can't be traced.

    Args:
        network: Built Keras model from images to logits.
        images: Tensor `(B, H, W, channels)`.

    Raises:
        ValueError: If it does not.
    """
    size = tuple(images.shape[1:3])
    rule = _rules.get(network, SizeRule())
    if None not in size:
        rule.check("images", size)
    elif rule.fixed or rule.multiple > 1:
        # Which would end in the words of the backend, for each size in others.
        needed = rule.size if rule.fixed else f"a multiple of {rule.multiple} pixels"
        raise _worded(
            f"The network is built for images of a fixed size, {needed}, and these are "
            "of several sizes. Predict and evaluate them by "
            "`keras_imas.inference.Predictor`, which pads them"
        )


def _worded(message):
    """Return an error to which Keras adds nothing where a layer's call raises it."""
    error = ValueError(message)
    error._keras_call_info_injected = True
    return error


class _Traced(keras.layers.Layer):
    """A network whose shapes the backend tells, as layers' own rules miss some."""

    def __init__(self, network):
        super().__init__()
        self.run = network.__call__  # so that it is no part of this layer
        self.built = True

    def call(self, images):
        return self.run(images, training=False)


def _find(network):
    shape = getattr(network, "input_shape", None) or (None, None, None, 3)
    if not isinstance(shape, tuple) or len(shape) != 4:
        return SizeRule()
    if None not in shape[1:3]:
        # Keras lets some of them, such as of convolutions in a row, take other sizes.
        other = [2 * side for side in shape[1:3]]
        fixed = _problem(network, (1, *other, shape[-1])) is not None
        return SizeRule(tuple(shape[1:3]), fixed)
    problem = None
    for multiple in _MULTIPLES:
        # By a prime, so that it is a multiple of no other number that is tried.
        side = multiple * next(p for p in _PRIMES if p * multiple > 256)
        sides = [side if known is None else known for known in shape[1:3]]
        found = _problem(network, (1, *sides, shape[-1] or 3))
        if found is None:
            return SizeRule(multiple=multiple)
        problem = problem or found
    raise ValueError(
        "The network takes no images whose sides are a multiple of "
        f"{max(_MULTIPLES)}, nor of less. It says: {problem}"
    ) from problem


def _problem(network, shape):
    """Return the error of a network on images of a shape, or `None`."""
    try:
        _Traced(network).compute_output_spec(keras.KerasTensor(shape))
    except Exception as error:  # of whatever kind a layer or the backend raises
        return error
    return None
