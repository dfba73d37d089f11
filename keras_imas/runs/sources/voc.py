"""PASCAL VOC."""

import dataclasses
from pathlib import Path

from keras_imas.data import splits, voc
from keras_imas.runs.flags import field
from keras_imas.runs.sources.source import Source


@dataclasses.dataclass(frozen=True)
class VOC(Source):
    """PASCAL VOC 2012 in its official directories, with SBD where it is there."""

    data_dir: str = field(
        "", "Directory of JPEGImages, SegmentationClass[Aug] and ImageSets.", path=True
    )
    sbd_dir: str = field(
        "",
        "Directory of SBD's cls, train.txt and val.txt, such as "
        "benchmark_RELEASE/dataset; not needed if SegmentationClassAug exists.",
        path=True,
    )
    train: str = field(
        "",
        "List of all training images, including those of SBD: 10,582 in the published "
        "runs. Default: ImageSets/Segmentation/train_aug.txt, or made from --sbd_dir.",
        path=True,
    )
    labeled: str = field(
        "", "List of labeled images; without it --labeled_count are drawn.", path=True
    )
    labeled_count: int = field(662, "Number of labeled images, drawn with --seed.")
    protocol: str = field(
        "blended",
        "Where they are drawn from: blended: --train; classic: VOC's own "
        "ImageSets/Segmentation/train.txt.",
    )
    unlabeled: str = field(
        "", "List of unlabeled images; default: all others.", path=True
    )
    val: str = field(
        "",
        "List of validation images; default: ImageSets/Segmentation/val.txt.",
        path=True,
    )

    def __post_init__(self):
        if not self.data_dir:
            raise ValueError("`data_dir` is needed: the directory of JPEGImages")
        if self.protocol not in ("blended", "classic"):
            raise ValueError(
                '`protocol` must be "blended" or "classic". Received: '
                f"{self.protocol!r}"
            )

    def _read(self, names, labeled=True):
        return voc.read(
            self.data_dir,
            names,
            labeled=labeled,
            sbd_dir=self.sbd_dir or None,
            **self._reading(),
        )

    def parts(self, seed):
        lists = Path(self.data_dir) / "ImageSets" / "Segmentation"
        select_on = self.select_on and self._read(self.select_on)
        taken = select_on.names if select_on else ()
        train = self.train or voc.train_names(self.data_dir, self.sbd_dir or None)
        labeled = self.labeled
        if not labeled:
            classic = self.protocol == "classic"
            free = self._read(lists / "train.txt" if classic else train, labeled=False)
            free = splits.rest(free.names, taken)
            if not 1 <= self.labeled_count <= len(free):
                raise ValueError(
                    f"`labeled_count` must be from 1 to the {len(free)} images to draw "
                    f"from. Received: {self.labeled_count}"
                )
            labeled = splits.draw(free, self.labeled_count / len(free), seed)
        labeled = self._read(labeled)
        unlabeled = self.unlabeled or self.unlabeled_names(
            self._read(train, labeled=False).names, labeled.names, taken
        )
        return {
            "labeled": labeled,
            "unlabeled": self._read(unlabeled, labeled=False) if unlabeled else None,
            "validation": self._read(self.val or lists / "val.txt"),
            "select_on": select_on or None,
        }

    def legend(self):
        return {"class_names": voc.CLASSES, "colors": voc.COLORS, "ignore_class": 255}
