import keras
import numpy as np
import pytest
import reference
from hypothesis import given
from hypothesis import strategies as st
from keras import ops

import keras_imas
from keras_imas import inference
from keras_imas.imagenet import MEAN_COLOR
from keras_imas.inference.predictor import Predictor
from keras_imas.models.resize import resize_bilinear

CLASSES = 3


def images(count, size=(6, 7), seed=0):
    rng = np.random.default_rng(seed)
    return rng.uniform(0, 255, (count, *size, 3)).astype("float32")


def network(size=(None, None), strides=1, **options):
    layers = [
        keras.Input((*size, 3)),
        keras.layers.Conv2D(CLASSES, 1, strides=strides, **options),
    ]
    return keras.Sequential(layers)


def two_outputs():
    inputs = keras.Input((6, 7, 3))
    outputs = [keras.layers.Conv2D(CLASSES, 1, strides=s)(inputs) for s in (2, 3)]
    return keras.Model(inputs, outputs)


@keras.saving.register_keras_serializable(package="test_inference")
class Subclassed(keras.Model):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.norm = keras.layers.BatchNormalization()
        self.head = keras.layers.Conv2D(CLASSES, 1, strides=2)

    def call(self, images, training=None):
        return self.head(self.norm(images, training=training))


def subclassed():
    model = Subclassed()
    model(images(1))
    return model


@pytest.mark.parametrize(
    "outputs, expected",
    [
        (1, [1]),
        ([1, 2], [1, 2]),
        ((1, 2, 3), [1, 2, 3]),
        ({"logits": 1}, [1]),
        ({"auxiliary": 2, "out": 1}, [1, 2]),
        ({"a": 1, "auxiliary": 2}, [1, 2]),
    ],
)
def test_list_outputs(outputs, expected):
    assert inference.list_outputs(outputs) == expected


@pytest.mark.parametrize(
    "outputs", [{"a": 1, "b": 2}, {"a": 1, "auxiliary": 2, "b": 3}]
)
def test_outputs_of_which_none_is_clearly_the_main_one(outputs):
    with pytest.raises(ValueError, match='"auxiliary".*Received: '):
        inference.list_outputs(outputs)


def test_logits_at_full_resolution_stay():
    logits = ops.cast(ops.convert_to_tensor(images(2)), "float32")
    assert inference.resize_logits(logits, ops.zeros((2, 6, 7, 3))) is logits


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_logits_become_float32_at_the_resolution_of_the_images(dtype):
    logits = ops.cast(ops.convert_to_tensor(images(2, (3, 4)) / 255), dtype)
    result = inference.resize_logits(logits, ops.zeros((2, 6, 9, 1)))
    assert keras.backend.standardize_dtype(result.dtype) == "float32"
    assert tuple(result.shape) == (2, 6, 9, 3)
    corners = ops.convert_to_numpy(result)[:, ::5, ::8]
    expected = ops.convert_to_numpy(ops.cast(logits, "float32"))[:, ::2, ::3]
    np.testing.assert_allclose(corners, expected, atol=1e-6)


def test_logits_of_another_rank():
    with pytest.raises(ValueError, match=r"\(batch, height, width, classes\).*\(2, 5"):
        inference.resize_logits(ops.zeros((2, 5)), ops.zeros((2, 6, 7, 3)))


def test_networks_run_in_inference_mode():
    inputs = keras.Input((6, 7, 3))
    x = keras.layers.BatchNormalization()(keras.layers.Dropout(0.9)(inputs))
    model = keras.Model(inputs, keras.layers.Conv2D(CLASSES, 1)(x))
    before = model.get_weights()
    first, second = (
        ops.convert_to_numpy(inference.full_size_logits(model, images(2)))
        for _ in range(2)
    )
    np.testing.assert_array_equal(first, second)
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    "make",
    [
        lambda: network((6, 7)),
        lambda: network((6, 7), strides=2),
        network,
        lambda: network(strides=3),
        two_outputs,
        subclassed,
    ],
    ids=["fixed", "fixed, low", "any size", "any size, low", "outputs", "subclassed"],
)
def test_segmenter(make, tmp_path):
    model = make()
    wrapped = inference.segmenter(model)
    wrapped.save(tmp_path / "segmenter.keras")
    loaded = keras.saving.load_model(tmp_path / "segmenter.keras")
    for size in ((6, 7), (9, 5)):
        if None not in wrapped.input_shape[1:] and size != (6, 7):
            continue
        x = images(2, size)
        logits = wrapped.predict(x, verbose=0)
        assert logits.shape == (2, *size, CLASSES) and logits.dtype == "float32"
        expected = ops.convert_to_numpy(inference.full_size_logits(model, x))
        np.testing.assert_allclose(logits, expected, rtol=1e-4, atol=1e-3)
        np.testing.assert_allclose(
            loaded.predict(x, verbose=0), logits, rtol=1e-4, atol=1e-3
        )


