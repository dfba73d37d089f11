"""Data sets in official directories of training and validation images."""

import abc
import dataclasses

from keras_imas.data import splits
from keras_imas.runs.flags import field
from keras_imas.runs.sources.source import Source


@dataclasses.dataclass(frozen=True)
class Official(Source):
    """Base of data sets in official directories of training and validation images."""

    data_dir: str = field("", "Directory of the data set.", path=True)
    labeled_share: float = field(
        1 / 16, "Share of the training images that is labeled, drawn with --seed."
    )
    labeled: str = field("", "List of labeled images instead.", path=True)
    unlabeled: str = field(
        "", "List of unlabeled images; default: all others.", path=True
    )

    def parts(self, seed):
        select_on = self.select_on and self._read(names=self.select_on)
        everything = self._read(labeled=False).names
        free = splits.rest(everything, select_on.names if select_on else ())
        labeled = self._read(
            names=self.labeled or splits.draw(free, self.labeled_share, seed)
        )
        names = self.unlabeled or self.unlabeled_names(free, labeled.names)
        unlabeled = self._read(names=names, labeled=False) if names else None
        return {
            "labeled": labeled,
            "unlabeled": unlabeled,
            "validation": self._read("val"),
            "select_on": select_on or None,
        }

    @abc.abstractmethod
    def _read(self, split="train", names=None, labeled=True):
        """List the examples of a split."""
