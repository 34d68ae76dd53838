/**
 * Character classes as Python's `re` has them, to stand between the brackets of a regular expression. JavaScript's `\s`
 * also takes U+FEFF and lacks five control characters, and its `\w` is ASCII.
 */

/** `\s`; `str.split()` splits at the same. */
export const PYTHON_SPACE = "\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";

/** `\w`; needs the `u` flag. */
export const PYTHON_WORD = "\\p{L}\\p{N}_";
