/** End of service and deprecations: `Alert` on responses, `Sunset` (RFC 8594), and 410 once the service is over. */
import type { Clock } from "../../clock.ts";
import { ServiceError } from "../../errors.ts";
import type { Settings } from "../../settings.ts";

export interface Alerts {
  /** @throws ServiceError `gone` when the end of service has passed */
  refuseWhenOver(clock: Clock): void;
  /** Adds `Alert`; the end of the service is more important than a deprecated parameter. */
  announce(headers: Record<string, string | readonly string[]>, clock: Clock, deprecation: string | undefined): void;
}

/** @throws Error when `eos` is no date */
export function createAlerts(settings: Settings): Alerts {
  const { eos, eos_message: message = "", eos_url: url = settings.project_docs } = settings;
  const end = eos === undefined ? undefined : Date.parse(eos);
  if (Number.isNaN(end)) throw new Error(`setting eos: expected an ISO date, got ${JSON.stringify(eos)}`);
  const alert = (code: string, text: string) => ascii(JSON.stringify({ code, message: text, url }));
  const soft = alert("soft-eol", message);
  const hard = alert("hard-eol", message);
  const sunset = end === undefined ? "" : new Date(end).toUTCString();
  return {
    refuseWhenOver(clock) {
      if (end !== undefined && clock.now() >= end) throw new ServiceError("gone");
    },
    announce(headers, clock, deprecation) {
      if (end !== undefined) {
        headers.alert = clock.now() >= end ? hard : soft;
        headers.sunset = sunset;
      } else if (deprecation !== undefined) headers.alert = alert("soft-eol", deprecation);
    },
  };
}

/** Header values are ASCII; JSON can write everything else with escapes. */
function ascii(json: string): string {
  return json.replaceAll(/[^\x20-\x7e]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
}
