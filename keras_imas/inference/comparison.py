"""Networks side by side: what they predict, and how well."""

from PIL import Image, ImageDraw, ImageFont

from keras_imas.evaluation import ConfusionMatrix
from keras_imas.inference.drawing import colorize, grid


def score_networks(networks, images, label_maps, num_classes):
    """Predict images by several networks, and compare with their label maps.

    Args:
        networks: Dict from names to Keras models from images to logits of the same
            size, `IMAS` included.
        images: Array `(B, H, W, 3)`, 0..255.
        label_maps: Integers `(B, H, W)`.
        num_classes: Number of classes.

    Returns:
        Two dicts from names: predicted classes `(B, H, W)`, and
        `keras_imas.evaluation.ConfusionMatrix`.

    Example:
        >>> import keras, numpy as np
        >>> layers = [keras.Input((8, 8, 3)), keras.layers.Conv2D(2, 1)]
        >>> networks = {"one": keras.Sequential(layers)}
        >>> images, label_maps = np.zeros((3, 8, 8, 3)), np.zeros((3, 8, 8), int)
        >>> predicted, confusion = score_networks(networks, images, label_maps, 2)
        >>> predicted["one"].shape, confusion["one"].mean_iou
        ((3, 8, 8), 1.0)
    """
    predicted, confusion = {}, {}
    for name, network in networks.items():
        predicted[name] = network.predict(images, batch_size=8, verbose=0).argmax(-1)
        confusion[name] = ConfusionMatrix(num_classes)
        for label_map, classes in zip(label_maps, predicted[name], strict=True):
            confusion[name].update(label_map, classes)
    return predicted, confusion


def comparison_picture(
    images, label_maps, predicted, colors, *, class_names, heading="image"
):
    """Draw images, their truth, and what each network predicts, in rows.

    Below each prediction stands the share of pixels that are right, below all rows the
    color of each class.

    Args:
        images: uint8 array `(B, H, W, 3)`.
        label_maps: Integers `(B, H, W)`.
        predicted: Dict from headings to classes `(B, H, W)`.
        colors: `(C, 3)` RGB, 0..255.
        class_names: C strings.
        heading: Heading of the images. Defaults to `"image"`.

    Returns:
        `PIL.Image.Image`.

    Example:
        >>> import numpy as np
        >>> image, classes = np.zeros((1, 8, 8, 3), "uint8"), np.zeros((1, 8, 8), int)
        >>> look = {"colors": [(0, 0, 0)], "class_names": ["night"]}
        >>> comparison_picture(image, classes, {"one": classes}, **look).width
        728
    """
    rows, captions = [], []
    for image, truth, *maps in zip(
        images, label_maps, *predicted.values(), strict=True
    ):
        rows.append([image, *(colorize(classes, colors) for classes in (truth, *maps))])
        right = [f"{(classes == truth).mean():.0%} of pixels right" for classes in maps]
        captions.append(["", "", *right])
    sheet = grid(rows, [heading, "truth", *predicted], captions, tile_width=240)
    return stack_pictures([sheet, legend(class_names, colors)])


def legend(class_names, colors):
    """Draw the color and the name of each class, in a row.

    Args:
        class_names: C strings.
        colors: `(C, 3)` RGB, 0..255.

    Returns:
        `PIL.Image.Image`.

    Example:
        >>> legend(["sky", "sea"], [(90, 160, 220), (0, 0, 90)]).height
        18
    """
    font = ImageFont.load_default(13)
    places = [0]
    for name in class_names:
        places.append(places[-1] + int(font.getlength(name)) + 40)
    picture = Image.new("RGB", (places[-1], 18), "white")
    draw = ImageDraw.Draw(picture)
    for place, name, color in zip(places, class_names, colors, strict=False):
        draw.rectangle((place + 2, 2, place + 16, 16), tuple(map(int, color)))
        draw.text((place + 22, 1), name, "black", font)
    return picture


def stack_pictures(pictures, gap=12):
    """Put pictures below each other.

    Args:
        pictures: List of `PIL.Image.Image`.
        gap: Pixels between two of them. Defaults to `12`.

    Returns:
        `PIL.Image.Image`.

    Example:
        >>> tile = Image.new("RGB", (20, 10))
        >>> stack_pictures([tile, tile], gap=2).size
        (20, 22)
    """
    height = sum(picture.height + gap for picture in pictures) - gap
    width = max(picture.width for picture in pictures)
    stack = Image.new("RGB", (width, height), "white")
    top = 0
    for picture in pictures:
        stack.paste(picture, (0, top))
        top += picture.height + gap
    return stack
