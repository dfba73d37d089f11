"""What a run will do."""

import dataclasses
import os

import keras
import numpy as np

from keras_imas.backends.devices import device_count
from keras_imas.command_line.own_command import command_line
from keras_imas.models.size_rule import size_rule
from keras_imas.runs import batches, provenance
from keras_imas.runs.class_weights import BALANCED, class_weights
from keras_imas.runs.parts import Parts
from keras_imas.runs.recipe import Recipe

# Settings that may change when a run is resumed.
_FREE_TO_CHANGE = (
    "cache",
    "checkpoint_every",
    "dry_run",
    "follow_links",
    "keep",
    "max_pixels",
    "max_skipped_steps",
    "new",
    "tensorboard",
    "output_dir",
    "pipeline",  # what it comes to is compared
    "strategy",
    "verbose",
)


@dataclasses.dataclass(frozen=True)
class Plan:
    """A recipe, the images to apply it to, and what follows from the two.

    Attributes:
        recipe: `keras_imas.runs.recipe.Recipe`.
        parts: `keras_imas.runs.parts.Parts`.
        student: Built Keras model from images to logits, or `None`: the recipe's.
        settings: Dict of how the run was started, such as flags, or `None`.
        steps_per_epoch: Steps of an epoch.
        epochs: Number of epochs.
        replicas: Number of devices that share a batch.
    """

    recipe: Recipe
    parts: Parts
    student: keras.Model | None
    settings: dict | None
    steps_per_epoch: int
    epochs: int
    replicas: int

    @classmethod
    def of(cls, recipe, parts, *, student=None, settings=None):
        """Plan a run: its length, and how its batches are divided among devices.

        Args:
            recipe: `keras_imas.runs.recipe.Recipe`.
            parts: `keras_imas.runs.parts.Parts`.
            student: Built Keras model. Defaults to `None`: the recipe's.
            settings: See `keras_imas.runs.experiment.run`. Defaults to `None`.

        Returns:
            `Plan`.

        Raises:
            ValueError: If the batches can't be divided among the devices, the method
                needs unlabeled images that are not there, or classes and their weights
                are not as many.
        """
        if parts.unlabeled is None and recipe.method != "supervised":
            raise ValueError(
                f"method={recipe.method!r} needs unlabeled images, and all images are "
                "labeled. Pass `unlabeled`: others, without masks; or train with "
                "--method=supervised"
            )
        weights = recipe.class_weights
        numbers = None if weights == BALANCED else class_weights(weights)
        if numbers is not None and len(numbers) != parts.num_classes:
            raise ValueError(
                f"`class_weights` must be a number for each of the {parts.num_classes} "
                f"classes. Received: class_weights={weights!r}"
            )
        unlabeled = None if parts.unlabeled is None else len(parts.unlabeled)
        steps = recipe.steps_per_epoch(len(parts.labeled), unlabeled)
        replicas = device_count()
        batches.check_batches(recipe, replicas)
        epochs = recipe.epochs or -(-recipe.steps // steps)
        return cls(recipe, parts, student, settings, steps, epochs, replicas)

    @property
    def steps(self):
        """Number of training steps."""
        return self.epochs * self.steps_per_epoch

    @property
    def supervised(self):
        """Whether the method uses labeled images alone."""
        return self.recipe.method == "supervised"

    def warnings(self):
        """Tell why unlabeled images would not count, though the method uses them.

        Returns:
            List of sentences.
        """
        recipe = self.recipe
        if self.supervised:
            return []
        never = "no unlabeled image ever counts"
        if not recipe.unlabeled_weight:
            return [f"unlabeled_weight=0: {never}. Pass --unlabeled_weight=1 or more"]
        ramp_ends = recipe.warmup_steps + recipe.rampup_steps
        if recipe.warmup_steps >= self.steps:
            return [
                f"the warm-up of warmup_steps={recipe.warmup_steps} is as long as the "
                f"run of {self.steps} steps: {never}. Pass more --steps, or fewer "
                "--warmup_steps"
            ]
        if ramp_ends > self.steps:
            return [
                f"warm-up and ramp-up take {ramp_ends} steps of a run of {self.steps}: "
                "unlabeled images never count in full. Pass more --steps, or fewer "
                "--rampup_steps"
            ]
        return []

    def batches(self, **options):
        """Make the training batches.

        Args:
            **options: See `keras_imas.runs.batches.training_batches`.

        Returns:
            See `keras_imas.data.semi_supervised`.
        """
        return batches.training_batches(
            self.recipe, self.parts, self.steps_per_epoch, **options
        )

    def model(self, **options):
        """Build and compile the model, and print what will be trained.

        Args:
            **options: See `keras_imas.runs.recipe.Recipe.model`.

        Returns:
            `keras_imas.IMAS`.
        """
        recipe, parts = self.recipe, self.parts
        network = self.student
        if network is None:
            network = recipe.student(parts.num_classes)
        size_rule(network).check("crop_size", 2 * (recipe.crop_size,))
        model = recipe.model(
            network,
            steps_per_epoch=self.steps_per_epoch,
            epochs=self.epochs,
            ignore_class=parts.ignore_class,
            labeled_pixels=parts.labeled_pixels()
            if recipe.class_weights == BALANCED
            else None,
            **options,
        )
        trained_on = {
            name: part
            for name, part in parts.examples.items()
            if name in ("labeled", "unlabeled")
        }
        model.image_names = {name: part.names for name, part in trained_on.items()}
        images = " and ".join(
            f"{len(part)} {name}"
            for name, part in trained_on.items()
            if name == "labeled" or not self.supervised
        )
        print(
            f"{self.epochs} epochs of {self.steps_per_epoch} steps: {recipe.method} on "
            f"{images} images, {network.count_params():,} parameters, "
            f"{keras.backend.backend()} backend, {parts.pipeline} pipeline"
            + (f", {self.replicas} replicas." if self.replicas > 1 else ".")
        )
        return model

    def configuration(self):
        """Return what must stay the same when the run is resumed.

        Returns:
            Dict as JSON has it, for `run.json` and checkpoints.
        """
        return {
            "recipe": comparable(dataclasses.asdict(self.recipe)),
            "settings": comparable(self.settings),
            "backend": keras.backend.backend(),
            "replicas": self.replicas,
            "class_names": list(self.parts.class_names),
            "ignore_class": self.parts.ignore_class,
            "pipeline": self.parts.pipeline,
            "split": self.parts.checksum(),
            **self.parts.counts(),
            "epochs": self.epochs,
            "steps_per_epoch": self.steps_per_epoch,
        }

    def facts(self):
        """Return what `run.json` says when the run starts.

        Returns:
            Dict as JSON has it.
        """
        configuration = self.configuration()
        labeled = self.parts.examples["labeled"]
        return {
            "recipe": dataclasses.asdict(self.recipe),
            "command": command_line(),
            "working_directory": os.getcwd(),
            "settings": self.settings,
            "backend": configuration["backend"],
            "pipeline": self.parts.pipeline,
            "replicas": self.replicas,
            "versions": provenance.versions(),
            "git_revision": provenance.git_revision(),
            "split": configuration["split"],
            **self.parts.counts(),
            "steps": self.steps,
            "student": None if self.student is None else self.student.name,
            "class_names": configuration["class_names"],
            "colors": np.asarray(self.parts.colors).tolist(),
            "ignore_class": self.parts.ignore_class,
            "image_sizes": self.parts.image_sizes(),
            "image_size": labeled.image_size,
            "image_range": labeled.image_range,
            "configuration": configuration,
            "finished": False,
        }


def comparable(settings):
    """Return the settings that must stay the same when a run is resumed.

    Args:
        settings: Dict from name to value, or `None`.

    Returns:
        Dict, or `None`.

    Example:
        >>> comparable({"steps": 5, "verbose": 2})
        {'steps': 5}
    """
    if settings is None:
        return None
    return {name: v for name, v in settings.items() if name not in _FREE_TO_CHANGE}
