import { describe, expect, test } from "vitest";
import { isBad } from "./badness.ts";
import { MAX_SEGMENT, repairedSegments } from "./repair.ts";

function repair(text: string): string {
  return [...repairedSegments(text)].join("");
}

// What ftfy.fix_text 6.3.1 makes of them.
const cases: readonly (readonly [string, string, string])[] = [
  ["a caption that needs nothing", "a plain caption", "a plain caption"],
  ["one layer in latin-1", "cafÃ©", "café"],
  ["one layer in windows-1252", "â€œquotedâ€\x9d â€“ naÃ¯ve", '"quoted" – naïve'],
  ["two layers", "lÃ¢â‚¬â„¢ÃƒÂ©tÃƒÂ©", "l'été"],
  ["windows-1251", "РїСЂРёРІРµС‚, РјРёСЂ", "привет, мир"],
  ["windows-1250", "Ĺ\x81ĂłdĹş", "Łódź"],
  ["windows-1253", "β€\x98Ξ•Ξ»Ξ»Ξ¬Ξ΄Ξ±β€™", "'Ελλάδα'"],
  ["windows-1254", "TÃ¼rkÃ§e â€™ÅŸ ÄŸ", "Türkçe 'ş ğ"],
  ["windows-1257", "Ä’riks ā€™ Å¡", "Ēriks ' š"],
  ["iso-8859-2", "DvoĹ\x99ĂĄk â\x80\x93 x", "Dvořák – x"],
  ["Mac OS Roman", "na√Øve ‚Äì ‚Äòx‚Äô", "naïve – 'x'"],
  ["cp437", "├⌐t├⌐ ΓÇô ├á", "été – à"],
  ["mojibake inside good text", "日本語 cafÃ© 日本語", "日本語 café 日本語"],
  ["two code pages in one text", "naÃ¯ve Ĺ\x81ĂłdĹş ", "naïve ŁódĹş "],
  ["a lost byte", "â€œlostâ€\ufffd", '"lost\ufffd'],
  ["a lost byte as ?", "cafÃ? x Ã©", "caf\ufffd x é"],
  ["a no-break space made plain", "voilÃ  le travail", "voilà le travail"],
  ["Portuguese às", "vou Ã s duas", "vou às duas"],
  ["CESU-8", "í\xa0½í¸\x80 ok", "😀 ok"],
  ["Java's null", "Ã©À\x80x", "éx"],
  ["C1 controls", "it\x92s 5\x80", "it's 5€"],
  ["C1 in text beyond latin-1", "日\x85本", "日…本"],
  ["entities", "&lt;3 &eacute; &#233; &#xE9; &hellip;", "<3 é é é …"],
  ["entities in HTML", "<b>&eacute;</b>", "<b>&eacute;</b>"],
  ["entities after a line of HTML", "<b>\n&eacute;", "<b>\n&eacute;"],
  ["entities before a line of HTML", "&eacute;\n<b>&eacute;", "é\n<b>&eacute;"],
  ["entities in capitals", "P&EACUTE;REZ &SZLIG; &nTILDE;", "PÉREZ SS &nTILDE;"],
  ["entities without semicolon", "AT&T &eacute &notit;", "AT&T &eacute &notit;"],
  ["entities in entities", "&amp;amp;eacute;", "é"],
  ["ligatures", "ﬁle oﬃce ﬆ Ĳ ŉ ǅ", "file office st IJ 'n Dž"],
  ["full and half width", "ＬＯＵＤ\u3000ﾊﾟﾝ", "LOUD パン"],
  ["quotes", "‘a’ “b” ʼc‛ „d”", "'a' \"b\" 'c' \"d\""],
  ["line breaks", "é\r\né\ré\u2028d\u2029e", "é\né\né\nd\ne"],
  ["unpaired surrogates", "a\ud83d b\ude00", "a\ufffd b\ufffd"],
  ["terminal escapes", "\x1b[36;44mblue\x1b[0m", "blue"],
  ["control characters", "a\x00b\x0bc\x7fd\ufeffe\u206af", "abcdef"],
  ["decomposed accents", "e\u0301 o\u0308 \u1100\u1161", "é ö 가"],
  ["joiners stay", "👩\u200d🚀 \u200e", "👩\u200d🚀 \u200e"],
  ["not mojibake", "Ångström, Œuvre, ÅÄÖ, x², 5°, “é”", 'Ångström, Œuvre, ÅÄÖ, x², 5°, "é"'],
  ["a face", "(ó_ò) ┬─┬", "(ó_ò) ┬─┬"],
];

test.each(cases)("%s", (_, text, expected) => {
  expect(repair(text)).toBe(expected);
  expect(repair(expected)).toBe(expected);
});

describe("segments", () => {
  test("plain lines come through as one block, other lines by themselves", () => {
    expect([...repairedSegments("a\nb\ncafÃ©\nc\nd")]).toEqual(["a\nb\n", "café\n", "c\nd"]);
  });

  test("a line is repaired by the million code points", () => {
    const parts = [...repairedSegments(`${"é".repeat(MAX_SEGMENT)}Ã©\nx`)];
    expect(parts.map((part) => part.length)).toEqual([MAX_SEGMENT, 2, 1]);
    expect(parts[1]).toBe("é\n");
    const emoji = [...repairedSegments("😀".repeat(MAX_SEGMENT + 1))];
    expect(emoji.map((part) => part.length)).toEqual([2 * MAX_SEGMENT, 2]);
  });

  test("mojibake is judged line by line", () => {
    // "Ã " at the start of a line is mojibake; in the line before it the same letters are beyond doubt.
    expect(repair("日本 Ã\nÃ la")).toBe("日本 Ã\nà la");
  });
});

test("nests of entities end", () => {
  const start = performance.now();
  expect(repair(`&${"amp;".repeat(200_000)}`)).toMatch(/^&(amp;)+$/);
  expect(repair(`&${"amp;".repeat(90)}eacute;`)).toBe("é");
  expect(performance.now() - start).toBeLessThan(10_000);
});

test.each([
  ["naïve café", false],
  ["plain", false],
  ["Ã©t", true],
  ["â€™", true],
  ["x² 5° ±3", false],
  ["\x85", true],
  ["┌─┐", false],
])("isBad(%j) is %s", (text, expected) => {
  expect(isBad(text)).toBe(expected);
});
