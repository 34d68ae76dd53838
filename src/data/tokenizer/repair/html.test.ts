import { expect, test } from "vitest";
import { unescapeHtml, unescapeHtmlStrict } from "./html.ts";

// What Python 3.11's html.unescape answers.
test.each([
  ["&eacute;", "é"],
  ["&eacute", "é"],
  ["&eacutex", "éx"],
  ["&notit;", "¬it;"],
  ["&notin;", "∉"],
  ["&#38;", "&"],
  ["&#38x", "&x"],
  ["&#x26;", "&"],
  ["&#X26", "&"],
  ["&#0;", "\ufffd"],
  ["&#13;", "\r"],
  ["&#1;", ""],
  ["&#11;", ""],
  ["&#127;", ""],
  ["&#128;", "€"],
  ["&#129;", "\x81"],
  ["&#133;", "…"],
  ["&#x9f", "Ÿ"],
  ["&#xD800;", "\ufffd"],
  ["&#x110000;", "\ufffd"],
  ["&#99999999999999999999;", "\ufffd"],
  ["&#xFFFE;", ""],
  ["&#x1FFFF;", ""],
  ["&#xFDD0;", ""],
  ["&#65279;", "\ufeff"],
  ["&#;", "&#;"],
  ["&#x;", "&#x;"],
  ["&#xx;", "&#xx;"],
  ["&;", "&;"],
  ["& amp;", "& amp;"],
  ["&nosuch;", "&nosuch;"],
  ["&AMP", "&"],
  ["&Amp;", "&Amp;"],
  ["&lt;&gt", "<>"],
  ["&fjlig;", "fj"],
  ["&NewLine;", "\n"],
  ["&amp;lt;", "&lt;"],
  ["&CounterClockwiseContourIntegral;", "∳"],
  ["&ThickSpace;", "\u205f\u200a"],
])("unescapeHtml(%j)", (text, expected) => {
  expect(unescapeHtml(text)).toBe(expected);
});

// What ftfy 6.3's unescape_html answers.
test.each([
  ["&eacute; &eacute &notit;", "é &eacute &notit;"],
  ["&EACUTE; &SZLIG; &SUP3;", "É SS ³"],
  ["&nTILDE; &Ntilde; &NTILDE;", "&nTILDE; Ñ Ñ"],
  ["&LT; &GTCC; &Amp;", "< &GTCC; &Amp;"],
  ["&#233; &#xE9; &#59; &#12a;", "é é &#59; &#12a;"],
  ["&#1;&#1", "&#1"],
])("unescapeHtmlStrict(%j)", (text, expected) => {
  expect(unescapeHtmlStrict(text)).toBe(expected);
});
