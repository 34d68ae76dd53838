import { decodeHTML, decodeHTMLStrict } from "entities/decode";
import { c1AsWindows1252 } from "./codepages.ts";

/**
 * HTML character references as two Python functions read them: `html.unescape` (as a browser does, also without the
 * semicolon) and ftfy's stricter `unescape_html`. Names come from the `entities` package; numbers are read here,
 * because Python drops the references to control characters and noncharacters, which HTML keeps.
 */

/** The character with this number, "" for the numbers that Python drops. */
function numericCharacter(code: number): string {
  if (code === 0 || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) return "\ufffd";
  if (code >= 0x80 && code <= 0x9f) return c1AsWindows1252(String.fromCharCode(code));
  const isControl = code < 0x20 && code !== 9 && code !== 10 && code !== 12 && code !== 13;
  const isNoncharacter = (code >= 0xfdd0 && code <= 0xfdef) || (code & 0xfffe) === 0xfffe;
  return isControl || code === 0x7f || isNoncharacter ? "" : String.fromCodePoint(code);
}

/** `reference` is "#38;", "#x26" or the like, with or without the semicolon. */
function decodeNumeric(reference: string): string {
  const hexadecimal = /^#[xX]/.test(reference);
  return numericCharacter(Number.parseInt(reference.slice(hexadecimal ? 2 : 1), hexadecimal ? 16 : 10));
}

/** Python's `html.unescape`. */
export function unescapeHtml(text: string): string {
  if (!text.includes("&")) return text;
  return text.replace(/&(#[0-9]+;?|#[xX][0-9a-fA-F]+;?|[^\t\n\f <&#;]{1,32};?)/gu, (found, reference: string) =>
    reference.startsWith("#") ? decodeNumeric(reference) : decodeHTML(found),
  );
}

/** "&EACUTE;" as "É": a lower-case name in capitals, where the capitals mean nothing else. */
function decodeShouted(reference: string): string {
  const lower = reference.toLowerCase();
  const character = decodeHTMLStrict(lower);
  const isShouted =
    character !== lower && reference === reference.toUpperCase() && unescapeHtml(reference) === reference;
  return isShouted ? character.toUpperCase() : reference;
}

/** ftfy's `unescape_html`: only references that end in a semicolon, and also names in capitals. */
export function unescapeHtmlStrict(text: string): string {
  if (!text.includes("&")) return text;
  return text.replace(/&#?[0-9A-Za-z]{1,24};/g, (found) => {
    if (found.startsWith("&#")) {
      const decoded = unescapeHtml(found);
      return decoded.includes(";") ? found : decoded;
    }
    const decoded = decodeHTMLStrict(found);
    return decoded === found ? decodeShouted(found) : decoded;
  });
}
