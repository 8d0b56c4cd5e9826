/** One more label on every series of a Prometheus exposition, so that those of several processes can stand beside each other. */

/** @example labelExposition('up{a="1"} 1\n', "worker", "2") // 'up{worker="2",a="1"} 1\n' */
export function labelExposition(text: string, label: string, value: string): string {
  const pair = `${label}="${value}"`;
  return text.replaceAll(/^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{?)/gm, (_, name: string, brace: string) =>
    brace === "" ? `${name}{${pair}}` : `${name}{${pair},`,
  );
}
