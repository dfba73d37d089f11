"""Scenarios of `fit` and its like, from the first step on."""

import keras
import numpy as np
import pyarrow.parquet
from behaviours import facts, tiny

import keras_imas

SCENARIOS = (
    "fit",
    "uniform",
    "supervised",
    "hard_examples",
    "schedule",
    "skipped",
    "stopped",
    "gradient",
    "unchecked",
    "accumulation",
    "mixed_float16",
    "mixed_bfloat16",
    "steps_per_execution",
    "train_on_batch",
    "sources",
    "hardness_log",
    "evaluation",
)


def trained(model, data=None, epochs=2, **options):
    """Train; return what was logged and what has become of the variables."""
    inputs, labels = data or tiny.batch()
    options = {"batch_size": tiny.BATCH_SIZE, "epochs": epochs, **options}
    fitted = facts.fit(model, inputs, labels, **options)
    return {"fit": fitted, "variables": facts.variables(model)}


def fit(directory):
    model = tiny.model(pairing_group_size=2)
    images, labels = tiny.images(6, seed=2)
    result = trained(model, validation_data=(images, labels), validation_batch_size=3)
    result["again"] = trained(model, epochs=1, shuffle=False)
    result["predict"] = facts.array(model.predict(images, batch_size=4, verbose=0))
    values = model.evaluate(images, labels, batch_size=3, verbose=0, return_dict=True)
    result["evaluate"] = facts.exactly(values)
    result["evaluate_list"] = facts.arrays(model.evaluate(images, labels, verbose=0))
    return result


def uniform(directory):
    model = tiny.model(
        tiny.network(auxiliary=False),
        adaptive_intensity=False,
        adaptive_cutmix=False,
        hardness_weighting=False,
    )
    return trained(model, tiny.batch(valid=False, index=False)) | {
        "sometimes": trained(tiny.model(cutmix_probability=0.5, auxiliary_weight=1.0))
    }


def supervised(directory):
    inputs, labels = tiny.batch()
    model = tiny.model()
    inputs = {"labeled": inputs["labeled"]}
    weights = np.linspace(0.5, 1.5, len(labels)).astype("float32")
    result = trained(model, (inputs, labels), callbacks=[])
    result["weighted"] = trained(
        model, (inputs, labels), sample_weight=weights[:, None, None]
    )
    return result


def hard_examples(directory):
    loss = keras_imas.losses.OHEMCrossentropy(threshold=0.5, min_kept=300)
    return trained(tiny.model(compiled={"loss": loss}))


def schedule(directory):
    schedules = keras.optimizers.schedules
    model = tiny.model(
        unlabeled_weight=schedules.PolynomialDecay(0.5, 4, 3.0),
        supervised_only_steps=2,
        ema_copy_steps=2,
        ema_decay=0.9,
        background_class=0,
        compiled={"optimizer": tiny.optimizer(
            learning_rate=schedules.CosineDecay(0.1, 6), multipliers={"auxiliary": 10.0}
        )},
    )  # fmt: skip
    return trained(model)


def damaged(**places):
    """Return a batch where some images are NaN."""
    inputs, labels = tiny.batch()
    for name, place in places.items():
        inputs[name] = inputs[name].copy()
        inputs[name][place, 2, 3] = np.nan
    return inputs, labels


def skipped(directory):
    model = tiny.model(max_skipped_steps=2)
    model.image_names = {"labeled": [f"photo {i}" for i in range(12)]}
    data = damaged(labeled=0, unlabeled=5, unlabeled_strong=5)
    return trained(model, data, shuffle=False)


def stopped(directory):
    model = tiny.model()
    model.image_names = {
        name: [f"{name} {i}" for i in range(12)] for name in ("labeled", "unlabeled")
    }
    result = trained(model, damaged(labeled=6, unlabeled=5), shuffle=False)
    result["again"] = trained(model, epochs=1)
    return result


@keras.saving.register_keras_serializable(package="behaviours")
class Steep(keras_imas.losses.Crossentropy):
    """A finite loss whose gradient is NaN where the first label map ends with 2."""

    def __call__(self, y_true, y_pred, sample_weight=None):
        """Return the cross-entropy and a little of the logits' norm."""
        other = keras.ops.cast(y_true[0, -1, -1] != 2, y_pred.dtype)
        norm = keras.ops.sqrt(other * keras.ops.sum(keras.ops.square(y_pred)))
        return super().__call__(y_true, y_pred, sample_weight) + 1e-3 * norm


def gradient(directory):
    inputs, labels = tiny.batch(index=False)
    labels[:, -1, -1] = np.arange(len(labels)) % 4 // 2
    result = {}
    for name, places in (("skipped", [4]), ("stopped", [0, 4])):
        facts.fresh()
        labels[places, -1, -1] = 2
        inner = tiny.optimizer(clipnorm=1.0)
        compiled = {"loss": Steep(), "optimizer": inner}
        model = tiny.model(max_skipped_steps=1, compiled=compiled)
        result[name] = trained(model, (inputs, labels), epochs=1, shuffle=False)
    return result


def unchecked(directory):
    model = tiny.model(max_skipped_steps=None)
    result = trained(model)
    result["damaged"] = trained(model, damaged(labeled=6), epochs=1, shuffle=False)
    return result


