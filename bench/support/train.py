"""open_clip_train.main with a model configuration of one's own: train.py MODEL.json FLAGS"""

import sys

import open_clip

open_clip.add_model_config(sys.argv[1])

from open_clip_train.main import main

if __name__ == "__main__":
    main(sys.argv[2:])
