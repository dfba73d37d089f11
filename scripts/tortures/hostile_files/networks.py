"""Attack with models, weights and checkpoints: damaged ones, and ones with code."""

import io
import pickle
import zipfile

from tortures.hostile_files.fuzzing import mutated


class _Evil:
    """Make a file when unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return open, (self.path, "w")


def checkpoints(torture, tally):
    """Load damaged models and weights, and some with code in them."""
    import keras

    from keras_imas.runs.safe_loading import load_model

    root = torture.room("checkpoints")
    random = torture.random("checkpoints")
    layers = [keras.Input((8, 8, 3)), keras.layers.Conv2D(2, 3, padding="same")]
    network = keras.Sequential(layers)
    whole = root / "whole.keras"
    network.save(whole)
    for number in range(torture.times(300)):
        path = root / f"{number}.keras"
        path.write_bytes(mutated(whole.read_bytes(), random))
        tally.attempt(path.name, load_model, path)
        path.unlink()

    # With code: a lambda in the configuration, pickles where weights should be.
    proof = root / "unpickled"
    with_code = keras.Sequential([*layers, keras.layers.Lambda(lambda x: x)])
    lambdas = root / "lambda.keras"
    with_code.save(lambdas)
    found = tally.attempt(lambdas.name, load_model, lambdas)
    evil = pickle.dumps({"conv1.0.weight": _Evil(proof)})
    pickles = {"evil.pth": evil, "evil.weights.h5": evil, "evil.keras": evil}
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("archive/data.pkl", evil)
        file.writestr("archive/version", "3\n")
    pickles["evil_zip.pth"] = archive.getvalue()
    whole_checkpoint = torch_checkpoint()
    count = torture.times(200) if whole_checkpoint else 0
    for number in range(count):
        pickles[f"{number}.pth"] = mutated(whole_checkpoint, random)
    for name, content in pickles.items():
        path = root / name
        path.write_bytes(content)
        if name.endswith(".keras"):
            tally.attempt(name, load_model, path)
        else:
            deep = name.endswith(".pth")
            if deep and not whole_checkpoint:
                continue
            backbone = "resnet50_deep_stem" if deep else "mobilenet_v2"
            tally.attempt(name, load_encoder, backbone, path)
    if proof.exists() or found is not None:
        tally.counts["accepted"] += 1
        tally.worst = "code in a file was run"


def load_encoder(backbone, path):
    from keras_imas.models import dilated_backbone

    dilated_backbone(
        backbone, weights=path and str(path), input_shape=(32, 32, 3), output_stride=32
    )


def torch_checkpoint():
    try:
        import torch
    except ImportError:  # it is optional
        return None
    file = io.BytesIO()
    torch.save({"conv1.0.weight": torch.zeros(64, 3, 3, 3)}, file)
    return file.getvalue()
