"""What the programs train on: each kind of data set, its flags, and its parts."""

import abc
import dataclasses
import functools
import glob
import os
from pathlib import Path

from keras_imas.data import camvid, cityscapes, scenes, splits, voc
from keras_imas.data.classes import read_class_table
from keras_imas.data.examples import as_examples
from keras_imas.data.files import MAX_PIXELS
from keras_imas.data.folder import from_folder, with_masks
from keras_imas.data.problems import report
from keras_imas.data.tfds import from_tfds
from keras_imas.runs.flags import Flagged, field


@dataclasses.dataclass(frozen=True)
class Source(Flagged, abc.ABC):
    """Base of the data sets; each field is a flag of the programs."""

    select_on: str = field(
        "",
        "List of training images to choose the best epoch on; they are neither labeled "
        "nor unlabeled. Without it the validation images choose, as published.",
    )
    on_bad_image: str = field(
        "error",
        "Where a file can't be decoded: error stops and names it; skip takes the next "
        "one, and lists at the end what was skipped.",
    )
    max_pixels: int = field(
        MAX_PIXELS,
        "Pixels an image or mask may have; larger ones are refused, as they may be "
        "decompression bombs.",
    )
    follow_links: bool = field(
        False, "Follow symbolic links that lead out of the data set's folders."
    )
    cache: str = field(
        "",
        "Keep decoded images, 3 bytes a pixel: memory, or a directory for them.",
    )

    def read(self, seed):
        """List the parts of the data set.

        Args:
            seed: Integer seed of what is drawn.

        Returns:
            Dict of `labeled`, `unlabeled`, `validation` and `select_on` (`Examples` or
            `None`), `class_names`, `colors` and `ignore_class`, as
            `keras_imas.runs.experiment.run` takes them.
        """
        legend = self.legend()
        if not legend["class_names"]:
            raise ValueError("One of `num_classes` and `classes` is needed")
        parts = self.parts(seed)
        if self.cache:
            for name, part in parts.items():
                parts[name] = part and as_examples(part).cached(self.cache)
        return {**parts, **legend}

    def _reading(self):
        """Return what is common to the reading of all parts."""
        names = ("on_bad_image", "max_pixels", "follow_links")
        return {name: getattr(self, name) for name in names}

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
        """
        try:
            return self._read(names=unlabeled.names)
        except (ValueError, OSError):
            return None

    @abc.abstractmethod
    def legend(self):
        """Tell what the ids mean: see `read`.

        Returns:
            Dict of `class_names`, `colors` and `ignore_class`.
        """


@dataclasses.dataclass(frozen=True)
class Folder(Source):
    """Photographs and masks in folders of one's own."""

    images: str = field("", "Folder of images, searched recursively, or a pattern.")
    masks: str = field("", "Folder of masks: NAME.png, a class id or color a pixel.")
    mask_name: str = field("", "Pattern of the masks' names, such as {}_L.png.")
    labeled: str = field(
        "", "List of labeled images, a name a line; default: all that have a mask."
    )
    unlabeled: str = field(
        "",
        "List of unlabeled images; or a folder or pattern of them, elsewhere; default: "
        "all of --images that are in no other list.",
    )
    val_images: str = field("", "Folder of validation images; no evaluation without.")
    val_masks: str = field("", "Folder of their masks.")
    val: str = field("", "List of validation images; all of the folder without.")
    num_classes: int = field(0, "Number of classes.")
    class_names: tuple = field((), "Their names, separated by commas.", of=str)
    classes: str = field(
        "", "Table of the classes instead: a CSV file of name,id,r,g,b."
    )
    ignore_class: int = field(255, "Label of pixels that don't count.")
    image_size: tuple = field((), "Resize images when read: height,width.")

    def __post_init__(self):
        if not (self.images and self.masks):
            raise ValueError("`images` and `masks` are needed: folders of either")
        if self.num_classes < 0:
            raise ValueError(
                f"`num_classes` must be 1 or more. Received: {self.num_classes}"
            )
        if self.classes and self.num_classes:
            raise ValueError("Only one of `num_classes` and `classes` is needed")
        if self.class_names and len(self.class_names) != self.num_classes:
            raise ValueError(
                f"`class_names` must be as many as num_classes={self.num_classes}. "
                f"Received: {len(self.class_names)}"
            )
        if self.image_size and (len(self.image_size) != 2 or min(self.image_size) < 1):
            raise ValueError(
                "`image_size` must be height,width, such as 180,240. Received: "
                f"{','.join(map(str, self.image_size))}"
            )
        if bool(self.val_images) != bool(self.val_masks) or (
            self.val and not self.val_images
        ):
            raise ValueError(
                "`val_images` and `val_masks` go together, and `val` goes with them"
            )

    @functools.cached_property
    def _table(self):
        return (
            read_class_table(self.classes, self.ignore_class) if self.classes else None
        )

    def _read(self, images, masks=None, names=None, labeled=True):
        return from_folder(
            images,
            masks,
            names or None,
            labeled=labeled,
            image_size=self.image_size or None,
            ignore_class=self.ignore_class,
            mask_name=self.mask_name or None,
            classes=self._table,
            **self._reading(),
        )

    def parts(self, seed):
        select_on = self.select_on and self._read(
            self.images, self.masks, self.select_on
        )
        taken = select_on.names if select_on else ()
        labeled = self.labeled or splits.rest(
            with_masks(self.images, self.masks, self.mask_name or None), taken
        )
        if not labeled:
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
            names = self.unlabeled or splits.rest(
                self._read(self.images, self.masks, labeled=False).names,
                labeled.names,
                taken,
            )
            if not names:
                message = (
                    "all images are labeled. Pass `unlabeled`: others, without masks"
                )
                report(ValueError, f"Folder {self.images!r}", [message], "warning")
            unlabeled = names and self._read(
                self.images, self.masks, names, labeled=False
            )
        validation = self.val_images and self._read(
            self.val_images, self.val_masks, self.val
        )
        return {
            "labeled": labeled,
            "unlabeled": unlabeled or None,
            "validation": validation or None,
            "select_on": select_on or None,
        }

    def truth(self, unlabeled, seed):
        if os.path.exists(self.unlabeled) and not os.path.isfile(self.unlabeled):
            return None  # they are images of another folder
        masks = with_masks(self.images, self.masks, self.mask_name or None)
        names = sorted(set(masks) & set(unlabeled.names))
        return self._read(self.images, self.masks, names) if names else None

    def legend(self):
        table = self._table
        names = self.class_names or tuple(map(str, range(self.num_classes)))
        return {
            "class_names": table.names if table else names,
            "colors": table.colors if table else None,
            "ignore_class": self.ignore_class,
        }


