import { type Random, uniform } from "../random.ts";
import type { Pixels } from "./pixels.ts";
import type { Box, Picture } from "./resample.ts";

interface Size {
  readonly width: number;
  readonly height: number;
}

/**
 * The rectangle that torchvision's RandomResizedCrop takes: of a share of the area in `scale` and a width / height in `ratio`,
 * log-uniform; after ten that do not fit, the largest central one that does.
 */
export function randomCrop(
  image: Size,
  options: { scale: readonly [number, number]; ratio: readonly [number, number]; random: Random },
): Box {
  const { scale, ratio, random } = options;
  const area = image.width * image.height;
  for (let attempt = 0; attempt < 10; attempt++) {
    const target = area * uniform(random, scale[0], scale[1]);
    const aspect = Math.exp(uniform(random, Math.log(ratio[0]), Math.log(ratio[1])));
    const width = Math.round(Math.sqrt(target * aspect));
    const height = Math.round(Math.sqrt(target / aspect));
    if (width < 1 || height < 1 || width > image.width || height > image.height) continue;
    const top = Math.floor(random() * (image.height - height + 1));
    const left = Math.floor(random() * (image.width - width + 1));
    return { left, top, width, height };
  }
  return centralCrop(image, ratio);
}

function centralCrop(image: Size, ratio: readonly [number, number]): Box {
  const aspect = Math.min(Math.max(image.width / image.height, ratio[0]), ratio[1]);
  const width = Math.max(1, Math.min(image.width, Math.round(image.height * aspect)));
  const height = Math.max(1, Math.min(image.height, Math.round(image.width / aspect)));
  return { left: (image.width - width) >> 1, top: (image.height - height) >> 1, width, height };
}

/** torchvision's Resize of the shorter edge to `size`, then CenterCrop: what OpenCLIP evaluates with. */
export function resizeAndCenterCrop(picture: Picture, size: number): Pixels {
  const short = Math.min(picture.width, picture.height);
  const width = Math.floor((size * picture.width) / short);
  const height = Math.floor((size * picture.height) / short);
  const left = roundHalfEven((width - size) / 2);
  const top = roundHalfEven((height - size) / 2);
  const whole = { left: 0, top: 0, width: picture.width, height: picture.height };
  return picture.resample({ box: whole, width, height, view: { left, top, width: size, height: size } });
}

/** Python's round, which torchvision uses. */
function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  return value - floor === 0.5 && floor % 2 === 0 ? floor : Math.round(value);
}
