import keras
import numpy as np
import pytest
from keras import ops

from keras_imas import optimizers
from keras_imas.optimizers import SGD


def sgd(value, gradients, rates, momentum, l2):
    """PyTorch's rule with Keras' place for the learning rate: in the velocity."""
    value, velocity = np.float64(value), 0.0
    for gradient, rate in zip(gradients, rates, strict=True):
        velocity = momentum * velocity - rate * (gradient + l2 * value)
        value = value + velocity
    return value


def problem(steps=5):
    rng = np.random.default_rng(0)
    value = rng.normal(size=(3, 4)).astype("float32")
    return value, rng.normal(size=(steps, 3, 4)).astype("float32")


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("l2", [0.0, 0.1])
def test_matches_numpy(momentum, l2):
    value, gradients = problem()
    variable = keras.Variable(value)
    optimizer = SGD(0.2, momentum, l2=l2)
    for gradient in gradients:
        optimizer.apply([ops.convert_to_tensor(gradient)], [variable])
    expected = sgd(value, gradients, [0.2] * 5, momentum, l2)
    result = ops.convert_to_numpy(variable)
    np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("nesterov", [False, True])
def test_matches_pytorch(nesterov):
    torch = pytest.importorskip("torch")
    value, gradients = problem()
    variable = keras.Variable(value)
    optimizer = SGD(0.2, momentum=0.9, l2=0.1, nesterov=nesterov)
    parameter = torch.nn.Parameter(torch.tensor(value))
    theirs = torch.optim.SGD(
        [parameter], 0.2, momentum=0.9, weight_decay=0.1, nesterov=nesterov
    )
    for gradient in gradients:
        optimizer.apply([ops.convert_to_tensor(gradient)], [variable])
        parameter.grad = torch.tensor(gradient)
        theirs.step()
    result = ops.convert_to_numpy(variable)
    np.testing.assert_allclose(result, parameter.detach().numpy(), rtol=1e-5, atol=1e-6)


def test_learning_rate_may_be_a_schedule():
    value, gradients = problem()
    schedule = keras.optimizers.schedules.PolynomialDecay(0.2, 5, 0.0, power=0.9)
    variable = keras.Variable(value)
    optimizer = SGD(schedule, momentum=0.9, l2=0.1)
    for gradient in gradients:
        optimizer.apply([ops.convert_to_tensor(gradient)], [variable])
    rates = [0.2 * (1 - step / 5) ** 0.9 for step in range(5)]
    expected = sgd(value, gradients, rates, 0.9, 0.1)
    result = ops.convert_to_numpy(variable)
    np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-6)


def test_momentum_amplifies_the_decay_unlike_that_of_keras():
    """Without gradients, after many small steps: by 1 / (1 - momentum)."""
    left = {}
    for name, optimizer in (
        ("ours", SGD(0.01, momentum=0.9, l2=0.01)),
        ("keras", keras.optimizers.SGD(0.01, momentum=0.9, weight_decay=0.01)),
    ):
        variable = keras.Variable(np.ones((1,), "float32"))
        for _ in range(200):
            optimizer.apply([ops.zeros((1,))], [variable])
        left[name] = 1.0 - float(ops.convert_to_numpy(variable)[0])
    assert 8 * left["keras"] < left["ours"] < 10 * left["keras"]


def conv_model():
    layers = [
        keras.Input((4, 4, 3)),
        keras.layers.Conv2D(2, 1),
        keras.layers.BatchNormalization(),
    ]
    return keras.Sequential(layers)


@pytest.mark.parametrize("run_eagerly", [False, True])
def test_decays_every_weight_in_fit(run_eagerly):
    """Biases and batch normalization included; without a loss nothing else moves."""
    model = conv_model()
    model.set_weights([w + 1.0 for w in model.get_weights()])
    before = [ops.convert_to_numpy(v) for v in model.trainable_variables]
    model.compile(
        SGD(0.1, momentum=0.0, l2=0.5),
        lambda y_true, y_pred: 0.0 * ops.sum(y_pred),
        run_eagerly=run_eagerly,
    )
    model.train_on_batch(np.ones((2, 4, 4, 3)), np.zeros((2, 4, 4, 2)))
    for old, variable in zip(before, model.trainable_variables, strict=True):
        result = ops.convert_to_numpy(variable)
        np.testing.assert_allclose(result, 0.95 * old, rtol=1e-5)


