"""The base of the data sets that the programs train on."""

import abc
import dataclasses

from keras_imas.data import splits
from keras_imas.data.as_examples import as_examples
from keras_imas.runs.flags import field
from keras_imas.runs.reading import FileReading


@dataclasses.dataclass(frozen=True)
class Source(FileReading, abc.ABC):
    """Base of the data sets; each field is a flag of the programs."""

    select_on: str = field(
        "",
        "List of training images to choose the best epoch on; they are neither labeled "
        "nor unlabeled. Without it the validation images choose, as published.",
        path=True,
    )
    labeled_as_unlabeled: bool = field(
        False,
        "Take the labeled images as unlabeled ones too, as FixMatch does; where "
        "--unlabeled lists them, it may name labeled ones. Not in the published runs.",
    )
    cache: str = field(
        "",
        "Keep decoded images, 3 bytes a pixel: memory, or a directory for them.",
        path=True,
    )

    def read(self, seed):
        """List the parts of the data set.

        Args:
            seed: Integer seed of what is drawn.

        Returns:
            Dict of `labeled`, `unlabeled`, `validation` and `select_on` (`Examples` or
            `None`), `class_names`, `colors`, `ignore_class` and `allow_shared`, as
            `keras_imas.runs.experiment.run` takes them.
        """
        legend = self.legend()
        if not legend["class_names"]:
            raise ValueError("One of `num_classes` and `classes` is needed")
        parts = self.parts(seed)
        if self.cache:
            for name, part in parts.items():
                parts[name] = part and as_examples(part).cached(self.cache)
        return {**parts, **legend, "allow_shared": self.labeled_as_unlabeled}

    def unlabeled_names(self, everything, labeled, taken=()):
        """List the images that are unlabeled where no list says it.

        Args:
            everything: Names of the training images.
            labeled: Names of the labeled ones.
            taken: Names of those that are neither. Defaults to `()`.

        Returns:
            List of names.
        """
        labeled = () if self.labeled_as_unlabeled else labeled
        return splits.rest(everything, labeled, taken)

    @abc.abstractmethod
    def parts(self, seed):
        """List the parts of the data set: see `read`.

        Args:
            seed: Integer seed of what is drawn.

        Returns:
            Dict of `Examples`, or `None`, by name of the part.
        """

    def truth(self, unlabeled, seed):
        """List the unlabeled images that have a label map after all.

        Args:
            unlabeled: `Examples` of `parts`.
            seed: As in `parts`.

        Returns:
            `Examples` with label maps, or `None` where there are none.

        Raises:
            ValueError: If a label map can't be used; the message names its file.
        """
        try:
            return self._read(names=unlabeled.names)
        except FileNotFoundError:
            return None

    @abc.abstractmethod
    def legend(self):
        """Tell what the ids mean: see `read`.

        Returns:
            Dict of `class_names`, `colors` and `ignore_class`.
        """
