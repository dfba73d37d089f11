"""A study: many runs of one grid, each scored on images near and far from labels."""

import dataclasses
import itertools
import os
import time
import tomllib

import keras

from keras_imas import data
from keras_imas.arguments import check_choice
from keras_imas.callbacks import HardnessLog
from keras_imas.files import standard_json
from keras_imas.files.user_path import user_path
from keras_imas.files.whole_file import write_whole
from keras_imas.imas import IMAS
from keras_imas.models.logits import segmenter
from keras_imas.runs import provenance, sources
from keras_imas.runs.oracle import Oracle
from keras_imas.runs.parts import Parts
from keras_imas.runs.plan import Plan
from keras_imas.runs.pseudo_label_quality import PseudoLabelQuality
from keras_imas.runs.recipe import Recipe
from keras_imas.runs.trial_scores import TrialScores
from keras_imas.runs.unlabeled_part import METHODS
from keras_imas.training.checkpoint_store import differences

# Trained on the masks of all images: what the unlabeled ones could give at most.
ALL_MASKS = "all_masks"
# iMAS with these masks as pseudo labels: what perfect ones would give.
ORACLE = "oracle"
_METHODS = (*METHODS, ALL_MASKS, ORACLE)
# The method that a recipe has for it.
_TRAINED_AS = {ALL_MASKS: "supervised", ORACLE: "imas"}
_AXES = ("data", "labels", "method", "variant", "seed")
_SCORED = ("unlabeled", "val", "far")
_LISTS = ("labeled", "unlabeled", "far", "left_out")
# Fields of the folders that have an effect: a study has its own lists and cache, and
# chooses no epoch.
_FOLDER = {f.name for f in dataclasses.fields(sources.Folder)} - {
    "select_on",
    "labeled_as_unlabeled",
    "cache",
}
# Parts of the training after which the networks are evaluated, and the pseudo labels.
_LAST = (0.8, 0.9, 1.0)
_COURSE = (0.1, 0.2, 0.4, 0.6, 0.8, 1.0)


@dataclasses.dataclass(frozen=True)
class Trial:
    """One run of a study.

    Attributes:
        data: Name of the data set in the study's file.
        labels: Number of labeled images.
        method: One of `keras_imas.runs.unlabeled_part.METHODS`; "all_masks"; or
            "oracle", iMAS with the true masks as pseudo labels.
        variant: Name of the variant: what of the recipe is otherwise.
        seed: Seed of the run and of which images are labeled.
    """

    data: str
    labels: int
    method: str
    variant: str
    seed: int

    @property
    def name(self):
        """The trial's name, as of its directory."""
        return "-".join(str(value) for value in dataclasses.astuple(self))


