"""The two views of unlabeled images that a student learns from."""

import dataclasses

import keras
from keras import ops

from keras_imas.arguments import check_choice, check_fraction, check_range
from keras_imas.augment.area_boxes import check_aspect
from keras_imas.augment.cutmix import cutmix_plan, paste, sample_draws
from keras_imas.augment.feature_masks import sample_mask
from keras_imas.augment.warp import sample_displacements, warp
from keras_imas.typing import Tensor


@dataclasses.dataclass(frozen=True)
class TwoViews:
    """How unlabeled images become the two views that the student learns from.

    With one strong view û they are that view, and a cut-mixed weak or strong view that
    counts where the coin says so: `(1 - m / 2) · L(û) + m / 2 · L(CutMix)` of an image,
    m = 1 where it is mixed, else 0. With two strong views each of them is cut-mixed, by
    boxes and a coin of its own but with the same partner, and they count alike:
    `(L(û₁) + L(û₂)) / 2`, as in Yang et al. (UniMatch V2, 2024). With `warp` the strong
    views are warped before that, their targets with them, and each by its own draw.

    Args:
        strong_views: See `keras_imas.IMAS`, as all others.
        warp: A fraction.
        cutmix_range: Range of the boxes' side fraction.
        cutmix_area: Range of their area, or `None`.
        cutmix_aspect: Range of their height over width.
        cutmix_view: `"weak"` or `"strong"`.
        cutmix_probability: A number, or `None`.
        pairing_group_size: A number, or `None`.
        adaptive_cutmix: Whether hardness chooses partners and probability.

    Raises:
        ValueError: If one is out of range, or two don't go together.

    Example:
        >>> make = TwoViews()
        >>> images, target = ops.ones((2, 4, 4, 3)), {"labels": ops.ones((2, 4, 4))}
        >>> draws = make.sample(2, 4, 4, seed=0)
        >>> views, targets, weights = make(
        ...     images, [images], target, ops.zeros((2,)), draws
        ... )
        >>> [float(weights[name][0]) for name in views]
        [0.5, 0.5]
    """

    strong_views: int = 1
    warp: float = 0.0
    cutmix_range: tuple = (0.1, 0.9)
    cutmix_area: tuple | None = None
    cutmix_aspect: tuple = (0.3, 1 / 0.3)
    cutmix_view: str = "weak"
    cutmix_probability: float | None = None
    pairing_group_size: int | None = None
    adaptive_cutmix: bool = True

    def __post_init__(self):
        check_fraction("warp", self.warp)
        check_range("cutmix_range", self.cutmix_range)
        if self.cutmix_area is not None:
            check_range("cutmix_area", self.cutmix_area)
        check_aspect("cutmix_aspect", self.cutmix_aspect)
        for name in ("cutmix_range", "cutmix_area", "cutmix_aspect"):
            if getattr(self, name) is not None:  # JSON makes lists of them
                object.__setattr__(self, name, tuple(getattr(self, name)))
        check_choice("cutmix_view", self.cutmix_view, ("weak", "strong"))
        if self.cutmix_probability is not None:
            check_fraction("cutmix_probability", self.cutmix_probability)
        check_choice("strong_views", self.strong_views, (1, 2))
        if self.strong_views == 2 and self.cutmix_view != "strong":
            raise ValueError(
                "`strong_views=2` cut-mixes the strong views. Pass cutmix_view="
                f'"strong" with it. Received: cutmix_view={self.cutmix_view!r}'
            )

    def sample(
        self,
        batch_size: int,
        height: int,
        width: int,
        *,
        channels: int = 0,
        seed: int | keras.random.SeedGenerator | None = None,
    ) -> dict[str, Tensor]:
        """Make every random draw of a step.

        Args:
            batch_size: Number of unlabeled images B.
            height: Height of the images in pixels.
            width: Width of the images in pixels.
            channels: Number of channels of the features to drop. Defaults to `0`: none.
            seed: An integer or a `keras.random.SeedGenerator`. Defaults to `None`:
                random.

        Returns:
            Dict of tensors, as `keras_imas.augment.cutmix.sample_draws` returns it;
            with `warp` also `"displacements"`, from
            `keras_imas.augment.warp.sample_displacements`; with two strong views
            `"boxes_2"` and so on too; with `channels` also `"dropout"`, from
            `keras_imas.augment.feature_masks.sample_mask`.

        Example:
            >>> make = TwoViews(strong_views=2, cutmix_view="strong")
            >>> sorted(make.sample(4, 32, 64, seed=1))
            ['boxes', 'boxes_2', 'coin', 'coin_2', 'shuffle']
        """
        if isinstance(seed, int):
            seed = keras.random.SeedGenerator(seed)

        def draws_of_a_view():
            draws = sample_draws(
                batch_size,
                height,
                width,
                fraction_range=self.cutmix_range,
                area_range=self.cutmix_area,
                aspect_range=self.cutmix_aspect,
                group_size=self.pairing_group_size,
                seed=seed,
            )
            if self.warp:
                draws["displacements"] = sample_displacements(batch_size, seed=seed)
            return draws

        draws = draws_of_a_view()
        if self.strong_views == 2:
            second = draws_of_a_view()
            del second["shuffle"]  # the partners are the same
            draws |= {f"{name}_2": draw for name, draw in second.items()}
        if channels:
            draws["dropout"] = sample_mask(batch_size, channels, seed=seed)
        return draws

    def __call__(self, weak, strong, target, hardness, draws, weaker=None):
        """Make the views.

        Args:
            weak: The weak views, `(B, H, W, 3)`.
            strong: List of the `strong_views` strong views of the same images.
            target: Dict of tensors `(B, H, W)` that belong to the images, such as
                pseudo labels.
            hardness: `(B,)`.
            draws: What `sample` returned.
            weaker: The hardness by which warps are smaller, `(B,)`. Defaults to `None`:
                all are whole.

        Returns:
            `(views, targets, weights)`: dicts of `"first"` and `"second"`: the images,
            what became of `target`, and how much the view's loss counts, float32
            `(B,)`.
        """
        second = {n.removesuffix("_2"): x for n, x in draws.items() if n[-2:] == "_2"}
        drawn = [draws, {**draws, **second}][: self.strong_views]
        strong = [
            self._warped(view, target, own, weaker)
            for view, own in zip(strong, drawn, strict=True)
        ]
        if self.strong_views == 1:
            [view] = strong
            source = view if self.cutmix_view == "strong" else (weak, target)
            mixed, *cutmix = self._cut_mixed(*source, hardness, draws)
            half = 0.5 * mixed
            # Half of each, or the strong one alone where nothing was mixed.
            made = (*view, 1.0 - half), (*cutmix, half)
        else:
            half = ops.full_like(hardness, 0.5)
            made = [
                (*self._cut_mixed(*view, hardness, own)[1:], half)
                for view, own in zip(strong, drawn, strict=True)
            ]
        return tuple(
            dict(zip(("first", "second"), part, strict=True))
            for part in zip(*made, strict=True)
        )

    def _warped(self, images, target, draws, weaker):
        if not self.warp:
            return images, target
        displacements = self.warp * draws["displacements"]
        if weaker is not None:
            displacements = (1.0 - weaker)[:, None, None] * displacements
        return warp(images, target, displacements)

    def _cut_mixed(self, images, target, hardness, draws):
        mixed, boxes, partners = cutmix_plan(
            hardness,
            draws,
            adaptive=self.adaptive_cutmix,
            probability=self.cutmix_probability,
            group_size=self.pairing_group_size,
            each_image=self.cutmix_area is not None,
        )
        pasted = {name: paste(x, boxes, partners) for name, x in target.items()}
        return mixed, paste(images, boxes, partners), pasted
