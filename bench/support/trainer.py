"""OpenCLIP's training step as open_clip_train builds it, on batches that lie in memory."""

import json
import logging
import math
import re
import types

import open_clip
import torch
from open_clip_train.precision import get_autocast


def resident_bytes(field="VmRSS"):
    with open("/proc/self/status") as status:
        return int(re.search(rf"{field}:\s+(\d+) kB", status.read()).group(1)) * 1024


def peak_resident_bytes():
    return resident_bytes("VmHWM")


def reset_peak_resident():
    """From now on the peak is that of what comes; returns what is resident now."""
    with open("/proc/self/clear_refs", "w") as refs:
        refs.write("5")
    return peak_resident_bytes()


def read_batches(folder):
    """What support/batches.ts wrote: pairs of pictures [b, 3, S, S] and ids [b, tokens]."""
    with open(f"{folder}/batches.json") as file:
        shape = json.load(file)
    count, batch, side, tokens = (shape[name] for name in ("count", "batchSize", "imageSize", "contextLength"))
    images = torch.from_file(f"{folder}/images.f32", size=count * batch * 3 * side * side).view(count, batch, 3, side, side)
    ids = torch.from_file(f"{folder}/tokens.i32", size=count * batch * tokens, dtype=torch.int32).view(count, batch, tokens)
    return list(zip(images, ids.long()))


# Of weights that are not pretrained.
logging.getLogger().setLevel(logging.ERROR)


class Trainer:
    """The parts of open_clip_train.main and the body of train_one_epoch, without its log."""

    def __init__(self, folder, *, precision, lr, weight_decay, seed, fused=False, compiled=False):
        torch.manual_seed(seed)
        open_clip.add_model_config(f"{folder}/bench-model.json")
        self.original = open_clip.create_model("bench-model", precision=precision, device="cpu", output_dict=True)
        self.model = torch.compile(self.original) if compiled else self.original
        self.original.train()
        args = types.SimpleNamespace(
            distill=False, model="bench-model", siglip=False, local_loss=False, gather_with_grad=False, rank=0, world_size=1, horovod=False
        )  # fmt: skip
        self.loss = open_clip.create_loss(args)
        self.autocast = get_autocast(precision, device_type="cpu")
        self.optimizer = self.adamw(lr, weight_decay, fused)

    def adamw(self, lr, weight_decay, fused):
        exclude = lambda n, p: p.ndim < 2 or "bn" in n or "ln" in n or "bias" in n or "logit_scale" in n
        named = [(n, p) for n, p in self.original.named_parameters() if p.requires_grad]
        groups = [
            {"params": [p for n, p in named if exclude(n, p)], "weight_decay": 0.0},
            {"params": [p for n, p in named if not exclude(n, p)], "weight_decay": weight_decay},
        ]
        return torch.optim.AdamW(groups, lr=lr, betas=(0.9, 0.98), eps=1e-6, **({"fused": True} if fused else {}))

    def backward(self, images, texts):
        """The batch's loss; its gradients are in the parameters."""
        self.optimizer.zero_grad()
        with self.autocast():
            losses = self.loss(**self.model(images, texts), output_dict=True)
            total = sum(losses.values())
        total.backward()
        return total

    def step(self, images, texts):
        total = self.backward(images, texts)
        self.optimizer.step()
        with torch.no_grad():
            self.original.logit_scale.clamp_(0, math.log(100))
        return total

    def gradient_norms(self):
        return {name: p.grad.norm().item() for name, p in self.original.named_parameters() if p.grad is not None}
