/** Names of coordinate reference systems: WGS 84 in longitude and latitude is accepted, everything else refused. */

const wgs84 = new Set([
  "wgs84",
  "wgs_84",
  "crs84",
  "crs84h",
  "ogc:crs84",
  "ogc:crs84h",
  "ogc:1.3:crs84",
  "epsg:4326",
  "epsg:4979",
]);

/**
 * True for the usual spellings: `WGS 84`, `EPSG:4326` (4979 with altitude), `urn:ogc:def:crs:EPSG::4326`,
 * `urn:ogc:def:crs:OGC:1.3:CRS84`, `http://www.opengis.net/def/crs/OGC/1.3/CRS84`. The order is longitude, latitude whatever
 * the name, as in RFC 7946.
 */
export function isWgs84(name: string): boolean {
  const short = name
    .trim()
    .toLowerCase()
    .replace(/^https?:\/\/(www\.)?opengis\.net\/def\/crs\//, "")
    .replace(/^urn:(x-)?ogc:def:crs:/, "")
    .replaceAll("/", ":")
    .replace(/\s+/g, "")
    .replace(/^wgs-84$/, "wgs84");
  if (wgs84.has(short)) return true;
  // An authority's version may stand between its name and the code: `EPSG::4326`, `EPSG:8.9:4326`, `OGC::CRS84`.
  const parts = short.split(":");
  return parts.length === 3 && /^[\d.]*$/.test(parts[1] ?? "x") && wgs84.has(`${parts[0]}:${parts[2]}`);
}
