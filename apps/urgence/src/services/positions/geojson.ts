/** Positions as GeoJSON (RFC 7946): a Feature each, the uncertainty as a circle in its properties. */
import type { Position } from "./position.ts";

export const geojsonType = "application/geo+json";

export type StoredPosition = Position & { readonly id: string; readonly last_modified: number };

export interface Feature {
  readonly type: "Feature";
  readonly id: string;
  readonly geometry: { readonly type: "Point"; readonly coordinates: readonly number[] };
  readonly properties: Readonly<Record<string, unknown>>;
}

export function toFeature({ id, coordinates, ...properties }: StoredPosition): Feature {
  return {
    type: "Feature",
    id,
    geometry: { type: "Point", coordinates },
    properties:
      typeof properties.accuracy === "number" ? { ...properties, circle: circleOf(properties.accuracy) } : properties,
  };
}

export function toFeatureCollection(positions: readonly StoredPosition[]): {
  readonly type: "FeatureCollection";
  readonly features: readonly Feature[];
} {
  return { type: "FeatureCollection", features: positions.map(toFeature) };
}

function circleOf(radius: number) {
  return { type: "Circle", radius, units: "m" };
}
