"""The images of a run."""

import dataclasses
import sys

from keras_imas import data
from keras_imas.data.colors import default_colors
from keras_imas.data.pipelines import choose_pipeline
from keras_imas.runs import provenance

_MAX_WARNINGS = 20


@dataclasses.dataclass(frozen=True)
class Parts:
    """The images of a run, by what they are for, and what their labels mean.

    Attributes:
        labeled: `keras_imas.data.Examples` with label maps.
        unlabeled: `keras_imas.data.Examples`; `None`: only labeled ones are there.
        validation: Labeled `keras_imas.data.Examples`, or `None`: no evaluation.
        select_on: Labeled `keras_imas.data.Examples` that choose the best epoch, or
            `None`: `validation` does.
        class_names: Names of the classes, in the order of their ids.
        colors: RGB color of each class, 0..255.
        ignore_class: Label of pixels that don't count.
        pipeline: What reads them: `"device"` or `"tf.data"`.
        allow_shared: Whether labeled images may be among the unlabeled ones too.
    """

    labeled: data.Examples
    unlabeled: data.Examples | None
    validation: data.Examples | None
    select_on: data.Examples | None
    class_names: tuple
    colors: tuple
    ignore_class: int
    pipeline: str
    allow_shared: bool = False

    @classmethod
    def of(
        cls,
        *,
        class_names,
        colors=None,
        ignore_class=255,
        pipeline="auto",
        allow_shared=False,
        **given,
    ):
        """Make the parts from what `keras_imas.data.as_examples` takes.

        Args:
            class_names: Names of the classes.
            colors: RGB color of each class. Defaults to `None`: made up.
            ignore_class: Label of pixels that don't count. Defaults to `255`.
            pipeline: See `keras_imas.data.pipelines.choose_pipeline`. Defaults to
                `"auto"`.
            allow_shared: Whether labeled images may be among the unlabeled ones too.
                Defaults to `False`.
            **given: `labeled`, `unlabeled`, `validation` and `select_on`.

        Returns:
            `Parts`.

        Raises:
            ValueError: If there is `select_on` without `validation`.

        Example:
            >>> images, label_maps = data.scenes.load(3, height=32, width=64)
            >>> parts = Parts.of(
            ...     labeled=(images[:1], label_maps[:1]),
            ...     unlabeled=images[1:],
            ...     validation=None,
            ...     select_on=None,
            ...     class_names=data.scenes.CLASSES,
            ... )
            >>> parts.counts()
            {'labeled': 1, 'unlabeled': 2}
        """
        if given["select_on"] is not None and given["validation"] is None:
            raise ValueError(
                "`select_on` chooses among the evaluations of `validation`, which is "
                "missing. Pass validation images, or leave `select_on` out"
            )
        if colors is None:
            colors = default_colors(len(class_names))
        examples = {
            name: None if part is None else data.as_examples(part)
            for name, part in given.items()
        }
        return cls(
            **examples,
            class_names=class_names,
            colors=colors,
            ignore_class=ignore_class,
            pipeline=choose_pipeline(
                pipeline, *(part for part in examples.values() if part is not None)
            ),
            allow_shared=allow_shared,
        )

    @property
    def num_classes(self):
        """Number of classes."""
        return len(self.class_names)

    @property
    def examples(self):
        """Dict of the `Examples` that are there, by the name of their part."""
        names = ("labeled", "unlabeled", "validation", "select_on")
        found = {name: getattr(self, name) for name in names}
        return {name: part for name, part in found.items() if part is not None}

    def counts(self):
        """Return the number of images of each part.

        Returns:
            Dict from the name of the part.
        """
        return {name: len(part) for name, part in self.examples.items()}

    def image_sizes(self):
        """Return the smallest and the largest size of the image files of each part.

        Returns:
            Dict from the name of the part to two `(height, width)`; parts whose sizes
            are not known are left out.
        """
        sizes = {
            name: sorted(part.sizes, key=lambda size: (size[0] * size[1], size))
            for name, part in self.examples.items()
        }
        return {name: [found[0], found[-1]] for name, found in sizes.items() if found}

    def check(self):
        """Read the label maps and some images, and print warnings about them.

        Raises:
            ValueError: If training can't use them.
        """
        data.splits.check_separate(**self.examples, allow_shared=self.allow_shared)
        found = data.check(
            self.examples,
            self.num_classes,
            self.ignore_class,
            class_names=self.class_names,
            images=data.preflight.SOME_IMAGES,
            allow_shared=self.allow_shared,
        )
        for warning in found.warnings[:_MAX_WARNINGS]:
            print(f"Warning: {warning}", file=sys.stderr)
        more = len(found.warnings) - _MAX_WARNINGS
        if more > 0:
            print(f"... and {more} more", file=sys.stderr)
        found.raise_errors()

    def labeled_pixels(self):
        """Count the labeled pixels of each class.

        Returns:
            List of integers; 0 for a class that is ignored.
        """
        found = data.check({"labeled": self.labeled}, images=0).parts["labeled"].pixels
        return [
            0 if number == self.ignore_class else found[number]
            for number in range(self.num_classes)
        ]

    def checksum(self):
        """Return a checksum of which images are in which part.

        Returns:
            See `keras_imas.runs.provenance.split_checksum`; `None` where images have no
            names.
        """
        names = {name: part.names for name, part in self.examples.items()}
        return None if None in names.values() else provenance.split_checksum(**names)

    def skipped(self):
        """Return the images that could not be read, and why.

        Returns:
            Dict from the name of the part to a dict from image to reason; parts of
            which all could be read are left out.
        """
        return {name: part.bad for name, part in self.examples.items() if part.bad}
