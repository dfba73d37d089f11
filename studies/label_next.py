"""List what to label next in the trials of a study: by hardness, by entropy, by chance.

    python studies/label_next.py studies/pairs.toml

Writes `next_RANKING.txt` beside the `hardness.parquet` of each trial: the images that
were labeled, and as many more. RANKING is "hardness", as `keras-imas label-next` ranks,
"entropy", the same with the teacher's mean entropy of a pixel for the hardness,
"difference", the same with 1 for all images, or "random".
"""

import pathlib
import sys

import keras
import numpy as np

from keras_imas.report.label_next import label_next, thumbnail_features
from keras_imas.runs.hardness_table import read_hardness
from keras_imas.runs.study import Study
from keras_imas.runs.trial_scores import predictor


def rankings(study, trial, directory):
    """Yield the name of each ranking, and the images that it takes."""
    parts, _ = study.examples(trial)
    labeled, unlabeled = (
        {
            example["name"]: example["image"]
            for _, example in part.pick(range(len(part)))
        }
        for part in (parts.labeled, parts.unlabeled)
    )
    names, images = zip(*unlabeled.items(), strict=True)
    table = read_hardness(directory / "hardness.parquet")
    hardness = dict(zip(table.images, table.recent(), strict=True))
    network = keras.saving.load_model(directory / "teacher_last.keras", compile=False)
    read = predictor(network, next(iter(study.config["readings"].values())))
    entropy = [-(p * np.log(p + 1e-9)).sum(-1).mean() for p in read(images)]
    scores = {
        "hardness": [hardness[name] for name in names],
        "entropy": entropy / np.max(entropy),
        "difference": np.ones(len(names)),
    }
    features = np.array([thumbnail_features(image) for image in images])
    known = [thumbnail_features(image) for image in labeled.values()]
    for name, score in scores.items():
        order, _ = label_next(score, features, known, len(labeled))
        yield name, [*labeled, *(names[i] for i in order)]
    chosen = np.random.default_rng(trial.seed).permutation(names)[: len(labeled)]
    yield "random", [*labeled, *chosen]


study = Study(sys.argv[1])
for trial in study.trials:
    directory = pathlib.Path("studies", "runs", study.name, trial.name)
    if (directory / "hardness.parquet").exists():
        for name, images in rankings(study, trial, directory):
            path = directory / f"next_{name}.txt"
            path.write_text("\n".join(images) + "\n", encoding="utf-8")
            print(path)
