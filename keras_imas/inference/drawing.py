"""Draw label maps, sheets of images and confusion matrices; format tables."""

import numpy as np
from PIL import Image, ImageDraw, ImageFont

JPEG_SIDE = 65_500  # the most pixels a side that Pillow can write into a JPEG


def colorize(label_map, colors):
    """Paint a label map.

    Args:
        label_map: Integers `(H, W)`.
        colors: `(C, 3)` RGB, 0..255. Any other id becomes black.

    Returns:
        uint8 array `(H, W, 3)`.

    Example:
        >>> colorize(np.array([[0, 255]]), [(128, 64, 128)])[0].tolist()
        [[128, 64, 128], [0, 0, 0]]
    """
    palette = np.zeros((len(colors) + 1, 3), "uint8")
    palette[:-1] = colors
    label_map = np.asarray(label_map)
    known = (label_map >= 0) & (label_map < len(colors))
    return palette[np.where(known, label_map, len(colors))]


def grid(rows, headings=None, captions=None, *, tile_width=320, line=18):
    """Arrange images in rows, with headings above and captions below.

    Args:
        rows: List of lists of uint8 images `(H, W, 3)`; all are scaled to one size,
            that of the first, at most ten times as high as wide.
        headings: One string for each column. Defaults to `None`.
        captions: For each row, a list of strings to put below its images. Defaults to
            `None`.
        tile_width: Width of each image in pixels. Defaults to `320`.
        line: Height of a line of text in pixels. Defaults to `18`.

    Returns:
        `PIL.Image.Image`.

    Example:
        >>> tile = np.zeros((10, 20, 3), "uint8")
        >>> grid([[tile, tile]], headings=["image", "truth"]).size
        (644, 178)
    """
    height, width = rows[0][0].shape[:2]
    tile_height = min(max(round(tile_width * height / width), 1), 10 * tile_width)
    gap = 4
    row_height = tile_height + gap + (line if captions else 0)
    columns = max(map(len, rows))
    top = line if headings else 0
    sheet = Image.new(
        "RGB",
        (columns * (tile_width + gap) - gap, top + len(rows) * row_height - gap),
        "white",
    )
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(line - 5)
    for column, heading in enumerate(headings or ()):
        draw.text((column * (tile_width + gap) + 2, 1), heading, "black", font)
    for number, row in enumerate(rows):
        y = top + number * row_height
        for column, image in enumerate(row):
            x = column * (tile_width + gap)
            tile = Image.fromarray(np.asarray(image, "uint8"))
            sheet.paste(tile.resize((tile_width, tile_height)), (x, y))
            if captions:
                text = captions[number][column]
                draw.text((x + 2, y + tile_height + 1), text, "black", font)
    return sheet


def class_table(class_names, columns, labeled=None):
    """Format the IoU of each class as a Markdown table that ends with the mean.

    Args:
        class_names: C names.
        columns: Dict from a column's heading to `(C,)` IoU in [0, 1], NaN where a
            class does not occur.
        labeled: `(C,)` bool, whether any label map holds a class, as
            `ConfusionMatrix.labeled` tells. A class without labels that is predicted
            is marked, and the mean without such classes gets a row. Defaults to `None`:
            all are.

    Returns:
        A string.

    Example:
        >>> print(class_table(["road", "car"], {"teacher": [0.9, float("nan")]}))
        | class | teacher |
        |---|---:|
        | road | 0.900 |
        | car | – |
        | **mean** | 0.900 |
        >>> iou = {"teacher": [0.9, 0.0]}
        >>> print(class_table(["road", "car"], iou, labeled=[True, False]))
        | class | teacher |
        |---|---:|
        | road | 0.900 |
        | car | only predicted |
        | **mean** | 0.450 |
        | **mean of labeled classes** | 0.900 |
    """
    labeled = np.ones(len(class_names), bool) if labeled is None else labeled
    labeled = np.asarray(labeled, bool)

    def row(name, values, there=True):
        known = "{:.3f}" if there else "only predicted"
        cells = ["–" if np.isnan(value) else known.format(value) for value in values]
        name = " ".join(name.split()).replace("|", "\\|")
        return f"| {' | '.join([name, *cells])} |"

    def mean(values):
        return np.nanmean(values) if np.isfinite(values).any() else np.nan

    values = np.array(list(columns.values()), "float64")
    lines = [f"| {' | '.join(['class', *columns])} |", "|---" + "|---:" * len(columns)]
    lines[1] += "|"
    lines += [
        row(name, column, there)
        for name, column, there in zip(class_names, values.T, labeled, strict=True)
    ]
    lines.append(row("**mean**", map(mean, values)))
    if np.isfinite(values[:, ~labeled]).any():
        means = map(mean, values[:, labeled])
        lines.append(row("**mean of labeled classes**", means))
    return "\n".join(lines)


def confusion_picture(counts, class_names, *, cell=28, margin=110):
    """Draw a confusion matrix whose rows are percentages of their sums.

    Args:
        counts: `(C, C)` pixels by class (rows) and prediction (columns).
        class_names: C names.
        cell: Side of each cell in pixels. Defaults to `28`.
        margin: Space for the class names in pixels. Defaults to `110`.

    Returns:
        `PIL.Image.Image`.

    Example:
        >>> confusion_picture(np.eye(3), ["road", "sky", "car"]).size
        (194, 194)
    """
    counts = np.asarray(counts, "float64")
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = margin + len(counts) * cell
    sheet = Image.new("RGB", (side, side), "white")
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(12)
    for row, column in np.ndindex(shares.shape):
        share = shares[row, column]
        x, y = margin + column * cell, margin + row * cell
        shade = tuple(int(255 - share * (255 - c)) for c in (8, 48, 107))
        draw.rectangle((x, y, x + cell - 2, y + cell - 2), fill=shade)
        if share >= 0.005:
            text = f"{100 * share:.0f}"
            color = "white" if share > 0.5 else "black"
            draw.text((x + cell // 2 - 1, y + cell // 2), text, color, font, "mm")
    names = Image.new("RGB", (side - margin, margin), "white")
    for number, name in enumerate(class_names):
        middle = margin + number * cell + cell // 2
        draw.text((margin - 5, middle), name, "black", font, "rm")
        label = Image.new("RGB", (margin, cell), "white")
        ImageDraw.Draw(label).text((5, cell // 2), name, "black", font, "lm")
        names.paste(label.rotate(90, expand=True), (number * cell, 0))
    sheet.paste(names, (margin, 0))
    return sheet
