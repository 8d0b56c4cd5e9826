/** HTTP dates (RFC 9110 §5.6.7), kept for seconds seen recently: formatting costs more than the look-up. */

const longest = 4096;

/** A formatter with a memory of its own, bounded. */
export function createHttpDate(): (milliseconds: number) => string {
  const known = new Map<number, string>();
  return (milliseconds) => {
    const second = Math.floor(milliseconds / 1000);
    let text = known.get(second);
    if (text === undefined) {
      const date = new Date(second * 1000);
      // A revision is an opaque integer: one beyond the calendar is shown as its last second that HTTP can write.
      text = Number.isNaN(date.getTime()) || date.getUTCFullYear() > 9999 ? latest : date.toUTCString();
      if (known.size >= longest) known.clear();
      known.set(second, text);
    }
    return text;
  };
}

const latest = "Fri, 31 Dec 9999 23:59:59 GMT";