def test_segmenter_shares_the_weights():
    model = network((6, 7))
    wrapped = inference.segmenter(model)
    model.set_weights([np.zeros_like(w) for w in model.get_weights()])
    np.testing.assert_array_equal(wrapped.predict(images(1), verbose=0), 0.0)


def test_segmenter_returns_float32_under_mixed_precision():
    wrapped = inference.segmenter(network((6, 7), strides=2, dtype="mixed_bfloat16"))
    assert keras.backend.standardize_dtype(wrapped.output.dtype) == "float32"
    assert wrapped.predict(images(1), verbose=0).dtype == "float32"


def test_segmenter_evaluates():
    wrapped = inference.segmenter(two_outputs())
    metric = keras_imas.metrics.MeanIoU(CLASSES)
    wrapped.compile(
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=[metric],
    )
    labels = np.zeros((2, 6, 7), "int32")
    values = wrapped.evaluate(images(2), labels, verbose=0, return_dict=True)
    classes = wrapped.predict(images(2), verbose=0).argmax(-1)
    expected = reference.mean_iou(labels, classes, CLASSES)
    assert values["mean_iou"] == pytest.approx(expected, abs=1e-5)


def test_score_hardness(capsys):
    model = keras_imas.IMAS(
        network(strides=2), confidence_threshold=0.9, background_class=1
    )
    kernel, bias = model.student.get_weights()
    model.student.set_weights([0.05 * kernel, bias])
    model.teacher.set_weights([0.04 * kernel, bias + 1.0])
    pictures = [images(1, size, seed)[0] for seed, size in enumerate([(6, 7), (8, 5)])]
    pictures.append(pictures[0])
    scores = inference.score_hardness(model, iter(pictures), verbose=0)
    assert scores.shape == (3,) and scores.dtype == "float32"
    assert capsys.readouterr().out == ""
    expected = [
        reference.image_hardness(
            *(
                ops.convert_to_numpy(inference.full_size_logits(n, picture[None]))[0]
                for n in (model.student, model.teacher)
            ),
            confidence_threshold=0.9,
            background_class=1,
        )
        for picture in pictures
    ]
    np.testing.assert_allclose(scores, expected, atol=1e-5)
    assert 0 < scores[0] < 1 and scores[0] != scores[1]
    inference.score_hardness(model, np.stack(pictures[::2]).astype("uint8"), count=2)
    assert capsys.readouterr().out == "Scored 2 of 2 images\n"


def test_score_hardness_of_no_images():
    scores = inference.score_hardness(keras_imas.IMAS(network()), [], verbose=0)
    assert scores.shape == (0,)


# Each pixel's logits depend on its neighbours, so that windows matter.
NETWORK = keras.Sequential(
    [
        keras.Input((None, None, 3)),
        keras.layers.Rescaling(1 / 127.5, offset=-1),
        keras.layers.Conv2D(CLASSES, 3, padding="same"),
    ]
)


def naive(image, window, stride, mirrored=False):
    """Average the softmax of all windows, a pixel near an edge counting least."""
    if mirrored:
        return naive(image[:, ::-1], window, stride)[:, ::-1]
    kernel, bias = map(np.asarray, NETWORK.get_weights())
    height, width = image.shape[:2]
    total = np.zeros((height, width, CLASSES))
    count = np.zeros((height, width, 1))
    to_edge = [min(i, window - 1 - i) + 1 for i in range(window)]
    weights = np.outer(to_edge, to_edge)[..., None]
    step = int(np.ceil(stride * window))

    def starts(side):
        result, at = [], 0
        while at + window < side:
            result.append(at)
            at += step
        return [*result, max(side - window, 0)]

    for top in starts(height):
        for left in starts(width):
            crop = np.full((window, window, 3), MEAN_COLOR, "float64")
            pixels = image[top : top + window, left : left + window]
            crop[: pixels.shape[0], : pixels.shape[1]] = pixels
            x = np.pad(crop / 127.5 - 1, ((1, 1), (1, 1), (0, 0)))
            logits = sum(
                x[i : i + window, j : j + window] @ kernel[i, j]
                for i in range(3)
                for j in range(3)
            )
            p = reference.softmax(logits + bias)[: pixels.shape[0], : pixels.shape[1]]
            inside = weights[: pixels.shape[0], : pixels.shape[1]]
            total[top : top + window, left : left + window] += p * inside
            count[top : top + window, left : left + window] += inside
    return total / count


