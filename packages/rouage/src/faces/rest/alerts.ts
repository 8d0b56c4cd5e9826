/** End of service and deprecations: `Alert`, `Deprecation` (RFC 9745), `Sunset` (RFC 8594) and `Link` on responses, and 410 once the service is over. */
import type { Clock } from "../../clock.ts";
import { ServiceError } from "../../errors.ts";
import type { Route } from "../../route.ts";
import type { Settings } from "../../settings.ts";
import { addHeaders } from "./further-headers.ts";

/** What is announced of an endpoint or of how it was asked, put together at start. */
export interface Notice {
  readonly message: string;
  /** Seconds since the epoch. */
  readonly since: number;
  /** Milliseconds since the epoch: when it may stop to answer. */
  readonly sunset?: number | undefined;
  /** Where to read more. */
  readonly url?: string | undefined;
}

export interface Alerts {
  /** @throws ServiceError `gone` when the end of service has passed */
  refuseWhenOver(clock: Clock): void;
  /** Adds what there is to announce; the end of the service is more important than a deprecated endpoint, and that than a parameter. */
  announce(
    headers: Record<string, string | readonly string[]>,
    clock: Clock,
    endpoint: Notice | undefined,
    parameter: string | undefined,
  ): void;
}

/** @throws Error when `eos` or `eos_announced` is no date */
export function createAlerts(settings: Settings, clock: Clock): Alerts {
  const { eos_message: message = "", eos_url: url = settings.project_docs } = settings;
  const end = dateOf("setting eos", settings.eos);
  const announced = dateOf("setting eos_announced", settings.eos_announced) ?? clock.now();
  const alert = (code: string, text: string, link: string) => ascii(JSON.stringify({ code, message: text, url: link }));
  const soft = alert("soft-eol", message, url);
  const hard = alert("hard-eol", message, url);
  const ending: Notice | undefined =
    end === undefined ? undefined : { message, since: seconds(Math.min(announced, end)), sunset: end, url };
  const endingFields = ending === undefined ? {} : fieldsOf(ending);

  return {
    refuseWhenOver(clock) {
      if (end !== undefined && clock.now() >= end) throw new ServiceError("gone");
    },
    announce(headers, clock, endpoint, parameter) {
      if (ending !== undefined) {
        headers.alert = clock.now() >= (end ?? 0) ? hard : soft;
        addHeaders(headers, endingFields);
        return;
      }
      const notice = endpoint ?? (parameter === undefined ? undefined : { message: parameter, since: protocolsOwn });
      if (notice === undefined) return;
      headers.alert = alert("soft-eol", notice.message, notice.url ?? settings.project_docs);
      addHeaders(headers, fieldsOf(notice));
    },
  };
}

function fieldsOf({ since, sunset, url = "" }: Notice): Readonly<Record<string, string>> {
  const target = linkTarget(url);
  const relations = sunset === undefined ? ["deprecation"] : ["deprecation", "sunset"];
  return {
    deprecation: `@${since}`,
    ...(sunset === undefined ? {} : { sunset: new Date(sunset).toUTCString() }),
    ...(target === undefined ? {} : { link: relations.map((relation) => `<${target}>; rel="${relation}"`).join(", ") }),
  };
}

/** What a route announces. @throws Error when a date is none, or the sunset is before the deprecation (RFC 9745 §4) */
export function noticeOf(route: Route): Notice | undefined {
  const { deprecated } = route.options;
  if (deprecated === undefined) return undefined;
  const where = `route ${route.method} ${route.path}: deprecated`;
  const since = dateOf(`${where}.since`, deprecated.since) ?? 0;
  const sunset = dateOf(`${where}.sunset`, deprecated.sunset);
  if (sunset !== undefined && sunset < since) throw new Error(`${where}.sunset is before since`);
  if (deprecated.link !== undefined && linkTarget(deprecated.link) === undefined)
    throw new Error(`${where}.link must be a URL without spaces and angle brackets`);
  const message = deprecated.message ?? `${route.method} ${route.path} is deprecated`;
  return { message, since: seconds(since), sunset, url: deprecated.link };
}

/** The protocol's own deprecated parameters have long been so; nobody wrote down the day. */
const protocolsOwn = Date.UTC(2016, 0, 1) / 1000;

function dateOf(what: string, text: string | undefined): number | undefined {
  const date = text === undefined ? undefined : Date.parse(text);
  if (Number.isNaN(date)) throw new Error(`${what}: expected an ISO date, got ${JSON.stringify(text)}`);
  return date;
}

/** A URL as `Link` can carry it; undefined where there is none. */
function linkTarget(url: string): string | undefined {
  return url === "" || !/^[!-~]+$/.test(url) || /[<>"]/.test(url) ? undefined : url;
}

const seconds = (milliseconds: number): number => Math.floor(milliseconds / 1000);

/** Header values are ASCII; JSON can write everything else with escapes. */
function ascii(json: string): string {
  return json.replaceAll(/[^\x20-\x7e]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
}
