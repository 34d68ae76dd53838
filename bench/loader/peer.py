"""OpenCLIP's own data pipeline: webdataset, PIL, torchvision, its tokenizer. Each line on standard input is a request, answered by one line:
{"batches": n} -> {"seconds": s}; {"check": true} -> {"mean": that of the next batch's pictures, "versions": the packages'}."""

import importlib.machinery
import importlib.metadata
import importlib.util
import json
import sys
import time
import types

# open_clip's package imports all its models; what is measured is in a few of its files. pandas is imported for tables alone.
package = types.ModuleType("open_clip")
package.__path__ = importlib.util.find_spec("open_clip").submodule_search_locations
sys.modules["open_clip"] = package
sys.modules["pandas"] = types.ModuleType("pandas")
sys.modules["pandas"].__spec__ = importlib.machinery.ModuleSpec("pandas", None)

from open_clip.tokenizer import SimpleTokenizer
from open_clip.transform import image_transform
from open_clip_train import data

shards, batch, size, workers = sys.argv[1], *map(int, sys.argv[2:5])
# Resampled, so that the stream never ends; with a shuffle buffer that is full after the first batch, not after the first hundred.
data._SAMPLE_SHUFFLE_SIZE = data._SAMPLE_SHUFFLE_INITIAL
args = types.SimpleNamespace(
    train_data=shards, dataset_resampled=True, train_data_upsampling_factors=None, train_num_samples=batch * 10**6, seed=1,
    batch_size=batch, world_size=1, workers=workers,
)  # fmt: skip
loader = data.get_wds_dataset(args, image_transform(size, is_train=True), True, tokenizer=SimpleTokenizer()).dataloader
batches = iter(loader)

for line in sys.stdin:
    request = json.loads(line)
    if "check" in request:
        images, texts = next(batches)
        assert images.shape == (batch, 3, size, size) and len(texts) == batch and len(texts[0]) == 77
        names = ("open_clip_torch", "webdataset", "torch", "torchvision", "pillow")
        versions = {"python": sys.version.split()[0], **{name: importlib.metadata.version(name) for name in names}}
        print(json.dumps({"mean": images.mean().item(), "versions": versions}))
        continue
    start = time.perf_counter()
    for _ in range(request["batches"]):
        next(batches)
    print(json.dumps({"seconds": time.perf_counter() - start}))