@given(
    st.lists(st.tuples(st.integers(1, 23), st.integers(1, 23)), min_size=1, max_size=4),
    st.sampled_from([5, 8]),
    st.sampled_from([1 / 3, 2 / 3, 1.0]),
    st.booleans(),
    st.integers(1, 5),
)
def test_sliding_window_equals_a_naive_loop(sizes, window, stride, flip, batch_size):
    pictures = [images(1, size, seed=i)[0] for i, size in enumerate(sizes)]
    predictor = inference.Predictor(
        NETWORK, window=window, stride=stride, flip=flip, batch_size=batch_size
    )
    results = list(predictor(iter(pictures)))
    assert len(results) == len(pictures)
    for picture, result in zip(pictures, results, strict=True):
        expected = naive(picture, window, stride)
        if flip:
            expected = (expected + naive(picture, window, stride, mirrored=True)) / 2
        np.testing.assert_allclose(result, expected, atol=1e-5)


def test_whole_images_of_several_sizes_and_scales():
    pictures = [images(1, size)[0] for size in ((6, 9), (6, 9), (5, 4))]
    whole = list(inference.Predictor(NETWORK, batch_size=2)(pictures))
    for picture, result in zip(pictures, whole, strict=True):
        logits = NETWORK.predict(picture[None], verbose=0)[0]
        np.testing.assert_allclose(result, reference.softmax(logits), atol=1e-5)
    half = inference.Predictor(NETWORK, scales=(1.0, 0.5))(pictures)
    for picture, one, both in zip(pictures, whole, half, strict=True):
        small = [round(side / 2) for side in picture.shape[:2]]
        scaled = resize_bilinear(ops.convert_to_tensor(picture[None]), *small)
        logits = NETWORK.predict(ops.convert_to_numpy(scaled), verbose=0)
        large = resize_bilinear(
            ops.convert_to_tensor(reference.softmax(logits).astype("float32")),
            *picture.shape[:2],
        )
        expected = (one + ops.convert_to_numpy(large)[0]) / 2
        np.testing.assert_allclose(both, expected, atol=1e-5)


@pytest.mark.parametrize(
    ("options", "compilations"),
    [({"window": 8}, 1), ({"size_multiple": 16}, 3), ({}, 6)],
)
def test_the_network_meets_a_bounded_number_of_sizes(
    options, compilations, monkeypatch
):
    predictor = inference.Predictor(NETWORK, batch_size=2, **options)
    shapes = set()
    run = predictor._run_network
    monkeypatch.setattr(
        predictor, "_run_network", lambda x: shapes.add(x.shape) or run(x)
    )
    sizes = [(9 + 2 * i, 14 + i) for i in range(6)]
    results = list(predictor([images(1, size)[0] for size in sizes]))
    assert [r.shape[:2] for r in results] == sizes
    assert len(shapes) == compilations


def test_a_window_may_be_a_list():
    layers = [keras.Input((None, None, 3)), keras.layers.Conv2D(2, 1)]
    predictor = Predictor(keras.Sequential(layers), window=[4, 6])
    assert [x.shape for x in predictor(images(1, (9, 7)))] == [(9, 7, 2)]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"window": 0}, "`window` must be positive.*window=0"),
        ({"batch_size": 0}, "`batch_size` must be positive"),
        ({"stride": 0.0}, r"`stride` .*\(0, 1\].*stride=0.0"),
        ({"scales": ()}, r"`scales` must be positive.*\(\)"),
        ({"scales": (0.5, -1)}, "`scales` must be positive"),
    ],
)
def test_predictor_refuses(options, message):
    with pytest.raises(ValueError, match=message):
        inference.Predictor(NETWORK, **options)


@pytest.mark.parametrize(
    ("channels", "activation", "message"),
    [
        (1, None, "`network` must have a channel for each class"),
        (2, "softmax", "`network` must return logits.*softmax"),
    ],
)
def test_a_network_without_logits_is_refused(channels, activation, message):
    layers = [keras.Input((8, 8, 3)), keras.layers.Conv2D(channels, 1)]
    layers.append(keras.layers.Activation(activation or "linear"))
    with pytest.raises(ValueError, match=message):
        Predictor(keras.Sequential(layers))


def test_one_channel_of_a_subclassed_network_is_refused():
    class Network(keras.Model):
        def __init__(self):
            super().__init__()
            self.conv = keras.layers.Conv2D(1, 1)

        def call(self, images):
            return self.conv(images)

    network = Network()
    network(np.zeros((1, 8, 8, 3), "float32"))
    with pytest.raises(ValueError, match="must have a channel for each class"):
        next(Predictor(network)([np.zeros((8, 8, 3))]))
