"""Epochs of batches: shuffled, read in parallel, and the same on every run."""


def shuffled_batches(
    examples,
    steps,
    batch_size,
    stream,
    view,
    *,
    seed,
    shuffle_buffer,
    num_parallel_calls,
    part,
    position,
    labels=False,
    num_classes=None,
    ignore_class=255,
):
    """Shuffle, read, augment and batch the epoch that a position tells.

    Args:
        examples: `Examples`.
        steps: number of batches.
        batch_size: images a batch, of all parts together.
        stream: integer that tells the draws of two kinds of batches apart.
        view: function of a seed, an index and an example, to an element.
        seed: as in `semi_supervised`.
        shuffle_buffer: as in `semi_supervised`.
        num_parallel_calls: as in `semi_supervised`.
        part: as in `semi_supervised`.
        position: `keras_imas.data.position.Position`.
        labels: whether label maps are read. Defaults to False.
        num_classes: as in `semi_supervised`.
        ignore_class: as in `semi_supervised`.

    Returns:
        `tf.data.Dataset` of batches of what `view` returns.
    """
    import tensorflow as tf

    fold_in = tf.random.fold_in
    count, whole_batch = steps * batch_size, batch_size
    passes, most = -(-count // len(examples)), count
    may_skip = examples.on_bad_image == "skip"
    if may_skip:  # as many as it takes to fill the batches
        passes, most = tf.int64.max, -1
    # `Dataset.random` would make the epoch a draw that depends on the global seed.
    starts = position.starts()

    def one_epoch(start):
        epoch, step = start[0], start[1]
        epoch_seed = fold_in(tf.constant([seed, stream], tf.int64), epoch)

        def one_pass(number):
            pass_seed = fold_in(epoch_seed, number)
            return examples.shuffled(pass_seed, shuffle_buffer).map(
                lambda *record: (
                    record,
                    (
                        step * whole_batch,
                        fold_in(pass_seed, record[0]),
                        tf.cast(record[0], tf.int32),
                    ),
                )
            )

        records = tf.data.Dataset.range(passes).flat_map(one_pass).take(most)
        return records if may_skip else records.skip(step * whole_batch)

    records = tf.data.Dataset.from_generator(
        lambda: iter([next(starts)]),
        output_signature=tf.TensorSpec((2,), tf.int64),
    ).flat_map(one_epoch)
    number, parts = part
    if parts > 1:
        batch_size, count = batch_size // parts, count // parts
        records = records.enumerate().filter(
            lambda place, _: place // batch_size % parts == number
        )
        records = records.map(lambda _, record: record)

    def seen(example, draw):
        first, *draw = draw
        return (first, view(*draw, example)) if may_skip else view(*draw, example)

    views = examples.read_each(
        records,
        seen,
        num_classes=num_classes,
        ignore_class=ignore_class,
        labels=labels,
        num_parallel_calls=num_parallel_calls,
    )
    views = views.take(count)
    if may_skip:
        views = views.enumerate().filter(lambda place, view: place >= view[0])
        views = views.map(lambda _, view: view[1])
    return views.batch(batch_size, drop_remainder=True)


def finished(batches, steps, position):
    """Return batches in a fixed order, made ahead, with their position.

    Args:
        batches: `tf.data.Dataset`.
        steps: number of batches.
        position: `keras_imas.data.position.Position`.

    Returns:
        `tf.data.Dataset`, whose attribute `position` that is.
    """
    import tensorflow as tf

    batches = batches.apply(tf.data.experimental.assert_cardinality(steps))
    batches = batches.prefetch(tf.data.AUTOTUNE)
    batches.position = position
    return batches
