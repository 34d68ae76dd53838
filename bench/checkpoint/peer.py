"""A checkpoint as OpenCLIP's trainer saves it after an epoch, and reads it to go on. Each line on standard input is a request, answered by one line:
{"save": true} or {"load": true} -> seconds, bytes of the file, and by how many bytes more was resident on the way."""

import json
import os
import sys
import time

import torch
from trainer import Trainer, peak_resident_bytes, read_batches, reset_peak_resident

options = json.loads(sys.argv[1])
folder = options.pop("folder")
torch.set_num_threads(options.pop("threads"))
((images, texts),) = read_batches(folder)
trainer = Trainer(folder, **options)
trainer.step(images, texts)  # makes the moments
path = f"{folder}/epoch_1.pt"


def save():
    states = {"state_dict": trainer.original.state_dict(), "optimizer": trainer.optimizer.state_dict()}
    torch.save({"epoch": 1, "name": "bench", **states}, path)
    with open(path, "rb") as file:
        os.fsync(file.fileno())


def load():
    checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    trainer.original.load_state_dict(checkpoint["state_dict"])
    trainer.optimizer.load_state_dict(checkpoint["optimizer"])


for line in sys.stdin:
    request = json.loads(line)
    before = reset_peak_resident()
    start = time.perf_counter()
    if "save" in request:
        save()
    else:
        load()
    seconds = time.perf_counter() - start
    print(json.dumps({"seconds": seconds, "bytes": os.path.getsize(path), "memory": peak_resident_bytes() - before}), flush=True)
