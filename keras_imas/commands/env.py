"""Print versions, devices and settings, for a bug report.

    keras-imas env

Paste all of it into the report.
"""

import os
import platform

import keras

from keras_imas.backends.devices import device_names
from keras_imas.runs import provenance

FIRST = {}
_OTHERS = (
    "tensorflow-datasets",
    "keras-hub",
    "pillow",
    "absl-py",
    "pyarrow",
    "safetensors",
    "onnx",
    "onnxruntime",
    "openvino",
    "ai-edge-litert",
    "plotly",
    "jinja2",
)
_VARIABLES = (
    "KERAS_BACKEND",
    "CUDA_VISIBLE_DEVICES",
    "XLA_FLAGS",
    "JAX_PLATFORMS",
    "TF_XLA_FLAGS",
    "OMP_NUM_THREADS",
)


def define():
    """Define its flags: it has none."""


def main(argv):
    """Print the facts, a line each.

    Args:
        argv: Command line, of which absl has taken the flags.
    """
    facts = _facts().items()
    print("\n".join(f"{name + ':':21}{value}" for name, value in facts))


def _facts():
    versions = {n: v or "not installed" for n, v in provenance.versions().items()}
    revision = provenance.git_revision()
    ours = versions.pop("keras-imas")
    facts = {
        "keras-imas": f"{ours}, git {revision[:12]}" if revision else ours,
        "python": versions.pop("python"),
        "system": platform.platform(),
        "processors": f"{os.cpu_count()}, {platform.machine()}",
        "backend": keras.backend.backend(),
        "devices": ", ".join(device_names()),
        **versions,
    }
    others = provenance.package_versions(_OTHERS)
    facts |= {name: version for name, version in others.items() if version}
    given = [f"{name}={os.environ[name]}" for name in _VARIABLES if name in os.environ]
    return {**facts, "variables": " ".join(given) or "none"}
