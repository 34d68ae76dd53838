/** Characters that are drawn twice as wide as a letter: of East Asian scripts, and emoji. */
const wide = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Extended_Pictographic}]/u;

/** Cuts a text into lines of at most `columns` letters, at spaces where there are any. No line for an empty text. */
export function wrapText(text: string, columns: number): string[] {
  const lines: string[] = [];
  let line = "";
  let width = 0;
  for (const word of text.split(/\s+/).flatMap((word) => piecesOf(word, columns))) {
    const wordWidth = widthOf(word);
    if (width > 0 && width + 1 + wordWidth > columns) {
      lines.push(line);
      [line, width] = [word, wordWidth];
    } else {
      line = width > 0 ? `${line} ${word}` : word;
      width += (width > 0 ? 1 : 0) + wordWidth;
    }
  }
  return width > 0 ? [...lines, line] : lines;
}

/** A word that is wider than a line, in pieces; an empty one is none. */
function piecesOf(word: string, columns: number): string[] {
  const pieces: string[] = [];
  let piece = "";
  for (const character of word) {
    if (piece !== "" && widthOf(piece + character) > columns) {
      pieces.push(piece);
      piece = "";
    }
    piece += character;
  }
  return piece === "" ? pieces : [...pieces, piece];
}

function widthOf(text: string): number {
  let width = 0;
  for (const character of text) width += wide.test(character) ? 2 : 1;
  return width;
}