def accumulation(directory):
    optimizer = tiny.optimizer(gradient_accumulation_steps=2)
    model = tiny.model(
        compiled={"optimizer": optimizer},
        supervised_only_steps=1,
        ema_copy_steps=2,
        max_skipped_steps=3,
    )
    return trained(model, damaged(labeled=9), shuffle=False, epochs=3)


def _mixed(policy):
    keras.config.set_dtype_policy(policy)
    result = trained(tiny.model(max_skipped_steps=1))
    images, _ = tiny.images(4)
    model = tiny.model(max_skipped_steps=1)
    result["damaged"] = trained(model, damaged(unlabeled=5), shuffle=False)
    result["predict"] = facts.array(model.predict(images, verbose=0))
    return result


def mixed_float16(directory):
    result = _mixed("mixed_float16")
    scale = keras.optimizers.LossScaleOptimizer(
        tiny.optimizer(), initial_scale=2.0**24, dynamic_growth_steps=2
    )
    # The first steps overflow, until the scale has fallen.
    result["overflow"] = trained(tiny.model(compiled={"optimizer": scale}), epochs=4)
    return result


def mixed_bfloat16(directory):
    return _mixed("mixed_bfloat16")


def steps_per_execution(directory):
    compiled = {"steps_per_execution": 2, "optimizer": keras.optimizers.Adam(0.01)}
    model = tiny.model(compiled=compiled, max_skipped_steps=1)
    result = trained(model, tiny.batch(16))
    result["damaged"] = trained(model, damaged(labeled=6), epochs=1, shuffle=False)
    return result


def train_on_batch(directory):
    inputs, labels = tiny.batch(4)
    model = tiny.model(max_skipped_steps=1)
    damaged = {**inputs, "labeled": inputs["labeled"] * np.float32("nan")}
    result = {"logs": []}
    for part in (inputs, inputs, damaged, inputs):
        values = model.train_on_batch(part, labels, return_dict=True)
        result["logs"].append(facts.exactly(values))
    result["error"] = [
        facts.error_of(lambda: model.train_on_batch(damaged, labels)) for _ in range(2)
    ]
    result["list"] = facts.arrays(model.train_on_batch(inputs, labels))
    images = inputs["labeled"]
    result["test"] = facts.arrays(model.test_on_batch(images, labels, return_dict=True))
    result["predict"] = facts.array(model.predict_on_batch(images))
    return result | {"variables": facts.variables(model)}


class Sequence(keras.utils.PyDataset):
    """Batches of `keras.utils.PyDataset`."""

    def __init__(self):
        super().__init__()
        self.inputs, self.labels = tiny.batch()

    def __len__(self):
        return 3

    def __getitem__(self, index):
        part = slice(4 * index, 4 * index + 4)
        inputs = {name: value[part] for name, value in self.inputs.items()}
        return inputs, self.labels[part]


def sources(directory):
    model = tiny.model()
    data = Sequence()
    endless = (data[number % 3] for number in iter(int, 1) for number in range(3))
    result = {
        "sequence": facts.fit(model, data, epochs=2),
        "generator": facts.fit(model, endless, steps_per_epoch=2, epochs=2),
        "batches": facts.fit(model, tiny.batches(), epochs=2),
        "batches again": facts.fit(model, tiny.batches(), epochs=1),
        "batches by steps": facts.fit(
            model, tiny.batches().repeat(), steps_per_epoch=3, epochs=2
        ),
    }
    if keras.backend.backend() == "torch":
        import torch

        loader = torch.utils.data.DataLoader([data[0], data[1]], batch_size=None)
        result["loader"] = facts.fit(model, loader, epochs=1)
    return result | {"variables": facts.variables(model)}


def rows(path):
    """Return the rows of a table of hardness, exactly."""
    return [
        " ".join(v.hex() if isinstance(v, float) else str(v) for v in row.values())
        for row in pyarrow.parquet.read_table(path).to_pylist()
    ]


def hardness_log(directory):
    path = f"{directory}/hardness.parquet"
    names = [f"street {i}" for i in range(16)]
    model = tiny.model()
    log = keras_imas.callbacks.HardnessLog(path, names)
    result = {"fit": facts.fit(model, tiny.batches(), epochs=2, callbacks=[log])}
    result["rows"] = rows(path)
    result["hardness"] = facts.array(log.hardness)
    log = keras_imas.callbacks.HardnessLog(path, 12)
    result["another number"] = trained(model, callbacks=[log])
    log = keras_imas.callbacks.HardnessLog(path, 12)
    model = tiny.model()
    result["arrays"] = trained(model, callbacks=[log], initial_epoch=1)
    result["rows of arrays"] = rows(path)
    result["without"] = trained(model, epochs=1)
    return result


def evaluation(directory):
    images, labels = tiny.images(5, seed=2, size=20)
    held_out = [(images[:2], labels[:2]), (images[2:], labels[2:])]
    path = f"{directory}/best.keras"
    options = {"window": 16, "filepath": path, "select_on": held_out[:1]}
    callback = keras_imas.callbacks.Evaluation(
        held_out, tiny.CLASSES, every=2, **options
    )
    result = trained(tiny.model(), callbacks=[callback], epochs=3)
    result["state"] = str(callback.get_state())
    result["best"] = facts.array(keras.saving.load_model(path)(images))
    return result
