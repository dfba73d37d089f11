import dataclasses

import programs
import pytest

from keras_imas.files import standard_json
from keras_imas.runs.study import Study

CONFIG = """
[data.small]
images = "images"
masks = "masks"
num_classes = 3

[readings.whole]

[variants.plain]

[[grid]]
data = ["small"]
labels = [2]
method = ["uniform"]
variant = ["plain"]
seed = [0]
"""


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "some.toml"
    path.write_text(CONFIG)
    return path


@pytest.mark.parametrize("section", ["data", "readings", "variants", "grid"])
def test_a_section_that_is_missing_is_named(section, config):
    config.write_text(CONFIG.replace(f"[{section}", f"[my_{section}"))
    with pytest.raises(ValueError, match=rf"some.toml' has no `\[+{section}"):
        Study(config)


def test_a_result_of_other_data_is_refused(config):
    study = Study(config)
    (trial,) = study.trials
    recipe = standard_json.as_read(dataclasses.asdict(study.recipe(trial)))
    result = {"recipe": recipe, "folder": study.config["data"]["small"]}
    study.check_recipe(trial, result)
    config.write_text(CONFIG.replace('"images"', '"others"'))
    with pytest.raises(ValueError, match="other data .* images was 'images', is 'oth"):
        Study(config).check_recipe(trial, result)


def test_a_trial_that_is_not_there_is_named(config):
    script = programs.ROOT / "scripts" / "study.py"
    trial = "small-2-uniform-plane-0"
    process = programs.run(script, config, f"--trial={trial}", cwd=config.parent)
    assert process.returncode == 1, process.stdout
    assert "did you mean 'small-2-uniform-plain-0'" in process.stdout
    assert "Traceback" not in process.stdout
