"""One rank of a peer in PyTorch: OpenCLIP's loss, or that of FastCLIP's authors. Its place comes from the environment. Each line on standard
input is a request, answered by one line: {"steps": n} -> milliseconds and bytes a step; {"check": loss} -> the gradients' first numbers."""

import functools
import importlib.util
import json
import sys
import time

import torch
import torch.distributed as dist
import torch.distributed.nn

side, batch, width, source = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
TAU, RHO, EPS, CHECKED = 0.07, 6.5, 1e-14, 4  # as bench/communication/ours.ts


def load(path, name):
    """One file of a package, without what the package imports beside it."""
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Traffic:
    """Stands before torch.distributed's collectives, and counts what they carry and how long they take."""

    def __init__(self):
        self.bytes, self.seconds = {}, 0.0
        for name in ("all_gather", "scatter"):
            setattr(dist, name, self.counted(getattr(dist, name), getattr(self, name)))
        for name in ("all_reduce", "reduce_scatter", "all_to_all", "all_to_all_single", "all_gather_into_tensor", "broadcast", "gather"):
            setattr(dist, name, self.refused(name))

    def counted(self, collective, describe):
        @functools.wraps(collective)
        def call(*args, **kwargs):
            start = time.perf_counter()
            result = collective(*args, **kwargs)
            self.seconds += time.perf_counter() - start
            name, tensors = describe(*args)
            size = sum(tensor.numel() * tensor.element_size() for tensor in tensors)
            if dist.get_world_size() > 1:
                self.bytes[name] = self.bytes.get(name, 0) + size
            return result

        return call

    def refused(self, name):
        def call(*args, **kwargs):
            raise RuntimeError(f"{name} is not counted by this benchmark")

        return call

    @staticmethod
    def all_gather(outputs, tensor):
        name = "ids" if tensor.dtype == torch.int64 else "features" if tensor.shape[-1] == width else "scalars"
        return name, outputs

    @staticmethod
    def scatter(output, inputs, source):
        return "featureGradients", inputs or []


class OpenClip:
    def __init__(self, rank, size):
        loss = load(f"{source}/open_clip/loss.py", "open_clip_loss").ClipLoss
        self.loss = loss(local_loss=True, gather_with_grad=True, cache_labels=True, rank=rank, world_size=size)

    def __call__(self, image, text, scale):
        return self.loss(image, text, scale)


class FastClip:
    """Calls the authors' loss as their training loop does: features, then the estimators and the positions, are gathered."""

    def __init__(self, rank, size):
        self.gather = functools.partial(load(f"{source}/src/training/distributed.py", "fastclip_distributed").all_gather_tuple_tensor, group=None)
        loss = load(f"{source}/src/fast_clip/loss.py", "fastclip_loss").FastCLIPLoss
        common = {"gamma": 0.2, "gamma_schedule": "cosine", "gamma_decay_epochs": 18, "rho": RHO, "eps": EPS}
        self.loss = loss(data_size=size * batch, device=torch.device("cpu"), **common)
        self.loss.adjust_hyperparams(0)
        self.offset = rank * batch
        self.ids = torch.arange(batch) + self.offset

    def __call__(self, image, text, scale):
        features, ids = [image, text], self.ids
        remote = self.gather(features)
        place = {"remote_features": remote, "logit_scale": scale, "offset": self.offset}
        image_loss, text_loss, image_sim, text_sim, u = self.loss.local(features=features, indices=(ids, ids), **place)
        remote_u = self.gather(u)
        remote_ids = [each.squeeze(-1) for each in self.gather([ids.unsqueeze(-1), ids.unsqueeze(-1)])]
        self.loss.set_params(*remote_ids, *remote_u)
        own = {"features": features, "loss1": (image_loss, text_loss), "u": u, "sim": (text_sim.T, image_sim.T)}
        return self.loss(remote_u=remote_u, **own, **place)


def step():
    image.grad = text.grad = scale.grad = None
    loss(image, text, scale).backward()


def turn(steps):
    step()  # the ranks come together
    traffic.bytes, traffic.seconds = {}, 0.0
    start = time.perf_counter()
    for _ in range(steps):
        step()
    milliseconds = (time.perf_counter() - start) * 1000 / steps
    sizes = {name: size / steps for name, size in traffic.bytes.items()}
    return {"milliseconds": milliseconds, "inCollectives": traffic.seconds * 1000 / steps, "bytes": sizes}


def check():
    step()
    first = [side.grad.flatten()[:CHECKED].tolist() for side in (image, text)]
    return {"gradients": first[0] + first[1]}


torch.set_num_threads(1)
dist.init_process_group("gloo")
rank = dist.get_rank()
traffic = Traffic()
torch.manual_seed(rank)
image, text = (torch.nn.functional.normalize(torch.randn(batch, width), dim=1).requires_grad_() for _ in range(2))
scale = torch.tensor(1 / TAU, requires_grad=True)
loss = {"openclip": OpenClip, "fastclip": FastClip}[side](rank, dist.get_world_size())
for line in sys.stdin:
    request = json.loads(line)
    print(json.dumps(turn(request["steps"]) if "steps" in request else check()), flush=True)
dist.destroy_process_group()
