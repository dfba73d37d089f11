"""The model card of a run: what its network was trained on, and how good it is."""

import dataclasses
import os
import re
import shlex

from keras_imas.evaluation import by_class, distinct_names
from keras_imas.files import standard_json
from keras_imas.files.whole_file import write_whole
from keras_imas.inference.drawing import class_table
from keras_imas.runs.recipe import Recipe

FILE = "MODEL_CARD.md"
_METHODS = {
    "imas": "iMAS (Zhao et al., CVPR 2023)",
    "uniform": "consistency training without hardness",
    "supervised": "supervised training, on labeled images alone",
}
_PARTS = {
    "labeled": "labeled, to train on",
    "unlabeled": "unlabeled, to train on",
    "validation": "labeled, to measure on",
    "select_on": "labeled, to choose the best epoch on",
}
# Told even where they are the defaults.
_SETTINGS = (
    "method",
    "backbone",
    "weights",
    "crop_size",
    "labeled_batch_size",
    "unlabeled_batch_size",
    "optimizer",
    "learning_rate",
    "seed",
)
_OF_NETWORK = ("backbone", "weights", "output_stride", "multi_grid", "auxiliary_head")
_OF_LENGTH = ("steps", "epochs")  # the run tells what came of them
_WEAK = 0.3
_FRONT = """\
---
library_name: keras
pipeline_tag: image-segmentation
tags:
- keras
- keras-imas
- semantic-segmentation
- semi-supervised-learning
# Before you share the network, name its license: that of the photographs, and of the
# weights that the encoder started from, may have a say.
# license: other
---
"""


def save_model_card(output_dir, facts, history):
    """Write the model card of a run beside its networks.

    Args:
        output_dir: Directory of the run.
        facts: Dict of its `run.json`.
        history: List of the dicts of its `history.jsonl`.
    """
    name = os.path.basename(os.path.abspath(output_dir))
    write_whole(os.path.join(output_dir, FILE), model_card(name, facts, history))


def model_card(name, facts, history):
    """Describe the network of a run, as the Hugging Face Hub shows it.

    Args:
        name: Name of the run.
        facts: Dict of its `run.json`.
        history: List of the dicts of its `history.jsonl`.

    Returns:
        Markdown with a front matter of YAML.

    Example:
        >>> facts = {"class_names": ["road", "sky"], "labeled": 5, "recipe": {}}
        >>> "Nothing was measured" in model_card("folder-imas-1", facts, [])
        True
    """
    best = _best_row(facts, history)
    sections = [
        f"# {name}\n\n{_about(facts)}",
        f"## Use\n\n{_use(name, best is not None)}",
        f"## Data\n\n{_data(facts)}",
        f"## Scores\n\n{_scores(facts, history, best)}",
        f"## Intended use and limits\n\n{_limits(facts, best)}",
        f"## Training\n\n{_training(facts)}",
    ]
    return _FRONT + "\n" + "\n\n".join(sections) + "\n"


def _about(facts):
    names = facts["class_names"]
    images = f"{facts['labeled']} labeled"
    if _used(facts, "unlabeled"):
        images += f" and {facts['unlabeled']} unlabeled"
    return (
        f"A network for semantic segmentation: it gives each pixel of a photograph one "
        f"of {len(names)} classes. It was trained by keras-imas on {images} images."
    )


def _used(facts, part):
    """Tell whether a run has used images of a part; supervised, no unlabeled ones."""
    unused = part == "unlabeled" and facts["recipe"].get("method") == "supervised"
    return bool(facts.get(part)) and not unused


def _use(name, measured):
    best = "`teacher_best.keras`, the teacher of the best epoch"
    last = "`teacher_last.keras`, the teacher after the last epoch"
    folder = standard_json.dumps(name, ensure_ascii=False)  # as Python reads it
    return f"""\
```python
import keras_imas

run = keras_imas.load({folder})  # the folder of this card
found = run.predict("photo.jpg")
found.classes, found.colors, found.confidence
```

This loads {best if measured else last}. It is a Keras model from RGB images, 0 to 255,
to logits."""


def _data(facts):
    sizes = facts.get("image_sizes") or {}
    rows = ["| images | number | height x width |", "|---|---:|---|"]
    rows += [
        f"| {what} | {facts[part]} | {_size_range(sizes.get(part))} |"
        for part, what in _PARTS.items()
        if _used(facts, part)
    ]
    said = [f"Classes: {', '.join(facts['class_names'])}."]
    if facts.get("ignore_class") is not None:
        said.append(f"Pixels labeled {facts['ignore_class']} did not count.")
    if facts.get("image_size"):
        height, width = facts["image_size"]
        said.append(f"Images were resized to {height} x {width} when read.")
    if facts.get("image_range"):
        low, high = facts["image_range"]
        said.append(f"The values {low:g} to {high:g} of the files became 0 to 255.")
    for part, images in (facts.get("skipped") or {}).items():
        said.append(f"{len(images)} {part} images could not be read and were left out.")
    if facts.get("split"):
        said.append(f"Checksum of which image is in which part: {facts['split']}.")
    return "\n".join(rows) + "\n\n" + "\n".join(said)


def _size_range(sizes):
    if not sizes:
        return "not known"
    texts = [f"{height} x {width}" for height, width in sizes]
    return texts[0] if texts[0] == texts[-1] else f"{texts[0]} to {texts[-1]}"


