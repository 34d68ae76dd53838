import { type StyleContent, written } from "./pictures.ts";
import { conceptPackage } from "./sources.ts";

/** The text of ATTRIBUTION.md: what each licence asks to be said wherever its pictures go. */
export function attribution(contents: readonly StyleContent[], { size }: { size: number }): string {
  const sets = contents.map((content) => {
    const { style, credit } = content;
    return [
      `## ${credit.title} (\`${style.id}\`)`,
      "",
      `- author: ${credit.author}, <${credit.url}>`,
      `- licence: [${credit.license.title}](${credit.license.url}) (${credit.license.spdx})`,
      `- from: npm package ${style.package.name} ${style.package.version}`,
      `- pictures: ${written(content).length}, ${style.role === "train" ? "for training" : "held out for evaluation"}`,
      "",
    ].join("\n");
  });
  return `# Attribution

The pictures of this data set were built from published packages on the machine of whoever uses it. Each keeps its own licence; the
\`license\` field of every sample names it. Pictures under a share-alike licence (CC BY-SA) stay under it.

Changes made: each drawing was rendered as a raster picture of ${size} x ${size} pixels on white. Skin-tone variants and
icons that show no emoji were left out.

Names and tags: ${conceptPackage.name} ${conceptPackage.version} (MIT, Miles Johnson, <https://emojibase.dev>), from Unicode CLDR
([Unicode License v3](https://www.unicode.org/license.txt)).

${sets.join("\n")}`;
}