@dataclasses.dataclass(frozen=True)
class Official(Source):
    """Base of data sets in official directories of training and validation images."""

    data_dir: str = field("", "Directory of the data set.")
    labeled_share: float = field(
        1 / 16, "Share of the training images that is labeled, drawn by --seed."
    )
    labeled: str = field("", "List of labeled images instead.")
    unlabeled: str = field("", "List of unlabeled images; default: all others.")

    def parts(self, seed):
        select_on = self.select_on and self._read(names=self.select_on)
        everything = self._read(labeled=False).names
        free = splits.rest(everything, select_on.names if select_on else ())
        labeled = self._read(
            names=self.labeled or splits.draw(free, self.labeled_share, seed)
        )
        unlabeled = self._read(
            names=self.unlabeled or splits.rest(free, labeled.names), labeled=False
        )
        return {
            "labeled": labeled,
            "unlabeled": unlabeled,
            "validation": self._read("val"),
            "select_on": select_on or None,
        }

    @abc.abstractmethod
    def _read(self, split="train", names=None, labeled=True):
        """List the examples of a split."""


@dataclasses.dataclass(frozen=True)
class Cityscapes(Official):
    """Cityscapes in its official directories, or the built-in scenes without it."""

    data_dir: str = field("", "Directory of leftImg8bit and gtFine.")
    labeled: str = field(
        "", "List of labeled images instead: leftImg8bit names, one a line."
    )
    train_extra: bool = field(
        False, "Take the images of leftImg8bit/train_extra as unlabeled ones too."
    )

    def _read(self, split="train", names=None, labeled=True):
        return cityscapes.read(
            self.data_dir,
            split,
            names,
            labeled=labeled,
            **self._reading(),
        )

    def parts(self, seed):
        if not self.data_dir:
            images, label_maps = self._scenes(seed)
            return {
                "labeled": (images[:24], label_maps[:24]),
                "unlabeled": images[24:],
                "validation": scenes.load(48, seed=2 * seed + 1),
                "select_on": None,
            }
        parts = super().parts(seed)
        if self.train_extra:
            extra = self._read("train_extra", labeled=False)
            names = [f"train/{name}" for name in parts["unlabeled"].names]
            names += [f"train_extra/{name}" for name in extra.names]
            parts["unlabeled"] = self._read("", names, labeled=False)
        return parts

    def truth(self, unlabeled, seed):
        if not self.data_dir:
            images, label_maps = self._scenes(seed)
            return as_examples((images[24:], label_maps[24:]))
        return super().truth(unlabeled, seed)

    def _scenes(self, seed):
        return scenes.load(264, seed=2 * seed)

    def legend(self):
        return {
            "class_names": cityscapes.CLASSES,
            "colors": cityscapes.COLORS,
            "ignore_class": 255,
        }


