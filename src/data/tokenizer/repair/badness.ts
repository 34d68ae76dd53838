import { PYTHON_SPACE, PYTHON_WORD } from "./python.ts";

/**
 * Tells text that looks like mojibake (UTF-8 read in a single-byte encoding) from text that does not.
 *
 * The roughly 400 characters that such mistakes produce fall into classes, and pairs of classes that people do not write
 * side by side give the mistake away. Classes and pairs are those of ftfy 6.3 by Robyn Speer (Apache-2.0), because the
 * ids that CLIP's published weights expect were made with it.
 */

/** Members of each class, as they stand between the brackets of a regular expression. */
const common = "\xa0\xad·´–—―…’";
const c1 = "\x80-\x9f";
const bad = "¦¤¨¬¯¸ƒˆˇ˘˛˜†‡‰⌐◊\ufffdªº";
const law = "¶§";
const currency = "¢£¥₧€";
const opening = "¡«¿©΄΅‘‚“„•‹\uf8ff";
const closing = "®»˝”›™";
const numeric = "²³¹±¼½¾×µ÷⁄∂∆∏∑√∞∩∫≈≠≡≤≥№";
/** Letters that faces are made of, so that they may stand beside box-drawing characters only by mistake. */
const face = "Ò-ÖÙ-Üò-öø-üŐŌŪŲ°";
const upper = "À-ÑØÜÝĂĀĄĆČĎĐĘĚĒĖĞĢİĪĶĹĽŁĻŃŇŅŒŘŚŞŠŢŤŮŰŸŹŻŽҐ";
const lower = "ßà-ñăąāćčďđęěēėģğįīķĺľłļœŕśşšťüźżžґﬁﬂ";
/** Letters of other alphabets, and thorn: mojibake of whole words, so suspicious in fewer places. */
const upperOther = "ÞΑ-ΩΆΈΉΊΌΎΏΪΫЁ-Я";
const lowerOther = "α-ωάέήίΰа-џ";
const box = "│┌┐┘├┤┬┼═-╬▀▄█▌▐░▒▓";

/** One character of any of these classes. */
function oneOf(...classes: readonly string[]): string {
  return `[${classes.join("")}]`;
}

const symbols = [box, opening, closing, currency, numeric, law];
/** What a lead byte D8 or D9 of Arabic is followed by. */
const arabicSecond = oneOf(common, currency, bad, numeric, opening, "ŸŠ®°µ»");
const cyrillicSecond = oneOf(c1, bad, opening, closing, currency, "°µ");
const greekSecond = oneOf(c1, bad, opening, closing, currency, "°");

const byClass: readonly string[] = [
  oneOf(c1),
  oneOf(bad, lower, upper, ...symbols) + oneOf(bad),
  `[a-zA-Z]${oneOf(lowerOther, upperOther)}${oneOf(bad)}`,
  oneOf(bad) + oneOf(lower, upper, ...symbols),
  oneOf(lower, lowerOther, box, closing, currency, numeric) + oneOf(upper),
  oneOf(box, closing, currency, numeric) + oneOf(lower),
  oneOf(lower, box, closing) + oneOf(currency),
  oneOf(PYTHON_SPACE) + oneOf(upper) + oneOf(currency),
  oneOf(upper, box) + oneOf(numeric, law),
  oneOf(lower, upper, box, currency, closing) + oneOf(opening) + oneOf(numeric),
  oneOf(lower, upper, currency, numeric, box, law) + oneOf(closing) + oneOf(opening),
  oneOf(currency, numeric, box) + oneOf(opening),
  `[a-z]${oneOf(upper)}${oneOf(opening, currency)}`,
  oneOf(box) + oneOf(face),
  oneOf(lower, upper, currency, numeric, opening, closing, law) + oneOf(box),
  oneOf(box) + oneOf(closing),
  oneOf(lower, upper) + oneOf(opening, closing) + oneOf(PYTHON_WORD),
];

const byLetter: readonly string[] = [
  "[Œœ][^A-Za-z]",
  `${oneOf(upper)}°`,
  // windows-1252
  `[ÂÃÎÐ]${oneOf("€œŠš¢£Ÿž\xa0\xad®©°·»–—´", opening, closing)}`,
  "×[²³]",
  "Ã[\xa0¡]",
  `[a-z]${oneOf(PYTHON_SPACE)}?[ÃÂ] `,
  "^[ÃÂ] ",
  `${oneOf("a-z.,?!", closing)}Â${oneOf(" ", opening, closing)}`,
  // windows-1252 of Arabic: the class of second characters is wide, so two pairs are asked for
  `(?:[ØÙ]${arabicSecond}){2}`,
  // windows-1252 of South Asian scripts
  "à[²µ¹¼½¾]",
  // Mac OS Roman
  "√[±∂†≠®™´≤≥¥µø]",
  "≈[°¢]",
  "‚Ä[ìîïòôúùû†°¢π]",
  "‚[âó][àä°ê]",
  // windows-1251; the last is windows-1251 on top of windows-1252, near a Latin letter
  "вЂ",
  `[ВГРС]${cyrillicSecond}[ВГРС]`,
  "ГўВЂВ.[A-Za-z ]",
  // windows-1253
  "β€[™\xa0Ά\xad®°]",
  `[ΒΓΞΟ]${greekSecond}[ΒΓΞΟ]`,
  // windows-1257
  "ā€",
];

let pattern: RegExp | undefined;

/** True when some characters of `text` stand side by side as only mojibake has them. */
export function isBad(text: string): boolean {
  if (!/[^\0-\x7f]/.test(text)) return false;
  pattern ??= new RegExp([...byClass, ...byLetter].join("|"), "u");
  return pattern.test(text);
}
