/**
 * The single-byte encodings that UTF-8 text is often read in by mistake, as tables of the characters of bytes 0x80-0xFF
 * (source: the Unicode Consortium's mapping files for each encoding).
 *
 * The tables are written out because a runtime's `TextDecoder` lacks cp437, and some Node versions read windows-1252
 * as latin-1. The windows tables are "sloppy", as in browsers: a byte without a character stands for the control
 * character of the same number. There byte 0x1A also stands for U+FFFD, which is what a strict reader leaves behind.
 */
export interface CodePage {
  readonly name: string;
  readonly sloppy: boolean;
  /** The characters of bytes 0x80-0xFF, 128 UTF-16 units. */
  readonly upperHalf: string;
}

const c1Controls =
  "\x80\x81\x82\x83\x84\x85\x86\x87\x88\x89\x8a\x8b\x8c\x8d\x8e\x8f\x90\x91\x92\x93\x94\x95\x96\x97\x98\x99\x9a\x9b\x9c\x9d\x9e\x9f";
const latin1Symbols = "\xa0¡¢£¤¥¦§¨©ª«¬\xad®¯°±²³´µ¶·¸¹º»¼½¾¿";
const latin1Capitals = "ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÐÑÒÓÔÕÖ×ØÙÚÛÜÝÞß";
const latin1Small = "àáâãäåæçèéêëìíîïðñòóôõö÷øùúûüýþÿ";

/** Rows of 32 characters. */
function codePage(name: string, ...rows: readonly string[]): CodePage {
  return { name, sloppy: name.startsWith("windows-"), upperHalf: rows.join("") };
}

/** In the order in which they are tried: the likeliest mistake first. */
export const codePages: readonly CodePage[] = [
  codePage("latin-1", c1Controls, latin1Symbols, latin1Capitals, latin1Small),
  codePage(
    "windows-1252",
    "€\x81‚ƒ„…†‡ˆ‰Š‹Œ\x8dŽ\x8f\x90‘’“”•–—˜™š›œ\x9džŸ",
    latin1Symbols,
    latin1Capitals,
    latin1Small,
  ),
  codePage(
    "windows-1251",
    "ЂЃ‚ѓ„…†‡€‰Љ‹ЊЌЋЏђ‘’“”•–—\x98™љ›њќћџ",
    "\xa0ЎўЈ¤Ґ¦§Ё©Є«¬\xad®Ї°±Ііґµ¶·ё№є»јЅѕї",
    "АБВГДЕЖЗИЙКЛМНОПРСТУФХЦЧШЩЪЫЬЭЮЯ",
    "абвгдежзийклмнопрстуфхцчшщъыьэюя",
  ),
  codePage(
    "windows-1250",
    "€\x81‚\x83„…†‡\x88‰Š‹ŚŤŽŹ\x90‘’“”•–—\x98™š›śťžź",
    "\xa0ˇ˘Ł¤Ą¦§¨©Ş«¬\xad®Ż°±˛ł´µ¶·¸ąş»Ľ˝ľż",
    "ŔÁÂĂÄĹĆÇČÉĘËĚÍÎĎĐŃŇÓÔŐÖ×ŘŮÚŰÜÝŢß",
    "ŕáâăäĺćçčéęëěíîďđńňóôőö÷řůúűüýţ˙",
  ),
  codePage(
    "windows-1253",
    "€\x81‚ƒ„…†‡\x88‰\x8a‹\x8c\x8d\x8e\x8f\x90‘’“”•–—\x98™\x9a›\x9c\x9d\x9e\x9f",
    "\xa0΅Ά£¤¥¦§¨©ª«¬\xad®―°±²³΄µ¶·ΈΉΊ»Ό½ΎΏ",
    "ΐΑΒΓΔΕΖΗΘΙΚΛΜΝΞΟΠΡÒΣΤΥΦΧΨΩΪΫάέήί",
    "ΰαβγδεζηθικλμνξοπρςστυφχψωϊϋόύώÿ",
  ),
  codePage(
    "windows-1254",
    "€\x81‚ƒ„…†‡ˆ‰Š‹Œ\x8d\x8e\x8f\x90‘’“”•–—˜™š›œ\x9d\x9eŸ",
    latin1Symbols,
    "ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏĞÑÒÓÔÕÖ×ØÙÚÛÜİŞß",
    "àáâãäåæçèéêëìíîïğñòóôõö÷øùúûüışÿ",
  ),
  codePage(
    "windows-1257",
    "€\x81‚\x83„…†‡\x88‰\x8a‹\x8c¨ˇ¸\x90‘’“”•–—\x98™\x9a›\x9c¯˛\x9f",
    "\xa0¡¢£¤¥¦§Ø©Ŗ«¬\xad®Æ°±²³´µ¶·ø¹ŗ»¼½¾æ",
    "ĄĮĀĆÄÅĘĒČÉŹĖĢĶĪĻŠŃŅÓŌÕÖ×ŲŁŚŪÜŻŽß",
    "ąįāćäåęēčéźėģķīļšńņóōõö÷ųłśūüżž˙",
  ),
  codePage(
    "iso-8859-2",
    c1Controls,
    "\xa0Ą˘Ł¤ĽŚ§¨ŠŞŤŹ\xadŽŻ°ą˛ł´ľśˇ¸šşťź˝žż",
    "ŔÁÂĂÄĹĆÇČÉĘËĚÍÎĎĐŃŇÓÔŐÖ×ŘŮÚŰÜÝŢß",
    "ŕáâăäĺćçčéęëěíîďđńňóôőö÷řůúűüýţ˙",
  ),
  codePage(
    "macroman",
    "ÄÅÇÉÑÖÜáàâäãåçéèêëíìîïñóòôöõúùûü",
    "†°¢£§•¶ß®©™´¨≠ÆØ∞±≤≥¥µ∂∑∏π∫ªºΩæø",
    "¿¡¬√ƒ≈∆«»…\xa0ÀÃÕŒœ–—“”‘’÷◊ÿŸ⁄€‹›ﬁﬂ",
    "‡·‚„‰ÂÊÁËÈÍÎÏÌÓÔ\uf8ffÒÚÛÙıˆ˜¯˘˙˚¸˝˛ˇ",
  ),
  codePage(
    "cp437",
    "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒ",
    "áíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐",
    "└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀",
    "αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\xa0",
  ),
];

