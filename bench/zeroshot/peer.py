"""OpenCLIP's zero-shot evaluation of the shards: its classifier, its transform, its loop. A line on standard input, {"evaluate": true}, is answered by
seconds and by the shares of pictures whose class is the best, and among the best five."""

import json
import logging
import sys
import time
import types

import open_clip
import open_clip_train.zero_shot as zero_shot
import torch
import webdataset as wds
from open_clip_train.precision import get_autocast

options = json.loads(sys.argv[1])
logging.getLogger().setLevel(logging.ERROR)  # of weights that are not pretrained
torch.set_num_threads(options["threads"])
torch.manual_seed(options["seed"])
open_clip.add_model_config(options["config"])
model, _, transform = open_clip.create_model_and_transforms("bench-model", precision=options["precision"], output_dict=True)
if options["weights"]:
    open_clip.load_checkpoint(model, options["weights"])
model.eval()
tokenizer = open_clip.get_tokenizer("bench-model")
with open(options["classes"]) as file:
    classes = json.load(file)
names = [entry["name"] for entry in classes["classes"]]
args = types.SimpleNamespace(device="cpu", precision=options["precision"], batch_size=128)


def accuracy(output, target, topk):
    """OpenCLIP's own makes numbers of arrays of one element in a way that NumPy 2.4 refuses."""
    found = output.topk(max(topk)).indices.eq(target.view(-1, 1))
    return [found[:, :k].sum().item() for k in topk]


zero_shot.accuracy = accuracy
zero_shot.tqdm = lambda items, **_: items  # no progress bar


def loader():
    dataset = wds.WebDataset(options["shards"], shardshuffle=False).decode("pil").to_tuple("png", "json")
    pairs = dataset.map_tuple(transform, lambda label: label["class"]).batched(128)
    return wds.WebLoader(pairs, batch_size=None, num_workers=1)


def evaluate():
    with get_autocast(options["precision"], device_type="cpu")():
        classifier = open_clip.build_zero_shot_classifier(
            model, tokenizer=tokenizer, classnames=names, templates=classes["templates"], num_classes_per_batch=10
        )
    return zero_shot.run(model, classifier, loader(), args)


for line in sys.stdin:
    start = time.perf_counter()
    top1, top5 = evaluate()
    print(json.dumps({"seconds": time.perf_counter() - start, "top1": top1, "top5": top5}), flush=True)
