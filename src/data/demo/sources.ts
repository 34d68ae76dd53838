/** A package of the npm registry at one exact version: the same pictures on every machine. */
export interface Package {
  name: string;
  version: string;
}

/** Who made a set and what its licence asks for. */
export interface Credit {
  title: string;
  author: string;
  url: string;
  license: { title: string; spdx: string; url: string };
}

/** One vendor's drawings. */
export interface Style {
  id: string;
  package: Package;
  /** The held-out style is only evaluated on; no drawing of it is trained on. */
  role: "train" | "heldOut";
  /**
   * `iconify`: SVG bodies in icons.json, credits in info.json. `files`: one picture a file, named by its code points;
   * the package does not carry its credit, so it is given here.
   */
  format: { kind: "iconify" } | { kind: "files"; folder: string; credit: Credit };
}

/** Names, tags and code points of the concepts. */
export const conceptPackage: Package = { name: "emojibase-data", version: "17.0.0" };

const fluent3d: Credit = {
  title: "Fluent Emoji 3D",
  author: "Microsoft Corporation (packaged by LobeHub)",
  url: "https://github.com/lobehub/fluent-emoji",
  license: { title: "MIT", spdx: "MIT", url: "https://github.com/microsoft/fluentui-emoji/blob/main/LICENSE" },
};

export const styles: readonly Style[] = [
  iconify("noto", "1.2.9"),
  iconify("noto-v1", "1.2.5"),
  iconify("fluent-emoji", "1.2.7"),
  iconify("fluent-emoji-flat", "1.2.6"),
  iconify("emojione", "1.2.3"),
  iconify("emojione-v1", "1.2.3"),
  iconify("openmoji", "1.2.29"),
  iconify("fxemoji", "1.2.2"),
  iconify("streamline-emojis", "1.2.4"),
  {
    id: "fluent-emoji-3d",
    package: { name: "@lobehub/fluent-emoji-3d", version: "1.1.0" },
    role: "train",
    format: { kind: "files", folder: "assets", credit: fluent3d },
  },
  { ...iconify("twemoji", "1.2.5"), role: "heldOut" },
];

function iconify(id: string, version: string): Style {
  return { id, package: { name: `@iconify-json/${id}`, version }, role: "train", format: { kind: "iconify" } };
}

/** The training styles with these ids (all by default) and the held-out style, in the order of the list. */
export function chooseStyles(ids?: readonly string[]): Style[] {
  const training = styles.filter(({ role }) => role === "train").map(({ id }) => id);
  const wanted = ids ?? training;
  const unknown = wanted.find((id) => !training.includes(id));
  if (unknown !== undefined || wanted.length === 0) {
    throw new Error(`sets should name some of ${training.join(", ")}; got "${unknown ?? ""}"`);
  }
  return styles.filter(({ id, role }) => role === "heldOut" || wanted.includes(id));
}
