/** The cache that a service of Urgence uses: the one of the settings, with keys of its own in it. */

/**
 * @param url the setting `cache`; its `?prefix=` is what all of Urgence's keys begin with, `urgence:` where it says nothing
 * @example cacheUrl("redis://cache", "accounts"); // redis://cache?prefix=urgence%3Aaccounts%3A
 */
export function cacheUrl(url: string, service: string): string {
  if (!/^rediss?:/.test(url)) return url;
  const [location = "", query = ""] = url.split("?", 2);
  const parameters = new URLSearchParams(query);
  parameters.set("prefix", `${parameters.get("prefix") ?? "urgence:"}${service}:`);
  return `${location}?${parameters}`;
}
