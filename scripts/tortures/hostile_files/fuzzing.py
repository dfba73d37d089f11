"""Draw inputs from a hypothesis strategy, or by damaging good bytes."""

from hypothesis import HealthCheck, Phase, given, settings


def fuzz(torture, strategy, count, function):
    """Call a function with examples of a hypothesis strategy."""

    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        derandomize=torture.seed == 0,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def each(example):
        function(example)

    each()


def mutated(content, random):
    """Return bytes with some of them changed, cut off, doubled or swapped."""
    content = bytearray(content)
    for _ in range(random.choice((1, 1, 2, 4, 16))):
        place = random.randrange(len(content) + 1)
        kind = random.randrange(5)
        if kind == 0:
            del content[place:]
        elif kind == 1:
            content[place : place + 4] = random.choice(
                (b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff", b"\0\1\0\0")
            )
        elif kind == 2:
            content[place:place] = content[max(0, place - 64) : place]
        elif kind == 3:
            content[place : place + 1] = random.randbytes(1)
        else:
            content[place : place + random.randrange(200)] = b""
    return bytes(content)
