/** A decoded picture: red, green, blue, 8 bits each, row by row. */
export interface Pixels {
  readonly width: number;
  readonly height: number;
  /** [height, width, 3] */
  readonly data: Uint8Array;
}

/** What is wrong with a picture's file; the message is to stand behind the picture's name. */
export class PictureError extends Error {}
