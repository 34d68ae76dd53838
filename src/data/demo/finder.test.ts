import { expect, test } from "vitest";
import { type Concept, isHeldOutConcept } from "./concepts.ts";
import { conceptFinder, isSkinTone } from "./finder.ts";
import { fnv1a } from "./hash.ts";

const rows: [key: string, hexcode: string, people?: "people"][] = [
  ["waving_hand", "1F44B", "people"],
  ["keycap_number_sign", "0023-FE0F-20E3"],
  ["bullseye", "1F3AF"],
  ["flag_chad", "1F1F9-1F1E9"],
  ["flag_trinidad_tobago", "1F1F9-1F1F9"],
  ["black_flag", "1F3F4"],
  ["turkey", "1F983"],
  ["flag_turkiye", "1F1F9-1F1F7"],
  ["robot", "1F916"],
  ["man_artist", "1F468-200D-1F3A8", "people"],
  ["sunglasses", "1F576"],
  ["smiling_face_with_sunglasses", "1F60E"],
];
const concepts = rows.map(
  ([key, hexcode, people], index): Concept => ({
    key,
    name: key.replaceAll("_", " "),
    tags: [],
    hexcode,
    people: people !== undefined,
    class: index,
    heldOut: isHeldOutConcept(key),
  }),
);
const finder = conceptFinder(concepts);

test.each([
  ["waving-hand", "noto", "waving_hand"],
  ["wavinghand", "fxemoji", "waving_hand"],
  ["direct-hit", "noto-v1", "bullseye"],
  ["flag-for-chad", "emojione", "flag_chad"],
  ["flag-for-flag-chad", "noto-v1", "flag_chad"],
  ["chad", "streamline-emojis", "flag_chad"],
  ["flag-for-trinidad-and-tobago", "emojione", "flag_trinidad_tobago"],
  ["flag-for-black-flag", "emojione", "black_flag"],
  ["turkey", "noto", "turkey"],
  ["robot-face-2", "streamline-emojis", "robot"],
  ["sunglasses", "noto", "sunglasses"],
  ["sunglasses", "fxemoji", "smiling_face_with_sunglasses"],
  ["no-such-thing", "noto", undefined],
  ["waving-hand-dark-skin-tone", "noto", undefined],
])("%s of %s shows %s", (name, set, key) => {
  expect(finder.byName(name, set)?.key).toBe(key);
});

test.each([
  ["1f44b", "waving_hand"],
  ["0023-20e3", "keycap_number_sign"],
  ["23-fe0f-20e3", "keycap_number_sign"],
  ["1f44b-1f3fb", undefined],
])("code points %s are %s", (hexcode, key) => {
  expect(finder.byHexcode(hexcode)?.key).toBe(key);
});

test.each([
  ["waving-hand-dark-skin-tone", [], true],
  ["man-artist-tone3", [], true],
  ["artist-medium-light", [], true],
  ["man-artist-2", [], true],
  ["man-artist-1", [], false],
  ["robot-face-2", [], false],
  ["waving-hand-any", ["1f44b-1f3fd"], true],
  ["1f44b", ["1f44b"], false],
])("%s %j is a skin-tone variant: %s", (name, hexcodes, expected) => {
  expect(isSkinTone({ name, hexcodes }, finder.byName(name, "streamline-emojis"))).toBe(expected);
});

test("one bucket of ten of FNV-1a is held out", () => {
  const keys = Array.from({ length: 1000 }, (_, index) => `concept_${index}`);
  expect(keys.filter(isHeldOutConcept)).toEqual(keys.filter((key) => fnv1a(key) % 10 === 0));
  expect(Math.abs(keys.filter(isHeldOutConcept).length - 100)).toBeLessThan(50);
  // From the published values of FNV-1a: "foobar" 0xbf9cf968 = 3214735720, "" 0x811c9dc5 = 2166136261.
  expect(isHeldOutConcept("foobar")).toBe(true);
  expect(isHeldOutConcept("")).toBe(false);
});
