"""What the PyTorch backend computes for all tensors at once, as it does on GPUs."""

import keras
import numpy as np
import pytest

if keras.backend.backend() != "torch":
    pytest.skip("of PyTorch alone", allow_module_level=True)

import torch

from keras_imas.backends.formulations import torch as formulations
from keras_imas.models.resize import resize_bilinear


def variables(seed):
    rng = np.random.default_rng(seed)
    shapes = ((3, 4), (5,), ())
    return [
        keras.Variable(rng.normal(size=shape).astype("float32")) for shape in shapes
    ]


def values(variables):
    return [variable.numpy() for variable in variables]


@pytest.mark.parametrize("decay", [0.0, 0.75, 1.0])
def test_averages_all_at_once_as_one_by_one(decay):
    averaged = []
    for multi_tensor in (True, False):
        teacher, student = variables(0), variables(1)
        pairs = list(zip(teacher, student, strict=True))
        formulations.average(pairs, torch.tensor(decay), multi_tensor)
        averaged.append(values(teacher))
    for many, single, old, new in zip(
        *averaged, values(variables(0)), values(variables(1)), strict=True
    ):
        np.testing.assert_allclose(many, single, rtol=1e-6, atol=1e-7)
        if decay in (0.0, 1.0):
            np.testing.assert_array_equal(many, old if decay else new)


@pytest.mark.parametrize("l2", [0.0, 0.1])
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_descends_all_at_once_as_one_by_one(momentum, l2):
    results = []
    for multi_tensor in (True, False):
        trained, velocities = variables(0), variables(1)
        gradients = [variable.value.detach() for variable in variables(2)]
        for _ in range(2):
            formulations.descend(
                trained,
                velocities if momentum else [None] * len(trained),
                gradients,
                torch.tensor(0.5),
                momentum,
                l2,
                multi_tensor,
            )
        results.append(values([*trained, *velocities]))
    for many, single in zip(*results, strict=True):
        np.testing.assert_allclose(many, single, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_sums_of_all_at_once_find_what_is_not_finite(bad):
    tensors = [torch.ones(4), torch.ones(3)]
    for multi_tensor in (True, False):
        sums = formulations.sums(tensors, multi_tensor)
        assert torch.isfinite(torch.stack(list(sums))).all()
    tensors[1][2] = bad
    for multi_tensor in (True, False):
        sums = formulations.sums(tensors, multi_tensor)
        assert torch.isfinite(torch.stack(list(sums))).tolist() == [True, False]


def test_restores_where_it_is_said():
    trained = variables(0)
    restore = formulations.snapshot(trained)
    for variable in trained:
        variable.assign(variable * float("nan"))
    restore(torch.tensor(False))
    assert all(np.isnan(value).all() for value in values(trained))
    restore(torch.tensor(True))
    for value, old in zip(values(trained), values(variables(0)), strict=True):
        np.testing.assert_array_equal(value, old)


def test_a_size_first_met_without_gradients_can_be_trained_on():
    images = torch.rand(1, 3, 5, 2)
    with torch.inference_mode():
        resize_bilinear(images, 11, 13)
    images.requires_grad_()
    resize_bilinear(images, 11, 13).sum().backward()
    assert images.grad.sum() > 0
