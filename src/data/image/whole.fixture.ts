import type { Pixels } from "./pixels.ts";
import type { Picture } from "./resample.ts";

/** All of a picture in its own size, which changes no pixel. */
export function whole(picture: Picture): Pixels {
  const { width, height } = picture;
  return picture.resample({ box: { left: 0, top: 0, width, height }, width, height });
}
