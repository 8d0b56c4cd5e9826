/** QR codes as inline SVG: one path, black on white in every colour scheme, sharp in print. */
import { encode } from "uqr";
import { type Html, html } from "./html.ts";

export function qrCode(text: string, label: string): Html {
  const { data, size } = encode(text, { ecc: "M", border: 3 });
  let path = "";
  data.forEach((row, y) => {
    let from = -1;
    for (let x = 0; x <= row.length; x++) {
      const dark = row[x] === true;
      if (dark && from < 0) from = x;
      if (!dark && from >= 0) {
        path += `M${from} ${y}h${x - from}v1H${from}z`;
        from = -1;
      }
    }
  });
  return html`<svg class="qr" role="img" aria-label="${label}" viewBox="0 0 ${size} ${size}" shape-rendering="crispEdges"><rect width="${size}" height="${size}" fill="#fff"></rect><path d="${path}" fill="#000"></path></svg>`;
}
