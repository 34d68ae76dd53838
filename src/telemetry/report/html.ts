// HTML that is escaped unless somebody says otherwise: captions, class names and paths in a report come from anywhere.

/** Text that is HTML already. Only {@link html} and {@link verbatim} make it. */
export class Html {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

export type HtmlPart = Html | string | number | readonly HtmlPart[];

/** A template whose values are escaped, for element content and for attributes in double quotes; arrays are joined. */
export function html(strings: TemplateStringsArray, ...values: readonly HtmlPart[]): Html {
  return new Html(strings.map((text, index) => text + (index < values.length ? render(values[index]!) : "")).join(""));
}

/** Our own style sheets and scripts, whose text is not to be escaped. Never for text from outside. */
export function verbatim(text: string): Html {
  return new Html(text);
}

/** JSON for a `<script type="application/json">`: no `<` is left in it, so nothing in it can end the element. */
export function json(value: unknown): Html {
  return new Html(JSON.stringify(value).replaceAll("<", "\\u003c"));
}

const entities: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };

function render(value: HtmlPart): string {
  if (value instanceof Html) return value.text;
  if (typeof value === "string" || typeof value === "number") {
    return String(value).replace(/[&<>"']/g, (character) => entities[character]!);
  }
  return value.map(render).join("");
}
