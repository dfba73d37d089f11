"""Attack with names and links that lead out of the data's folders."""

from PIL import Image
from tortures.hostile_files.photographs import make_photographs, pixels


def ways_out(torture, tally):
    """List files outside the folders, which must not be read."""
    from keras_imas import data

    root = torture.room("ways_out")
    make_photographs(root, ("a", "b"))
    secret = root / "elsewhere"
    secret.mkdir()
    Image.fromarray(pixels("RGB")).save(secret / "secret.png")
    random = torture.random("ways_out")
    path = root / "list.txt"
    ups = ("..", "images/..", "./../", "a/../..", "images/../../ways_out")
    for number in range(torture.times(300)):
        up = "/".join(random.choice(ups) for _ in range(random.randrange(1, 4)))
        line = random.choice(
            (
                f"{up}/elsewhere/secret.png",
                f"{up}/elsewhere/secret",
                f"{secret}/secret.png",
                f"{up}/elsewhere/secret.png".replace("/", "\\"),
                f"images/{up}/elsewhere/secret.png",
                f"a.png,{up}/elsewhere/secret.png",
                f"a.png {secret}/secret.png",
                f"link{number}.png",
                f"linked{number}/secret.png",
            )
        )
        links = []
        if line.startswith("link"):
            link = root / "images" / line.split("/")[0]
            link.symlink_to(secret / "secret.png" if "/" not in line else secret)
            links.append(link)
        path.write_text(f"b.png\n{line}\n")
        masks_folder = None if links else root / "masks"
        examples = tally.attempt(
            path.name, data.from_folder, root / "images", masks_folder, path
        )
        if examples is not None:
            tally.counts["accepted"] += 1
            tally.worst = tally.worst or f"{line!r} was read"
        for link in links:
            link.unlink()
