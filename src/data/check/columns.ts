// What is kept of each sample while the data is checked: some 50 bytes in memory that all threads share. A sample's row is written by
// whichever thread reads it, so what stands there in the end does not depend on threads.

/** One entry for each of N samples, by id. What a damaged sample does not have is 0. */
export interface Columns {
  /** [N]: 1 for a sample whose picture and caption could be read. */
  readonly whole: Uint8Array;
  /** [N, 2]: the picture file's fingerprint. */
  readonly picture: Uint32Array;
  /** [N, 2]: the fingerprint of the caption as the model reads it: its tokens, cut at the context length. */
  readonly caption: Uint32Array;
  /** [N, 2]: the key's fingerprint; also of damaged samples. */
  readonly key: Uint32Array;
  /** [N]: pixels. */
  readonly width: Uint32Array;
  /** [N]: pixels. */
  readonly height: Uint32Array;
  /** [N]: size of the picture file. */
  readonly bytes: Uint32Array;
  /** [N]: position in `pictureFormats`. */
  readonly format: Uint8Array;
  /** [N]: tokens of the caption before it is cut, start and end included. */
  readonly tokens: Uint32Array;
  /** [N]: characters (code points) of the caption as it is written. */
  readonly characters: Uint32Array;
  /** [N]: bits of `captionFlag`. */
  readonly flags: Uint8Array;
  /** [N]: position in `scripts`. */
  readonly script: Uint8Array;
  /** [N]: a language's packed code, or `tooShort` or `unclear`. */
  readonly language: Uint16Array;
}

export function allocateColumns(size: number): Columns {
  const bytes = (length = size): Uint8Array => new Uint8Array(new SharedArrayBuffer(length));
  const words = (length = size): Uint32Array => new Uint32Array(new SharedArrayBuffer(4 * length));
  return {
    whole: bytes(),
    picture: words(2 * size),
    caption: words(2 * size),
    key: words(2 * size),
    width: words(),
    height: words(),
    bytes: words(),
    format: bytes(),
    tokens: words(),
    characters: words(),
    flags: bytes(),
    script: bytes(),
    language: new Uint16Array(new SharedArrayBuffer(2 * size)),
  };
}
