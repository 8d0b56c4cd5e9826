/**
 * Positions as PIDF-LO (RFC 4119, profile of RFC 5491): one tuple each, a Circle where the accuracy is known and a Point where not.
 * Coordinates go latitude first, because the reference system is EPSG 4326. The presentity is not named.
 */
import type { StoredPosition } from "./geojson.ts";
import type { PositionSource } from "./position.ts";

export const pidfType = "application/pidf+xml";

export function toPidfLo(positions: readonly StoredPosition[]): string {
  return `<?xml version="1.0" encoding="UTF-8"?>
<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:gp="urn:ietf:params:xml:ns:pidf:geopriv10" xmlns:gbp="urn:ietf:params:xml:ns:pidf:geopriv10:basicPolicy" xmlns:gml="http://www.opengis.net/gml" xmlns:gs="http://www.opengis.net/pidflo/1.0" xmlns:con="urn:ietf:params:xml:ns:geopriv:conf" xmlns:dyn="urn:ietf:params:xml:ns:pidf:geopriv10:dynamic" entity="pres:anonymous@anonymous.invalid">
${positions.map(tuple).join("")}</presence>
`;
}

function tuple(position: StoredPosition): string {
  return `  <tuple id="${attribute(`p-${position.id}`)}">
    <status>
      <gp:geopriv>
        <gp:location-info>
${shape(position)}${confidence(position)}${dynamic(position)}        </gp:location-info>
        <gp:usage-rules>
          <gbp:retransmission-allowed>no</gbp:retransmission-allowed>
          <gbp:retention-expiry>${text(position.expires_at)}</gbp:retention-expiry>
        </gp:usage-rules>
        <gp:method>${methods[position.source] ?? "Derived"}</gp:method>
      </gp:geopriv>
    </status>
    <timestamp>${text(position.fix_time)}</timestamp>
  </tuple>
`;
}

/** IANA "Method Tokens" registry of RFC 4119. */
const methods: Readonly<Record<PositionSource, string>> = {
  gnss: "GPS",
  wifi: "802.11",
  cell: "Cell",
  manual: "Manual",
  unknown: "Derived",
};

/** RFC 5491 §5.2: a Circle has two dimensions, so an altitude is only given with a Point. */
function shape({ coordinates: [longitude = 0, latitude = 0, altitude], accuracy }: StoredPosition): string {
  if (typeof accuracy === "number" && accuracy > 0)
    return `          <gs:Circle srsName="urn:ogc:def:crs:EPSG::4326">
            <gml:pos>${decimal(latitude)} ${decimal(longitude)}</gml:pos>
            <gs:radius uom="urn:ogc:def:uom:EPSG::9001">${decimal(accuracy)}</gs:radius>
          </gs:Circle>
`;
  const [code, third] = altitude === undefined ? [4326, ""] : [4979, ` ${decimal(altitude)}`];
  return `          <gml:Point srsName="urn:ogc:def:crs:EPSG::${code}">
            <gml:pos>${decimal(latitude)} ${decimal(longitude)}${third}</gml:pos>
          </gml:Point>
`;
}

/** RFC 7459. */
function confidence({ confidence: value }: StoredPosition): string {
  return typeof value === "number" && value > 0 ? `          <con:confidence>${decimal(value)}</con:confidence>\n` : "";
}

/** RFC 5962. */
function dynamic({ orientation, speed, heading }: StoredPosition): string {
  const parts = [
    ["orientation", orientation],
    ["speed", speed],
    ["heading", heading],
  ] as const;
  const inner = parts
    .filter(([, value]) => typeof value === "number")
    .map(([name, value]) => `            <dyn:${name}>${decimal(Number(value))}</dyn:${name}>\n`);
  return inner.length === 0 ? "" : `          <dyn:Dynamic>\n${inner.join("")}          </dyn:Dynamic>\n`;
}

/** xsd:decimal knows no exponent. */
function decimal(value: number): string {
  const plain = String(value);
  return plain.includes("e") ? value.toFixed(12).replace(/\.?0+$/, "") : plain;
}

function text(value: string): string {
  return (
    value
      .replaceAll("&", "&amp;")
      .replaceAll("<", "&lt;")
      .replaceAll(">", "&gt;")
      // biome-ignore lint/suspicious/noControlCharactersInRegex: XML 1.0 has no form for these characters at all
      .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, "")
  );
}

function attribute(value: string): string {
  return text(value).replaceAll('"', "&quot;").replaceAll("'", "&apos;");
}
