/** Query strings taken apart: names and values, percent-decoded, in order. */

export type Parameter = readonly [name: string, value: string];

/** `search` without its question mark; must be decodable (the face checks it once for each request). */
export function parseQueryString(search: string): readonly Parameter[] {
  if (search === "") return [];
  const parameters: Parameter[] = [];
  for (const pair of search.split("&")) {
    if (pair === "") continue;
    const equals = pair.indexOf("=");
    parameters.push(
      equals === -1 ? [decode(pair), ""] : [decode(pair.slice(0, equals)), decode(pair.slice(equals + 1))],
    );
  }
  return parameters;
}

/** Names only, for logs: values may be personal. */
export function parameterNames(search: string): string {
  const names: string[] = [];
  for (const pair of search.split("&", 32)) {
    const name = pair.split("=", 1)[0] ?? "";
    if (name !== "" && !names.includes(name)) names.push(name.slice(0, 64));
  }
  return names.join(",");
}

function decode(text: string): string {
  const spaced = text.includes("+") ? text.replaceAll("+", " ") : text;
  return spaced.includes("%") ? decodeURIComponent(spaced) : spaced;
}
