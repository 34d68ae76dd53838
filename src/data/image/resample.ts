// PIL's bicubic resizing of 8-bit pictures, to the last bit: addon/resample.cc.
import { native } from "../../native/addon.ts";
import type { Pixels } from "./pixels.ts";

/** A rectangle of whole pixels. */
export interface Box {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/** The part of a picture inside `box` made width x height large, as if it were a picture of its own. */
export interface Resize {
  readonly box: Box;
  readonly width: number;
  readonly height: number;
  /** The part of the result that is computed and returned; by default all. */
  readonly view?: Box;
}

/** A picture that can be had in another size. Its file may be decoded only then, so that no more of it is made than is asked for. */
export interface Picture {
  readonly width: number;
  readonly height: number;
  /** Throws PictureError when the file turns out to be damaged. */
  resample(resize: Resize): Pixels;
}

export function decoded(pixels: Pixels): Picture {
  const { width, height, data } = pixels;
  return {
    width,
    height,
    resample: (resize) => resampled(resize, (numbers, target) => native.resample(data, width, height, numbers, target)),
  };
}

/** Hands `write` the numbers of addon/picture.cc and the memory that it is to fill. */
export function resampled(resize: Resize, write: (numbers: number[], target: Uint8Array) => void): Pixels {
  const { box, width, height, view = { left: 0, top: 0, width, height } } = resize;
  const data = new Uint8Array(3 * view.width * view.height);
  const numbersOf = ({ left, top, width: across, height: down }: Box): number[] => [left, top, across, down];
  write([...numbersOf(box), width, height, ...numbersOf(view)], data);
  return { width: view.width, height: view.height, data };
}
