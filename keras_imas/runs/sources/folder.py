"""Photographs and masks in folders."""

import dataclasses
import glob
import os

from keras_imas.data import splits
from keras_imas.data.folder import with_masks
from keras_imas.runs.flags import field
from keras_imas.runs.reading import Reading
from keras_imas.runs.sources.source import Source

_BINARY = ("background", "object")


@dataclasses.dataclass(frozen=True)
class Folder(Reading, Source):
    """Your own photographs and masks, in folders."""

    images: str = field(
        "", "Folder of images, searched recursively, or a pattern.", path=True
    )
    masks: str = field(
        "", "Folder of masks: NAME.png, a class id or color per pixel.", path=True
    )
    labeled: str = field(
        "",
        "List of labeled images, one name per line; default: all with a mask that "
        "are no validation images and not in --select_on.",
        path=True,
    )
    unlabeled: str = field(
        "",
        "List of unlabeled images, or another folder or pattern of them; default: "
        "all of --images that are in no other list.",
        path=True,
    )
    val_images: str = field(
        "", "Folder of validation images; without it no evaluation.", path=True
    )
    val_masks: str = field("", "Folder of the validation masks.", path=True)
    val: str = field(
        "", "List of validation images; default: all of the folder.", path=True
    )

    def __post_init__(self):
        if not (self.images and self.masks):
            raise ValueError("`images` and `masks` are needed: folders of either")
        super().__post_init__()
        if self.class_names and len(self.class_names) != self.known_number:
            raise ValueError(
                f"`class_names` must be as many as num_classes={self.known_number}. "
                f"Received: {len(self.class_names)}"
            )
        if bool(self.val_images) != bool(self.val_masks) or (
            self.val and not self.val_images
        ):
            raise ValueError(
                "`val_images` and `val_masks` go together, and `val` goes with them"
            )

    def _read(self, images, masks=None, names=None, labeled=True):
        return self.read_folder(images, masks, names, labeled=labeled)

    def parts(self, seed):
        select_on = self.select_on and self._read(
            self.images, self.masks, self.select_on
        )
        validation = self.val_images and self._read(
            self.val_images, self.val_masks, self.val
        )
        taken, every = list(select_on.names) if select_on else [], None
        if not self.unlabeled or (validation and not self.labeled):
            every = self._read(self.images, self.masks, labeled=False)
        if validation and every:
            taken += splits.in_both(validation, every).values()
        labeled = self.labeled or splits.rest(
            with_masks(self.images, self.masks, self.mask_name or None), taken
        )
        if not labeled:
            self._read(self.images, labeled=False)  # Says so where there is no image.
            raise ValueError(
                f"No image of {self.images!r} has a mask of the same name in "
                f"{self.masks!r}. Name them alike, or pass `mask_name`"
            )
        labeled = self._read(self.images, self.masks, labeled)
        # A list's own path may hold brackets.
        is_list = os.path.isfile(self.unlabeled) or not glob.has_magic(self.unlabeled)
        if os.path.isdir(self.unlabeled) or not is_list:
            unlabeled = self._read(self.unlabeled, self.masks, labeled=False)
        else:
            names = self.unlabeled or self.unlabeled_names(
                every.names, labeled.names, taken
            )
            unlabeled = names and self._read(
                self.images, self.masks, names, labeled=False
            )
        return {
            "labeled": labeled,
            "unlabeled": unlabeled or None,
            "validation": validation or None,
            "select_on": select_on or None,
        }

    def truth(self, unlabeled, seed):
        if self.unlabeled and not os.path.isfile(self.unlabeled):
            return None  # a folder or a pattern: they are other images
        masks = with_masks(self.images, self.masks, self.mask_name or None)
        names = sorted(set(masks) & set(unlabeled.names))
        return self._read(self.images, self.masks, names) if names else None

    def legend(self):
        table = self.table
        unnamed = tuple(map(str, range(self.num_classes)))
        unnamed = _BINARY if self.binary_masks else unnamed
        return {
            "class_names": table.names if table else unnamed,
            "colors": table.colors if table else None,
            "ignore_class": self.ignore_class,
        }
