import { type Random, uniform } from "../random.ts";
import type { Pixels } from "./pixels.ts";

/** How far a picture may be turned, moved and scaled. Not in OpenCLIP; torchvision's RandomAffine has the same ranges. */
export interface RandomAffine {
  /** Turned by an angle from [-degrees, degrees]. */
  readonly degrees: number;
  /** Moved by up to these shares of width and height. */
  readonly translate: readonly [number, number];
  /** Scaled by a factor from this range. */
  readonly scale: readonly [number, number];
  /** Level of all three channels outside the picture; 255 is white. */
  readonly fill: number;
}

/** Turns, moves and scales the picture about its centre by random amounts, with bilinear interpolation. */
export function randomAffine(pixels: Pixels, affine: RandomAffine, random: Random): Pixels {
  const { width, height } = pixels;
  const angle = (uniform(random, -affine.degrees, affine.degrees) * Math.PI) / 180;
  const moveX = uniform(random, -affine.translate[0], affine.translate[0]) * width;
  const moveY = uniform(random, -affine.translate[1], affine.translate[1]) * height;
  const scale = uniform(random, affine.scale[0], affine.scale[1]);
  // From a target pixel back to the source: undo the move, then turn back and unscale about the centre.
  const cos = Math.cos(angle) / scale;
  const sin = Math.sin(angle) / scale;
  const framed = withFrame(pixels, affine.fill);
  const centerX = (width - 1) / 2;
  const centerY = (height - 1) / 2;
  const data = new Uint8Array(width * height * 3);
  for (let y = 0, to = 0; y < height; y++) {
    const dy = y - centerY - moveY;
    for (let x = 0; x < width; x++, to += 3) {
      const dx = x - centerX - moveX;
      interpolate(framed, cos * dx + sin * dy + centerX, cos * dy - sin * dx + centerY, data, to);
    }
  }
  return { width, height, data };
}

/**
 * Writes the colour at (x, y) of the picture inside the frame; beyond the frame, that of the frame.
 * Places are rounded to 1/256 pixel, so that all weights are integers.
 */
function interpolate(framed: Pixels, x: number, y: number, data: Uint8Array, to: number): void {
  const { width, height, data: source } = framed;
  const column = Math.min(Math.max((x + 1) * 256 + 0.5, 0), (width - 1) * 256 - 1) | 0;
  const row = Math.min(Math.max((y + 1) * 256 + 0.5, 0), (height - 1) * 256 - 1) | 0;
  const right = column & 255;
  const down = row & 255;
  const ofTopLeft = (256 - right) * (256 - down);
  const ofTopRight = right * (256 - down);
  const ofDownLeft = (256 - right) * down;
  const ofDownRight = right * down;
  const top = ((row >> 8) * width + (column >> 8)) * 3;
  const below = top + 3 * width;
  for (let channel = 0; channel < 3; channel++) {
    const upper = source[top + channel]! * ofTopLeft + source[top + channel + 3]! * ofTopRight;
    const lower = source[below + channel]! * ofDownLeft + source[below + channel + 3]! * ofDownRight;
    // The weights add up to 2^16; half of that more, so that cutting rounds.
    data[to + channel] = (upper + lower + 0x8000) >> 16;
  }
}

/** The picture with one pixel of `fill` all around it. */
function withFrame({ width, height, data }: Pixels, fill: number): Pixels {
  const framed = new Uint8Array((width + 2) * (height + 2) * 3).fill(fill);
  for (let y = 0; y < height; y++) {
    framed.set(data.subarray(y * width * 3, (y + 1) * width * 3), ((y + 1) * (width + 2) + 1) * 3);
  }
  return { width: width + 2, height: height + 2, data: framed };
}
