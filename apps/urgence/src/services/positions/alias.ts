/**
 * Other forms in which a position may arrive, translated to ours before it is checked: a GeoJSON Feature or Point, and the JSON of
 * the first Urgence report (`type, coordinate, locationAccuracy, locationSource, crs, altitude, speed, deviceOrientation,
 * gpsOrientation`). Pure, total: what it does not know it leaves for the schema to refuse.
 */

type Bag = Readonly<Record<string, unknown>>;

/** Our form of whatever was sent; a value that is none of the known forms comes back as it is. */
export function toPositionForm(value: unknown): unknown {
  if (!isBag(value)) return value;
  if (isBag(value.position)) return toPositionForm(value.position);
  if (value.type === "Feature" && isBag(value.geometry)) return fromFeature(value, value.geometry);
  if (value.type === "Point" && Array.isArray(value.coordinates)) return fromReport({ ...value, type: undefined });
  return reportKeys.some((key) => key in value) ? fromReport(value) : value;
}

/** Keys that only the report's form has. */
const reportKeys = [
  "coordinate",
  "locationAccuracy",
  "locationSource",
  "altitude",
  "deviceOrientation",
  "gpsOrientation",
  "latitude",
  "longitude",
] as const;

function fromFeature(feature: Bag, geometry: Bag): unknown {
  const properties = isBag(feature.properties) ? feature.properties : {};
  // A geometry that is no point keeps no coordinates that the schema could mistake for one.
  const coordinates = geometry.type === "Point" ? geometry.coordinates : undefined;
  const crs = crsName(feature.crs) ?? crsName(geometry.crs) ?? properties.crs;
  return fromReport(
    strip({ ...known(properties), coordinates, crs, ...(typeof feature.id === "string" ? { id: feature.id } : {}) }),
  );
}

/** The report's names beside ours; ours win where both are given. */
function fromReport(report: Bag): unknown {
  const {
    type: _,
    coordinate,
    coordinates = coordinate,
    locationAccuracy,
    locationSource,
    altitude,
    deviceOrientation,
    gpsOrientation,
    latitude,
    longitude,
    crs,
    timestamp,
    ...rest
  } = report;
  return strip({
    ...rest,
    coordinates: withAltitude(toPair(coordinates) ?? pairOf(longitude, latitude) ?? coordinates, altitude),
    crs: crsName(crs) ?? crs,
    accuracy: rest.accuracy ?? locationAccuracy,
    source: sourceName(rest.source ?? locationSource),
    orientation: rest.orientation ?? degrees(deviceOrientation),
    heading: rest.heading ?? degrees(gpsOrientation),
    fix_time: rest.fix_time ?? timestamp,
  });
}

/** `[lon, lat]`, a Point, `{longitude, latitude}` or `{lon|lng, lat}`; undefined for anything else. */
function toPair(value: unknown): unknown {
  if (Array.isArray(value)) {
    // A missing altitude may be sent as null, as the browsers' geolocation does.
    return value.length === 3 && value[2] === null ? value.slice(0, 2) : value;
  }
  if (!isBag(value)) return undefined;
  if (Array.isArray(value.coordinates)) return toPair(value.coordinates);
  const pair = pairOf(value.longitude ?? value.lon ?? value.lng, value.latitude ?? value.lat);
  return pair === undefined ? undefined : withAltitude(pair, value.altitude ?? value.alt);
}

function pairOf(longitude: unknown, latitude: unknown): unknown[] | undefined {
  return longitude === undefined || latitude === undefined ? undefined : [longitude, latitude];
}

function withAltitude(pair: unknown, altitude: unknown): unknown {
  if (altitude === undefined || altitude === null) return pair;
  return Array.isArray(pair) && pair.length === 2 ? [...pair, altitude] : pair;
}

function crsName(crs: unknown): string | undefined {
  if (typeof crs === "string") return crs;
  if (!isBag(crs)) return undefined;
  // GeoJSON 2008: {"type": "name", "properties": {"name": "urn:…"}}
  if (isBag(crs.properties) && typeof crs.properties.name === "string") return crs.properties.name;
  return typeof crs.name === "string" ? crs.name : undefined;
}

const sourceNames: Readonly<Record<string, string>> = {
  gps: "gnss",
  gnss: "gnss",
  glonass: "gnss",
  galileo: "gnss",
  satellite: "gnss",
  wifi: "wifi",
  "wi-fi": "wifi",
  wlan: "wifi",
  cell: "cell",
  cellular: "cell",
  network: "cell",
  manual: "manual",
  user: "manual",
  unknown: "unknown",
};

function sourceName(source: unknown): unknown {
  return typeof source === "string" ? (sourceNames[source.trim().toLowerCase()] ?? source) : source;
}

/** A bearing, or the alpha angle of `{alpha, beta, gamma}` and `{heading}` objects. */
function degrees(orientation: unknown): unknown {
  return isBag(orientation) ? (orientation.heading ?? orientation.alpha) : orientation;
}

const positionKeys = new Set<string>([
  "accuracy",
  "altitude_accuracy",
  "confidence",
  "source",
  "speed",
  "heading",
  "orientation",
  "fix_time",
  "device",
  "incident",
  "expires_at",
  "crs",
  "timestamp",
  ...reportKeys,
]);

/** A Feature's properties may carry anything; what we don't know is left out. */
function known(properties: Bag): Bag {
  return Object.fromEntries(Object.entries(properties).filter(([key]) => positionKeys.has(key)));
}

function strip(object: Bag): Bag {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined));
}

function isBag(value: unknown): value is Bag {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
