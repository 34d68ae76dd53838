// What a step sends beside the parameters' gradients, in bytes, from the formulas: the benchmark fails where a counter says otherwise.

/** Who runs a step, and by which reduction. */
export type SideName = "ours, scalars" | "ours, features" | "FastCLIP (PyTorch)" | "OpenCLIP (PyTorch)";

export interface Shape {
  readonly ranks: number;
  /** Pairs of one rank, b. */
  readonly batch: number;
  /** Numbers of a feature, d. */
  readonly width: number;
}

/** Bytes a step by what they are: the size of what every rank holds afterwards (of feature gradients, before). */
export type Messages = Readonly<Record<"features" | "scalars" | "ids" | "featureGradients", number>>;

const float = 4;
const int64 = 8;

/**
 * With B = K b pairs: everybody gathers 2 B features of d numbers. FastCLIP then gathers 2 B scalars, OpenCLIP reduces the 2 B d numbers
 * of feature gradients.
 */
export function messagesOf(side: SideName, { ranks, batch, width }: Shape): Messages {
  const B = ranks === 1 ? 0 : ranks * batch; // alone, nothing is sent
  const [features, scalars] = [2 * B * width * float, 2 * B * float];
  const nothing: Messages = { features: 0, scalars: 0, ids: 0, featureGradients: 0 };
  switch (side) {
    case "ours, scalars":
      // The positions of the pairs ride along with the pictures' features.
      return { ...nothing, features: features + B * int64, scalars };
    case "ours, features":
      // The scalars too, since every machine keeps the estimators of all pairs.
      return { ...nothing, features: features + B * int64, scalars, featureGradients: features };
    case "FastCLIP (PyTorch)":
      // Positions of pictures and texts, in a gather of their own.
      return { ...nothing, features, scalars, ids: 2 * B * int64 };
    case "OpenCLIP (PyTorch)":
      return { ...nothing, features, featureGradients: features };
  }
}
