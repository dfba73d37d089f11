"""What is known of a data set before training: what settings follow from."""

import dataclasses
from collections import Counter

from keras_imas.backends.devices import device_names


@dataclasses.dataclass(frozen=True)
class Facts:
    """What the rules know of a data set and of the machine.

    Attributes:
        labeled: Number of labeled images.
        unlabeled: Number of unlabeled images.
        sizes: Number of training images of each `(height, width)` that they are read
            in; empty if unknown.
        pixels: Number of labeled pixels of each class id; empty if they weren't
            counted.
        class_names: Names of the classes; empty if unknown.
        ignore_class: Label of pixels that don't count.
        gpu: Name of the GPU; `""` if there is none.
    """

    labeled: int
    unlabeled: int = 0
    sizes: dict = dataclasses.field(default_factory=dict)
    pixels: dict = dataclasses.field(default_factory=dict)
    class_names: tuple = ()
    ignore_class: int = 255
    gpu: str = ""

    @classmethod
    def of(cls, labeled, unlabeled=None, *, report=None, **more):
        """Gather the facts of a data set, without decoding an image.

        Args:
            labeled: `keras_imas.data.Examples`.
            unlabeled: `keras_imas.data.Examples`. Defaults to `None`.
            report: `keras_imas.data.preflight.Report` that has counted the pixels.
                Defaults to `None`: they are not known.
            **more: Other attributes.

        Returns:
            `Facts`.
        """
        parts = {"labeled": labeled, "unlabeled": unlabeled}
        sizes = Counter()
        for name, part in parts.items():
            if part is not None:
                sizes.update(_sizes(part, report and report.parts[name]))
        gpus = [name for name in device_names() if name.lower() != "cpu"]
        pixels = report.parts["labeled"].pixels if report else {}
        if labeled.by_color:  # negative ids are colors that no class has
            pixels = {k: n for k, n in pixels.items() if k >= 0}
        return cls(
            labeled=len(labeled),
            unlabeled=0 if unlabeled is None else len(unlabeled),
            sizes=sizes,
            pixels=pixels,
            gpu=gpus[0] if gpus else "",
            **more,
        )

    @property
    def side(self):
        """Shorter side in pixels that three of four images have, or a longer one."""
        sides = sorted(min(size) for size in Counter(self.sizes).elements())
        return sides[len(sides) // 4]


def _sizes(examples, part):
    """Count the sizes that images are read in, by their headers if these tell."""
    if examples.image_size:
        return {tuple(examples.image_size): len(examples)}
    counts = examples.size_counts or dict.fromkeys(examples.sizes, 1)
    return counts or (part.sizes if part else {})
