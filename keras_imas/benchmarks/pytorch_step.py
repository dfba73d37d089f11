"""A step of iMAS in plain PyTorch, to stand beside: the paper's network and its work.

    python scripts/benchmarks/pytorch_step.py VARIANT CROP BATCH CLASSES

Takes a step for each line on standard input, and prints its seconds; first of all it
prints the number of the network's parameters. Variants: float32; channels_last;
bfloat16, which is channels_last with autocast; as_published, which is float32 with the
weak views in the student's batch and the hardness from NumPy's histograms. On a GPU
where there is one, with TF32 in products of float32.
"""

import sys
import time

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F


def convolution(inside, outside, kernel=1, stride=1, dilation=1, relu=True):
    layers = [
        nn.Conv2d(
            inside, outside, kernel, stride,
            padding=dilation * (kernel // 2), dilation=dilation, bias=False,
        ),
        nn.BatchNorm2d(outside),
    ]  # fmt: skip
    return nn.Sequential(*layers, *([nn.ReLU(inplace=True)] if relu else []))


def resize(x, like):
    return F.interpolate(x, like.shape[-2:], mode="bilinear", align_corners=True)


class Bottleneck(nn.Module):
    """A block of a ResNet, with its stride on the 3x3 convolution."""

    def __init__(self, inside, width, stride, dilation, shortcut):
        super().__init__()
        self.layers = nn.Sequential(
            convolution(inside, width),
            convolution(width, width, 3, stride, dilation),
            convolution(width, 4 * width, relu=False),
        )
        self.shortcut = nn.Identity()
        if shortcut:
            self.shortcut = convolution(inside, 4 * width, 1, stride, relu=False)

    def forward(self, x):
        """Return the block's features."""
        return F.relu(self.layers(x) + self.shortcut(x))


class DeepLabV3Plus(nn.Module):
    """DeepLabV3+ on the deep-stem ResNet-50, output stride 16, with auxiliary head."""

    def __init__(self, num_classes):
        super().__init__()
        self.stem = nn.Sequential(
            convolution(3, 64, 3, 2),
            convolution(64, 64, 3),
            convolution(64, 128, 3),
            nn.MaxPool2d(3, 2, padding=1),
        )
        stages, inside = [], 128
        for count, width, stride in ((3, 64, 1), (4, 128, 2), (6, 256, 2), (3, 512, 1)):
            blocks = []
            for block in range(count):
                # The stride that the last stage lacks is dilation after its first.
                dilation = 2 if width == 512 and block else 1
                first = block == 0
                blocks.append(
                    Bottleneck(inside, width, stride if first else 1, dilation, first)
                )
                inside = 4 * width
            stages.append(nn.Sequential(*blocks))
        self.stages = nn.ModuleList(stages)
        self.pool = convolution(2048, 256)
        self.branches = nn.ModuleList(
            [convolution(2048, 256)]
            + [convolution(2048, 256, 3, dilation=rate) for rate in (6, 12, 18)]
        )
        self.project = convolution(5 * 256, 256)
        self.low_level = convolution(256, 48)
        self.decoder = nn.Sequential(
            convolution(256 + 48, 256, 3),
            convolution(256, 256, 3),
            nn.Conv2d(256, num_classes, 1),
        )
        self.auxiliary = nn.Sequential(
            convolution(1024, 256, 3), nn.Conv2d(256, num_classes, 1)
        )
        self.register_buffer("mean", torch.tensor((123.7, 116.3, 103.5))[:, None, None])
        self.register_buffer("std", torch.tensor((58.4, 57.1, 57.4))[:, None, None])

    def forward(self, images):
        """Return logits at the images' size, and those of the auxiliary head."""
        low_level = self.stages[0](self.stem((images - self.mean) / self.std))
        stage_3 = self.stages[2](self.stages[1](low_level))
        x = self.stages[3](stage_3)
        pooled = self.pool(x.mean((2, 3), keepdim=True))
        branches = [branch(x) for branch in self.branches]
        x = self.project(torch.cat([*branches, resize(pooled, x)], 1))
        x = torch.cat([resize(x, low_level), self.low_level(low_level)], 1)
        return resize(self.decoder(x), images), self.auxiliary(stage_3)


def counts(labels, weights, num_classes):
    rows = torch.arange(len(labels))[:, None, None] * num_classes
    size = len(labels) * num_classes
    found = torch.bincount((labels + rows).ravel(), weights.ravel(), size)
    return found.reshape(-1, num_classes)


def hardness(student, teacher, num_classes, threshold=0.7):
    """Return the hardness of each image, from `(confidence, labels)` of either."""
    ones = torch.ones_like(student[0])
    agree = (student[1] == teacher[1]).float()
    in_both = counts(student[1], agree, num_classes)
    by_student, by_teacher = (
        counts(labels, ones, num_classes) for _, labels in (student, teacher)
    )
    iou = in_both / (by_student + by_teacher - in_both).clamp(min=1)
    scores = [
        (confidence >= threshold).float().mean((1, 2))
        * (count * iou).sum(1) / count.sum(1)
        for (confidence, _), count in ((student, by_student), (teacher, by_teacher))
    ]  # fmt: skip
    return (1 - 0.5 * sum(scores)).clamp(0, 1).float()


def hardness_on_the_host(student, teacher, num_classes, threshold=0.7):
    """Return the same, image by image, by NumPy."""
    result = []
    for index in range(len(student[0])):
        confidences = [part[0][index].cpu().numpy() for part in (student, teacher)]
        labels = [part[1][index].cpu().numpy() for part in (student, teacher)]
        bins = np.arange(num_classes + 1)
        same = labels[0][labels[0] == labels[1]]
        in_both = np.histogram(same, bins)[0]
        areas = [np.histogram(label, bins)[0] for label in labels]
        iou = in_both / np.maximum(areas[0] + areas[1] - in_both, 1)
        score = sum(
            (confidence >= threshold).mean() * (area * iou).sum() / area.sum()
            for confidence, area in zip(confidences, areas, strict=True)
        )
        result.append(1 - 0.5 * score)
    return torch.tensor(result, dtype=torch.float32)


class Step:
    """A step of iMAS, with its networks and its batch.

    Args:
        variant: As above.
        crop_size: Side of the crops in pixels.
        batch_size: Labeled images, and as many unlabeled ones.
        num_classes: Number of classes.
    """

    def __init__(self, variant, crop_size, batch_size, num_classes):
        torch.manual_seed(0)
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        torch.set_default_device(self.device)
        torch.set_float32_matmul_precision("high")
        torch.backends.cudnn.benchmark = True
        self.num_classes, self.published = num_classes, variant == "as_published"
        self.half = variant == "bfloat16"
        self.student, self.teacher = (DeepLabV3Plus(num_classes) for _ in range(2))
        self.teacher.load_state_dict(self.student.state_dict())
        self.teacher.eval()
        size = (batch_size, 3, crop_size, crop_size)
        self.labeled, self.weak, self.strong = (255 * torch.rand(size) for _ in "lws")
        self.labels = torch.randint(num_classes, (batch_size, crop_size, crop_size))
        if variant in ("channels_last", "bfloat16"):
            form = torch.channels_last
            self.student.to(memory_format=form)
            self.teacher.to(memory_format=form)
            self.labeled, self.weak, self.strong = (
                x.to(memory_format=form) for x in (self.labeled, self.weak, self.strong)
            )
        self.optimizer = torch.optim.SGD(
            self.student.parameters(), 1e-4, momentum=0.9, weight_decay=1e-4
        )

    def score(self, network):
        """Return confidence and labels of the weak views."""
        network.eval()
        with torch.no_grad():
            logits = network(self.weak)[0].float()
            return tuple(F.softmax(logits, 1).max(1))

    def take(self):
        """Take a step."""
        with torch.autocast(self.device, torch.bfloat16, enabled=self.half):
            loss = self.loss()
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        with torch.no_grad():
            ours, theirs = (
                [x for x in network.state_dict().values() if x.is_floating_point()]
                for network in (self.teacher, self.student)
            )
            torch._foreach_mul_(ours, 0.99)
            torch._foreach_add_(ours, theirs, alpha=0.01)
        return float(loss.detach())

    def loss(self):
        """Return the loss of the step."""
        student, teacher = self.score(self.student), self.score(self.teacher)
        self.student.train()
        score = hardness_on_the_host if self.published else hardness
        hard = score(student, teacher, self.num_classes)
        confidence, labels = teacher
        share = hard[:, None, None, None]
        strong = (1 - share) * self.strong + share * self.weak
        partner = torch.empty_like(hard, dtype=torch.long)
        order = hard.argsort()
        partner[order] = order.flip(0)
        side = self.weak.shape[-1]
        box = torch.zeros((side, side), dtype=torch.bool)
        box[side // 4 : 3 * side // 4, side // 4 : 3 * side // 4] = True
        mixed, mixed_labels, mixed_confidence = (
            torch.where(box, x[partner], x) for x in (self.weak, labels, confidence)
        )
        views = [self.labeled, strong, mixed]
        if self.published:
            views.append(self.weak)
        count = len(self.labeled)
        logits, auxiliary = self.student(torch.cat(views))
        parts = logits.float().split(count)
        loss = F.cross_entropy(parts[0], self.labels)
        auxiliary = resize(auxiliary[:count].float(), self.labeled)
        loss = loss + 0.4 * F.cross_entropy(auxiliary, self.labels)

        def consistency(logits, labels, confidence):
            losses = F.cross_entropy(logits, labels, reduction="none")
            losses = (losses * (confidence >= 0.7)).mean((1, 2))
            return ((1 - hard) * losses).mean()

        pairs = (
            (parts[1], labels, confidence), (parts[2], mixed_labels, mixed_confidence)
        )  # fmt: skip
        return loss + 3 * 0.5 * sum(consistency(*pair) for pair in pairs)


def main():
    variant, *numbers = sys.argv[1:]
    step = Step(variant, *map(int, numbers))
    print(sum(p.numel() for p in step.student.parameters()), flush=True)
    for _ in sys.stdin:
        start = time.perf_counter()
        step.take()
        print(time.perf_counter() - start, flush=True)


if __name__ == "__main__":
    main()