@dataclasses.dataclass(frozen=True)
class VOC(Source):
    """PASCAL VOC 2012 in its official directories, with SBD where it is there."""

    data_dir: str = field(
        "", "Directory of JPEGImages, SegmentationClass[Aug] and ImageSets."
    )
    sbd_dir: str = field(
        "",
        "Directory of SBD's cls, train.txt and val.txt, such as "
        "benchmark_RELEASE/dataset; not needed where SegmentationClassAug is there.",
    )
    train: str = field(
        "",
        "List of all training images, those of SBD included: 10,582 in the published "
        "runs. Default: ImageSets/Segmentation/train_aug.txt, or made of --sbd_dir.",
    )
    labeled: str = field(
        "", "List of labeled images; without it --labeled_count are drawn."
    )
    labeled_count: int = field(662, "Number of labeled images, drawn by --seed.")
    protocol: str = field(
        "blended",
        "Where they are drawn from: blended: --train; classic: VOC's own "
        "ImageSets/Segmentation/train.txt.",
    )
    unlabeled: str = field("", "List of unlabeled images; default: all others.")
    val: str = field(
        "", "List of validation images; default: ImageSets/Segmentation/val.txt."
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
        unlabeled = self.unlabeled or splits.rest(
            self._read(train, labeled=False).names, labeled.names, taken
        )
        return {
            "labeled": labeled,
            "unlabeled": self._read(unlabeled, labeled=False),
            "validation": self._read(self.val or lists / "val.txt"),
            "select_on": select_on or None,
        }

    def legend(self):
        return {"class_names": voc.CLASSES, "colors": voc.COLORS, "ignore_class": 255}


@dataclasses.dataclass(frozen=True)
class CamVid(Official):
    """CamVid in the directories of SegNet's tutorial."""

    data_dir: str = field("", "Directory of train, trainannot, train.txt, val, ...")
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


@dataclasses.dataclass(frozen=True)
class TFDS(Source):
    """A prepared set of TensorFlow Datasets."""

    name: str = field("", "Name of the set, such as oxford_iiit_pet.")
    data_dir: str = field("", "Directory of prepared sets; default: TFDS' own.")
    labeled: str = field("train[:10%]", "Labeled part of the set.")
    unlabeled: str = field("train[10%:]", "Unlabeled part of the set.")
    val: str = field("", "Validation part, such as test; no evaluation without.")
    image_key: str = field("", "Feature of the images, where there are several.")
    label_key: str = field("", "Feature of the label maps, where there are several.")
    num_classes: int = field(0, "Number of classes.")
    class_names: tuple = field((), "Their names, separated by commas.", of=str)
    ignore_class: int = field(255, "Label of pixels that don't count.")
    image_size: tuple = field((), "Resize images when read: height,width.")

    def __post_init__(self):
        if not self.name or self.num_classes < 1:
            raise ValueError(
                "`name` and `num_classes` are needed, such as oxford_iiit_pet and 3"
            )

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


SOURCES = {
    "folder": Folder,
    "cityscapes": Cityscapes,
    "voc": VOC,
    "camvid": CamVid,
    "tfds": TFDS,
}
