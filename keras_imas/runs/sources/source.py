"""The base of the data sets that the programs train on."""

import abc
import dataclasses

from keras_imas.data import splits
from keras_imas.data.as_examples import as_examples
from keras_imas.data.pipelines import choose_pipeline
from keras_imas.runs.flags import field
from keras_imas.runs.reading import FileReading

_MEMORY = 2 << 30  # bytes of decoded images that are kept without being asked


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
        "Use the labeled images as unlabeled ones too, as FixMatch does; if "
        "--unlabeled is a list, it may name labeled ones. Not in the published runs.",
    )
    cache: str = field(
        "",
        "Keep decoded images, 3 bytes a pixel: memory, a directory for them, or none. "
        "Default: memory with --pipeline=device if they fit into 2 GiB, else none.",
        path=True,
    )
    pipeline: str = field(
        "auto",
        "What reads images and makes their views: device (threads read, the device "
        "makes the views), tf.data (TensorFlow does both on the processor) or auto "
        "(tf.data if TensorFlow is installed). The two draw different random numbers.",
    )

    def read(self, seed):
        """List the parts of the data set.

        Args:
            seed: Integer seed of what is drawn.

        Returns:
            Dict of `labeled`, `unlabeled`, `validation` and `select_on` (`Examples` or
            `None`), `class_names`, `colors`, `ignore_class`, `pipeline` and
            `allow_shared`, as
            `keras_imas.runs.experiment.run` takes them.
        """
        legend = self.legend()
        if not legend["class_names"]:
            raise ValueError("One of `num_classes` and `classes` is needed")
        parts = self.parts(seed)
        examples = {k: as_examples(v) for k, v in parts.items() if v is not None}
        pipeline = choose_pipeline(self.pipeline, *examples.values())
        cache = self.cache or _default_cache(examples.values(), pipeline)
        if cache != "none":
            examples = {name: part.cached(cache) for name, part in examples.items()}
        return {
            **parts,
            **examples,
            **legend,
            "pipeline": pipeline,
            "allow_shared": self.labeled_as_unlabeled,
        }

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


def _default_cache(examples, pipeline):
    """Return where decoded images are kept if nothing was said."""
    sizes = [part.decoded_bytes() for part in examples]
    if pipeline != "device" or None in sizes or not 0 < sum(sizes) <= _MEMORY:
        return "none"
    print(
        f"Decoded images stay in memory, {sum(sizes) / 2**20:.0f} MiB at most; "
        "--cache=none does without.",
        flush=True,
    )
    return "memory"
