"""CamVid."""

import dataclasses

from keras_imas.data import camvid
from keras_imas.runs.flags import field
from keras_imas.runs.sources.official import Official


@dataclasses.dataclass(frozen=True)
class CamVid(Official):
    """CamVid in the directories of SegNet's tutorial."""

    data_dir: str = field(
        "", "Directory of train, trainannot, train.txt, val, ...", path=True
    )
    image_size: tuple = field((), "Resize images when read: height,width.")

    def __post_init__(self):
        if not self.data_dir:
            raise ValueError("`data_dir` is needed: the directory of train, val, ...")

    def _read(self, split="train", names=None, labeled=True):
        return camvid.read(
            self.data_dir,
            split,
            names,
            labeled=labeled,
            image_size=self.image_size or None,
            **self._reading(),
        )

    def legend(self):
        return {
            "class_names": camvid.CLASSES,
            "colors": camvid.COLORS,
            "ignore_class": camvid.IGNORE_CLASS,
        }