def test_saves_and_loads(tmp_path):
    x, y = np.ones((2, 4, 4, 3), "float32"), np.ones((2, 4, 4, 2), "float32")
    model = conv_model()
    model.compile(SGD(0.01, momentum=0.8, l2=0.3, nesterov=True), "mse")
    model.train_on_batch(x, y)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert type(loaded.optimizer) is SGD
    assert loaded.optimizer.l2 == 0.3
    assert loaded.optimizer.get_config() == model.optimizer.get_config()
    for a, b in zip(loaded.optimizer.variables, model.optimizer.variables, strict=True):
        np.testing.assert_allclose(ops.convert_to_numpy(a), ops.convert_to_numpy(b))
    for network in (model, loaded):
        network.train_on_batch(x, y)
    for a, b in zip(loaded.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_config():
    optimizer = SGD.from_config(SGD(0.5, l2=0.25, clipnorm=1.0).get_config())
    config = optimizer.get_config()
    assert (config["l2"], config["momentum"], config["clipnorm"]) == (0.25, 0.0, 1.0)


def test_negative_l2():
    with pytest.raises(ValueError, match="`l2` must not be negative. Received: l2=-1"):
        SGD(l2=-1)


def named(names, values=None):
    variables = []
    for name, value in zip(names, values or [np.zeros((1,))] * len(names), strict=True):
        with keras.name_scope(name):
            variables.append(keras.Variable(value, name="kernel"))
    return variables


def test_rates_of_encoder_and_decoder_match_the_published_program(goldens):
    schedule = keras.optimizers.schedules.PolynomialDecay(0.01, 30, 0.0, power=0.9)
    variables = named(["conv1", "decoder_1"])
    optimizer = SGD(schedule, momentum=0.0, multipliers={"(aspp|decoder)": 10.0})
    expected = goldens["poly_lr"].reshape(30, 2)
    for rates in expected:
        before = [float(v.numpy()[0]) for v in variables]
        optimizer.apply([ops.ones((1,)) for _ in variables], variables)
        after = [float(v.numpy()[0]) for v in variables]
        moved = np.subtract(before, after)
        np.testing.assert_allclose(moved, rates, rtol=1e-3, atol=1e-7)


def test_the_first_pattern_counts():
    variables = named(["a", "ab", "b"])
    optimizer = SGD(1.0, momentum=0.0, multipliers={"^a/": 2.0, "a": 0.0})
    optimizer.apply([ops.ones((1,)) for _ in variables], variables)
    assert [float(v.numpy()[0]) for v in variables] == [-2.0, 0.0, -1.0]


def test_a_multiplier_trains_on_every_backend_and_survives_serialization():
    layers = [keras.Input((2,)), keras.layers.Dense(1, name="frozen")]
    layers += [keras.layers.Dense(1, name="head")]
    optimizer = SGD(0.1, l2=0.1, multipliers={"frozen/": 0.0})
    optimizer = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
    model = keras.Sequential(layers)
    model.compile(optimizer, "mse")
    before = model.get_weights()
    model.fit(np.ones((4, 2)), np.full((4, 1), 9.0), verbose=0)
    moved = [
        abs(a - b).max() > 0 for a, b in zip(before, model.get_weights(), strict=True)
    ]
    assert moved == [False, False, True, True]


@pytest.mark.parametrize("optimizer", [SGD, optimizers.AdamW])
def test_a_pattern_that_matches_nothing_is_refused(optimizer):
    with pytest.raises(ValueError, match="`multipliers` must match.*'decodr'.*a/kern"):
        optimizer(multipliers={"decodr": 10.0}).build(named(["a"]))
    with pytest.raises(ValueError, match="not be negative.*-1"):
        optimizer(multipliers={"a": -1.0})


@pytest.mark.parametrize(
    "options", [{"global_clipnorm": 1e-3}, {"gradient_accumulation_steps": 2}]
)
def test_options_of_keras_work(options):
    variable = keras.Variable(np.zeros((1,), "float32"))
    optimizer = SGD(1.0, momentum=0.0, **options)
    for gradient in (1.0, 3.0):
        optimizer.apply([ops.full((1,), gradient)], [variable])
    expected = -2e-3 if "global_clipnorm" in options else -2.0
    assert float(variable.numpy()[0]) == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize(
    "arguments", [(), (0.2,), (0.2, 0.9), (0.2, 0.9, True), (0.2, 0.9, False, 0.1)]
)
def test_by_default_it_is_that_of_keras(arguments):
    value, gradients = problem()
    after = []
    for kind in (SGD, keras.optimizers.SGD):
        variable = keras.Variable(value)
        optimizer = kind(*arguments)
        for gradient in gradients:
            optimizer.apply([ops.convert_to_tensor(gradient)], [variable])
        after.append(ops.convert_to_numpy(variable))
    np.testing.assert_allclose(*after, rtol=1e-6, atol=1e-7)


def test_adamw_decays_kernels_alone():
    layers = [keras.Input((4, 4, 3)), keras.layers.Conv2D(2, 1)]
    layers.append(keras.layers.BatchNormalization())
    model = keras.Sequential(layers)
    model.trainable_variables[1].assign([0.5, 0.5])
    before = [ops.convert_to_numpy(v) for v in model.trainable_variables]
    optimizer = optimizers.AdamW(0.1, weight_decay=0.5)
    zeros = [ops.zeros(v.shape) for v in model.trainable_variables]
    optimizer.apply(zeros, model.trainable_variables)
    after = [ops.convert_to_numpy(v) for v in model.trainable_variables]
    np.testing.assert_allclose(after[0], 0.95 * before[0], rtol=1e-5)
    for was, now in zip(before[1:], after[1:], strict=True):
        np.testing.assert_array_equal(now, was)


def test_adamw_matches_pytorch_with_two_parameter_groups():
    """A rate and a decay by group, vectors included, under a schedule."""
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    shapes = {"encoder": (3, 4), "encoder_bias": (4,), "head": (4, 2), "bias": (2,)}
    values = [rng.normal(size=s).astype("float32") for s in shapes.values()]
    variables = named(shapes, values)
    schedule = optimizers.PolynomialDecay(0.002, 20)
    optimizer = optimizers.AdamW(
        schedule,
        weight_decay=0.1,
        multipliers={"^(head|bias)/": 4.0},
        decay_vectors=True,
        epsilon=1e-8,
    )
    optimizer = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
    theirs = [torch.nn.Parameter(torch.tensor(value)) for value in values]
    groups = [{"params": theirs[:2]}, {"params": theirs[2:]}]
    adamw = torch.optim.AdamW(groups, 0.002, weight_decay=0.1)
    for step in range(5):
        gradients = [rng.normal(size=s).astype("float32") for s in shapes.values()]
        optimizer.apply([ops.convert_to_tensor(g) for g in gradients], variables)
        for group, factor in zip(adamw.param_groups, (1.0, 4.0), strict=True):
            group["lr"] = 0.002 * factor * (1 - step / 20) ** 0.9
        for parameter, gradient in zip(theirs, gradients, strict=True):
            parameter.grad = torch.tensor(gradient)
        adamw.step()
    for variable, parameter in zip(variables, theirs, strict=True):
        found = ops.convert_to_numpy(variable)
        np.testing.assert_allclose(found, parameter.detach().numpy(), atol=1e-6)


def test_adamw_trains_where_nothing_decays():
    variable = keras.Variable(np.ones((2,), "float32"))
    optimizers.AdamW(0.1).apply([ops.ones((2,))], [variable])
    np.testing.assert_allclose(ops.convert_to_numpy(variable), 0.9, rtol=1e-5)


@pytest.mark.parametrize("decay_vectors", [False, True])
def test_adamw_without_multipliers_is_that_with_factors_of_one(decay_vectors):
    rng = np.random.default_rng(0)
    shapes = {"kernel": (3, 4), "bias": (4,)}
    values = [rng.normal(size=s).astype("float32") for s in shapes.values()]
    after = []
    for multipliers in (None, {"kernel": 1.0}):
        variables = named(shapes, values)
        optimizer = optimizers.AdamW(
            0.1, 0.5, multipliers=multipliers, decay_vectors=decay_vectors
        )
        for _ in range(3):
            optimizer.apply([ops.ones(s) for s in shapes.values()], variables)
        after.append([ops.convert_to_numpy(v) for v in variables])
    for one, other in zip(*after, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)
    # Three steps of 0.1 each, where nothing decays.
    only_moved = np.allclose(after[0][1], values[1] - 0.3, atol=1e-4)
    assert only_moved == (not decay_vectors)


@pytest.mark.parametrize("power", [0.0, 0.9, 1.0])
def test_the_learning_rate_is_finite_at_every_step(power):
    for steps in (3, 30, 3001):
        schedule = optimizers.PolynomialDecay(0.1, steps, power, warmup_steps=7)
        at = np.arange(steps + 3)
        rate = ops.convert_to_numpy(compiled_function(schedule)(at))
        expected = np.clip(1 - at / steps, 0, None) ** power
        expected *= 0.1 * np.minimum((at + 1) / 7, 1)
        np.testing.assert_allclose(rate, expected, atol=1e-5)


def test_recipes_never_end_in_nan():
    """At 200 lengths, in the last step and after it.

    One more step is what a compiler's rounding can make of the last.
    """
    for steps in range(7, 1401, 7):
        at = np.array([steps - 1, steps, steps + 1])
        rate = ops.convert_to_numpy(optimizers.PolynomialDecay(0.01, steps)(at))
        expected = 0.01 * np.clip(1 - at / steps, 0, None) ** 0.9
        np.testing.assert_allclose(rate, expected, rtol=1e-2, atol=1e-8)


def compiled_function(function):
    """Returns a function compiled as training steps are, where the backend does."""
    if keras.backend.backend() == "jax":
        import jax

        return jax.jit(function)
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return tf.function(function, jit_compile=True)
    return function


def test_the_schedule_survives_serialization():
    schedule = optimizers.PolynomialDecay(0.1, 10, 0.5, warmup_steps=3)
    optimizer = optimizers.AdamW(schedule, weight_decay=0.5)
    restored = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
    assert restored.get_config() == optimizer.get_config()
    assert float(restored._learning_rate(1)) == pytest.approx(float(schedule(1)))


@pytest.mark.parametrize(
    ("arguments", "name"),
    [((0.1, 0), "decay_steps"), ((-1, 5), "initial"), ((1, 5, 0.9, -1), "warmup")],
)
def test_a_schedule_refuses_bad_numbers(arguments, name):
    with pytest.raises(ValueError, match=name):
        optimizers.PolynomialDecay(*arguments)
