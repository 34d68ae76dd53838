// The image side and the text side of something; what holds for one holds for the other with the roles exchanged.

export type Side = "image" | "text";

export interface Pair<T> {
  readonly image: T;
  readonly text: T;
}

export const sides: readonly Side[] = ["image", "text"];

/** The side that `side` is contrasted with. */
export function opposite(side: Side): Side {
  return side === "image" ? "text" : "image";
}

/** Says for both sides what `make` says for one. */
export function pair<T>(make: (side: Side) => T): Pair<T> {
  return { image: make("image"), text: make("text") };
}

export function mapPair<T, R>(values: Pair<T>, map: (value: T, side: Side) => R): Pair<R> {
  return { image: map(values.image, "image"), text: map(values.text, "text") };
}