class Study:
    """A grid of trials, read from a TOML file.

    - `[data.NAME]` are fields of `keras_imas.runs.sources.Folder`, and lists of images:
      `labeled`, of which the seed draws those that are labeled, and `unlabeled`
      (without them, all images that have masks); and `far` and `left_out`, scored and
      not. These two and the validation images are in neither pool, whatever its list
      says. A list's lines name images; a mask besides does not count. In the paths of
      lists `{seed}`, `{variant}` and so on are those of the trial.
    - `[recipe]` are fields of `keras_imas.runs.recipe.Recipe` that all trials have,
      `[variants.NAME]` what a variant has otherwise.
    - `[readings.NAME]` are options of `keras_imas.inference.predictor.Predictor`; the
      first counts, the others are for comparison.
    - `[score_every]` tells of which images each `val`, `unlabeled` and `far` takes
      every n-th.
    - A score is a mean IoU over the classes that the scored masks hold: the same for
      all networks that are scored on these images.
    - Each `[[grid]]` lists values of `data`, `labels`, `method`, `variant` and `seed`,
      all combinations of which are run in that order.

    Args:
        path: Path of the file, see above.

    Attributes:
        name: Name of the study, that of the file.
        trials: List of `Trial`.

    Raises:
        ValueError: If the file names what is not there.
    """

    def __init__(self, path):
        self.path = user_path(path)
        self.name = os.path.splitext(os.path.basename(self.path))[0]
        with open(self.path, "rb") as file:
            self.config = tomllib.load(file)
        self.config.setdefault("recipe", {})
        for name in ("data", "readings", "variants", "grid"):
            if not self.config.get(name):
                section = "[[grid]]" if name == "grid" else f"[{name}.NAME]"
                raise ValueError(f"{self.path!r} has no `{section}`")
        self.trials = []
        for grid in self.config["grid"]:
            if set(grid) != set(_AXES):
                raise ValueError(
                    f"Each `[[grid]]` of {self.path!r} must have {', '.join(_AXES)}. "
                    f"Received: {', '.join(grid)}"
                )
            combinations = itertools.product(*(grid[axis] for axis in _AXES))
            self.trials += [
                trial
                for trial in itertools.starmap(Trial, combinations)
                if trial not in self.trials
            ]
        for trial in self.trials:
            self.recipe(trial)
            self._folder_and_lists(trial)
        unknown = self.config.get("score_every", {}).keys() - {*_SCORED}
        if unknown:
            raise ValueError(
                f"`[score_every]` of {self.path!r} may have {', '.join(_SCORED)}. "
                f"Received: {', '.join(sorted(unknown))}"
            )

    def trial_of(self, row):
        """Return the trial that a row of the study's table is of.

        Args:
            row: Dict of strings, see `keras_imas.report.study.read`.

        Returns:
            `Trial`.
        """
        return Trial(
            row["data"],
            int(row["labeled"]),
            row["method"],
            row["variant"],
            int(row["seed"]),
        )

    def recipe(self, trial):
        """Return the recipe of a trial.

        Args:
            trial: `Trial`.

        Returns:
            `keras_imas.runs.recipe.Recipe`.
        """
        check_choice("method", trial.method, _METHODS)
        if trial.variant not in self.config["variants"]:
            raise ValueError(f"{self.path!r} has no `[variants.{trial.variant}]`")
        numbers = self.config["recipe"] | self.config["variants"][trial.variant]
        unknown = numbers.keys() - {field.name for field in dataclasses.fields(Recipe)}
        if unknown:
            raise ValueError(
                f"The recipe of {trial.name!r} in {self.path!r} has fields that no "
                f"recipe has: {', '.join(sorted(unknown))}"
            )
        method = _TRAINED_AS.get(trial.method, trial.method)
        return Recipe(**_with_tuples(numbers), method=method, seed=trial.seed)

    def check_recipe(self, trial, result):
        """Refuse what a trial found with another recipe or data than it has now.

        Args:
            trial: `Trial`.
            result: Dict, as in `trial.json`. What its recipe lacks was as by default;
                an earlier version's tells nothing of its data.

        Raises:
            ValueError: If they differ; it names in what.
        """
        default, now = map(dataclasses.asdict, (Recipe(), self.recipe(trial)))
        before = standard_json.as_read(default | result["recipe"])
        folder = self.config["data"][trial.data]
        for how, name, then, wanted in (
            ("by another recipe", "variant", before, standard_json.as_read(now)),
            ("on other data", "data", result.get("folder", folder), folder),
        ):
            different = differences(then, wanted)
            if different:
                raise ValueError(
                    f"{trial.name!r} was trained {how} than {self.path!r} has: "
                    f"{different}. Name the {name} otherwise; or remove the trial's "
                    "directory, and its rows in the table, to train it again"
                )

    def examples(self, trial):
        """List the images of a trial.

        Args:
            trial: `Trial`.

        Returns:
            `(parts, scored)`: `keras_imas.runs.parts.Parts` to train on, whose
            unlabeled images have masks that training does not see; and dict of
            `Examples` to score: "unlabeled", "val" and "far".
        """
        folder, paths = self._folder_and_lists(trial)

        def read(names, images=folder.images, masks=folder.masks, **options):
            return folder.read_folder(images, masks, names, **options).cached("memory")

        lists = {name: read(path, labeled=False) for name, path in paths.items()}
        held_out = [lists[name] for name in ("far", "left_out") if name in lists]
        if folder.val_images:
            val = read(folder.val, folder.val_images, folder.val_masks)
            held_out.append(val)

        def pool(name):
            mask_name = folder.mask_name or None
            part = lists.get(name) or read(
                sorted(data.with_masks(folder.images, folder.masks, mask_name)),
                labeled=False,
            )
            held = (data.splits.in_both(other, part).values() for other in held_out)
            return data.splits.rest(part.names, *held)

        candidates = pool("labeled")
        count = trial.labels
        if count > len(candidates):
            raise ValueError(
                f"{trial.name!r} has {count} labels, and {len(candidates)} images to "
                "draw them from"
            )
        labeled = data.splits.nested(candidates, [count], trial.seed)[count]
        unlabeled = data.splits.rest(pool("unlabeled"), labeled)
        if not unlabeled:
            raise ValueError(
                f"{trial.name!r} has no unlabeled images: all are labeled or held out"
            )
        everything = trial.method == ALL_MASKS
        parts = Parts.of(
            labeled=read(sorted([*labeled, *unlabeled]) if everything else labeled),
            unlabeled=read(unlabeled),
            validation=None,
            select_on=None,
            pipeline=folder.pipeline,
            **folder.legend(),
        )
        every = self.config.get("score_every", {})
        scored = {"unlabeled": read(unlabeled[:: every.get("unlabeled", 1)])}
        if folder.val_images:
            names = val.names[:: every.get("val", 1)]
            scored["val"] = read(names, folder.val_images, folder.val_masks)
        if "far" in lists:
            scored["far"] = read(lists["far"].names[:: every.get("far", 1)])
        return parts, scored

    def _folder_and_lists(self, trial):
        """Return where the images of a trial are, and the paths of lists of them."""
        if trial.data not in self.config["data"]:
            raise ValueError(f"{self.path!r} has no `[data.{trial.data}]`")
        options = dict(self.config["data"][trial.data])
        values = dataclasses.asdict(trial)
        paths = {
            name: options.pop(name).format(**values)
            for name in _LISTS
            if name in options
        }
        ignored = sorted(options.keys() - _FOLDER)
        if ignored:
            raise ValueError(
                f"`[data.{trial.data}]` of {self.path!r} has fields without effect in "
                f"a study: {', '.join(ignored)}. It may have "
                f"{', '.join(sorted(_FOLDER.union(_LISTS)))}"
            )
        return sources.Folder(**_with_tuples(options)), paths

    def run(self, trial, directory):
        """Train and score a trial.

        Args:
            trial: `Trial`.
            directory: New directory for the last teacher, `trial.json` and, with a
                method that scores unlabeled images, `hardness.parquet`.

        Returns:
            Dict, as in `trial.json`.
        """
        start = time.perf_counter()
        recipe = self.recipe(trial)
        keras.utils.set_random_seed(trial.seed)
        parts, scored = self.examples(trial)
        plan = Plan.of(recipe, parts)
        labels = parts.num_classes, parts.ignore_class
        scores = TrialScores(
            {
                name: data.evaluation(part, pipeline=parts.pipeline)
                for name, part in scored.items()
            },
            self.config["readings"],
            _epochs(_LAST, plan),
            *labels,
        )
        crops = data.supervised(
            parts.unlabeled,
            crop_size=recipe.crop_size,
            scale_range=(recipe.scale_min, recipe.scale_max),
            ignore_class=parts.ignore_class,
            seed=trial.seed,
            pipeline=parts.pipeline,
        )
        quality = PseudoLabelQuality(crops, _epochs(_COURSE, plan), *labels)
        callbacks = [scores, quality]
        if not plan.supervised:
            table = os.path.join(directory, "hardness.parquet")
            callbacks.append(HardnessLog(table, parts.unlabeled))
        oracle = trial.method == ORACLE
        model = plan.model(model_class=Oracle if oracle else IMAS)
        history = model.fit(
            plan.batches(unlabeled_labels=oracle),
            epochs=plan.epochs,
            callbacks=callbacks,
            verbose=2,
            shuffle=False,
        )
        result = {
            **dataclasses.asdict(trial),
            "split_seed": trial.seed,
            "steps": plan.steps,
            "class_names": list(parts.class_names),
            "recipe": dataclasses.asdict(recipe),
            "folder": self.config["data"][trial.data],
            "evaluations": scores.found,
            "pseudo_labels": quality.found,
            "history": {
                name: [round(float(value), 5) for value in values]
                for name, values in history.history.items()
            },
            "revision": provenance.git_revision(),
            "backend": keras.backend.backend(),
            "minutes": round((time.perf_counter() - start) / 60, 1),
        }
        segmenter(model.teacher).save(os.path.join(directory, "teacher_last.keras"))
        text = standard_json.dumps(result, indent=1)
        write_whole(os.path.join(directory, "trial.json"), text)
        return result


def _with_tuples(options):
    """Return options with tuples, which TOML has not, instead of lists."""
    return {k: tuple(v) if isinstance(v, list) else v for k, v in options.items()}


def _epochs(parts, plan):
    return {max(round(part * plan.epochs), 1) for part in parts}