/** The code pages in which bytes 0xC2-0xF3 are letters; mojibake in one of them looks like words. */
export const alphabeticPages: readonly CodePage[] = codePages.filter((page) => page.name === "latin-1" || page.sloppy);

const windows1252 = codePages.find((page) => page.name === "windows-1252")!;

const encodeTables = new Map<CodePage, Map<number, number>>();

/** UTF-16 unit to byte for the upper half of `page`, made on first use. */
function encodeTable(page: CodePage): Map<number, number> {
  const known = encodeTables.get(page);
  if (known !== undefined) return known;
  const table = new Map<number, number>();
  for (let i = 0; i < 128; i++) table.set(page.upperHalf.charCodeAt(i), 0x80 + i);
  if (page.sloppy) table.set(0xfffd, 0x1a);
  encodeTables.set(page, table);
  return table;
}

/**
 * The bytes that read as `text` in this code page, as a string with one character U+0000-U+00FF per byte (so that byte
 * patterns are ordinary regular expressions), or undefined when a character has no byte.
 */
export function encodeIn(page: CodePage, text: string): string | undefined {
  const table = encodeTable(page);
  const bytes = Buffer.allocUnsafe(text.length);
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    const isAscii = unit < 0x80 && !(page.sloppy && unit === 0x1a);
    const byte = isAscii ? unit : table.get(unit);
    if (byte === undefined) return undefined;
    bytes[i] = byte;
  }
  return bytes.toString("latin1");
}

/** The character that a browser shows for a C1 control (U+0080-U+009F): that byte read as windows-1252. */
export function c1AsWindows1252(control: string): string {
  return windows1252.upperHalf.charAt(control.charCodeAt(0) - 0x80);
}
