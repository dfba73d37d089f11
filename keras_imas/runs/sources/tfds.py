"""Sets of TensorFlow Datasets."""

import dataclasses

from keras_imas.batch_checks import check_num_classes
from keras_imas.data.tfds import from_tfds
from keras_imas.runs.flags import field
from keras_imas.runs.sources.source import Source


@dataclasses.dataclass(frozen=True)
class TFDS(Source):
    """A prepared set of TensorFlow Datasets."""

    name: str = field("", "Name of the data set, such as oxford_iiit_pet.")
    data_dir: str = field(
        "", "Directory of prepared sets; default: TFDS' own.", path=True
    )
    labeled: str = field("train[:10%]", "Labeled part of the set.")
    unlabeled: str = field("train[10%:]", "Unlabeled part of the set.")
    val: str = field("", "Validation part, such as test; without it no evaluation.")
    image_key: str = field("", "Feature of the images, if there are several.")
    label_key: str = field("", "Feature of the label maps, if there are several.")
    num_classes: int = field(0, "Number of classes.")
    class_names: tuple = field((), "Names of the classes, separated by commas.", of=str)
    ignore_class: int = field(255, "Label of pixels that don't count.")
    image_size: tuple = field((), "Resize images when read: height,width.")

    def __post_init__(self):
        if not self.name or not self.num_classes:
            raise ValueError(
                "`name` and `num_classes` are needed, such as oxford_iiit_pet and 3"
            )
        check_num_classes(self.num_classes, self.ignore_class)

    def _read(self, split, labeled=True):
        return from_tfds(
            self.name,
            split,
            data_dir=self.data_dir or None,
            labeled=labeled,
            image_size=self.image_size or None,
            image_key=self.image_key or None,
            label_key=self.label_key or None,
        )

    def parts(self, seed):
        return {
            "labeled": self._read(self.labeled),
            "unlabeled": self._read(self.unlabeled, labeled=False),
            "validation": self._read(self.val) if self.val else None,
            "select_on": self._read(self.select_on) if self.select_on else None,
        }

    def truth(self, unlabeled, seed):
        return self._read(self.unlabeled)

    def legend(self):
        return {
            "class_names": self.class_names or tuple(map(str, range(self.num_classes))),
            "colors": None,
            "ignore_class": self.ignore_class,
        }