def _scores(facts, history, best):
    if not facts.get("validation"):
        return (
            "Nothing was measured: the run had no validation images. To know how good "
            "the network is, evaluate it on labeled photographs that it was not "
            "trained on (`keras-imas evaluate`)."
        )
    if best is None:
        return "Nothing is known: no pixel of the validation images has a label."
    names = distinct_names(facts["class_names"])
    columns = {
        network: [float("nan") if value is None else value for value in values]
        for network, values in best["iou"].items()
    }
    shown = facts.get("validation_classes", names)
    right = best["val_pixel_accuracy"]
    if facts.get("select_on"):
        chosen = (
            f"It was chosen on {facts['select_on']} other images, so the choice does "
            "not bias these scores."
        )
    else:
        chosen = "It was chosen on these same images, so its scores are optimistic."
    return f"""\
Intersection over union (IoU) by class on the {facts["validation"]} validation images,
{_read_by(facts["recipe"])}, after epoch {best["epoch"]} of {history[-1]["epoch"]}, the
best. {chosen}

{class_table(names, columns, [name in shown for name in names])}

The teacher of this epoch is `teacher_best.keras`; it labels {right:.1%} of the
pixels correctly. After the last epoch the mean IoU of the teacher is
{facts["teacher_last"]:.3f}, and of the student {facts["student_last"]:.3f}."""


def _best_row(facts, history):
    """Return the best epoch of the history; `None` where nothing was measured."""
    for row in history:
        iou = row.get("iou", {}).get("teacher", ())
        if row["epoch"] == facts.get("best_epoch") and any(v is not None for v in iou):
            return row
    return None


def _read_by(recipe):
    how = "read whole"
    if recipe.get("window"):
        how = f"read by a sliding window of {recipe['window']} pixels"
    if recipe.get("scale", 1) != 1:
        how += f", enlarged by {recipe['scale']:g}"
    return f"{how}, averaged with their mirror images" if recipe.get("flip") else how


def _limits(facts, best):
    said = [
        "It is meant for photographs like those it was trained on: the same things, a "
        "similar camera and distance, similar seasons and light. On others it may be "
        "wrong while its confidence is high. Measure it on labeled photographs of your "
        "own before you rely on it.",
        "It knows the classes above and no others: anything else in a photograph gets "
        "one of them.",
        "Its confidence is not a calibrated probability.",
    ]
    if _used(facts, "unlabeled"):
        said.append(
            "On the unlabeled images it learned from its own predictions, so it may "
            "repeat mistakes that the labeled images did not correct."
        )
    if best:
        iou = by_class(facts["class_names"], best["iou"]["teacher"])
        shown = facts.get("validation_classes", iou)
        weak = [f"{n} ({iou[n]:.2f})" for n in iou if n in shown and iou[n] < _WEAK]
        if weak:
            said.append(
                f"Do not rely on it for classes of IoU below {_WEAK}: "
                f"{', '.join(weak)}."
            )
        unseen = [name for name in iou if name not in shown]
        if unseen:
            said.append(
                f"How well it finds {', '.join(unseen)} is not known: no validation "
                "image has such a label."
            )
    said.append(
        "Where people's safety, health or rights depend on it, a person must look at "
        "the photograph too."
    )
    return "\n".join(f"- {sentence}" for sentence in said)


def _training(facts):
    recipe = facts["recipe"]
    usual = {f.name: f.default for f in dataclasses.fields(Recipe)}
    left_out = _OF_NETWORK if facts.get("student") else ()
    told = [
        name
        for name in recipe
        if name not in (*left_out, *_OF_LENGTH)
        and (name in _SETTINGS or _plain(recipe[name]) != _plain(usual.get(name)))
    ]
    rows = ["| setting | value |", "|---|---|"]
    if facts.get("student"):
        rows.append(f"| network | {facts['student']}, the caller's own |")
    if facts.get("steps"):
        rows.append(f"| steps | {facts['steps']} |")
    rows += [f"| {name} | {_value(recipe[name])} |" for name in told]
    versions = ", ".join(
        f"{name} {version}"
        for name, version in (facts.get("versions") or {}).items()
        if version
    )
    minutes = facts.get("minutes")
    took = "" if minutes is None else f" It took {minutes} minutes."
    method = _METHODS.get(recipe.get("method"), "not known")
    return f"""\
Method: {method}. Settings that are not listed have their defaults; `run.json` has all
of them.

{chr(10).join(rows)}

```bash
{_command(facts)}
```

Backend {facts.get("backend")}; {versions or "versions not known"}.{took}"""


def _plain(value):
    """Return a value as JSON has it."""
    return list(value) if isinstance(value, tuple) else value


def _value(value):
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "none"
    return "none" if value == "" else str(value).replace("|", "\\|")


def _command(facts):
    """Return the command of a run, without the name of who ran it."""
    program, *arguments = facts.get("command") or ["-c"]
    if program in ("", "-c"):
        return "# keras_imas.runs.experiment.run, called from Python"
    run = ["python", program] if program.endswith(".py") else [program]
    # At the beginning of a word, and of a flag's paths.
    home = re.escape(os.path.expanduser("~"))
    at_home = re.compile(rf"(^|[=,]){home}(?={re.escape(os.sep)}|,|$)")
    return shlex.join(at_home.sub(r"\1~", word) for word in (*run, *arguments))
