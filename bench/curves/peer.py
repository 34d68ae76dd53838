"""OpenCLIP's losses over the batches of a folder, again and again. A line {"steps": n} on standard input is answered by {"losses": [...]}."""

import json
import sys

import torch
from trainer import Trainer, read_batches

options = json.loads(sys.argv[1])
folder = options.pop("folder")
torch.set_num_threads(options.pop("threads"))
torch.backends.mkldnn.set_flags(options.pop("onednn"))
batches = read_batches(folder)
trainer = Trainer(folder, **options)
for line in sys.stdin:
    losses = [trainer.step(*batches[step % len(batches)]).item() for step in range(json.loads(line)["steps"])]
    print(json.dumps({"losses": losses}), flush=True)
