/** The headers that the configuration puts into every answer. */
import type { RestApiConfig } from "../model/config.ts";

export function extraHeaders(config: RestApiConfig): readonly [string, string][] {
  const { httpExtraHeaders, httpsExtraHeaders, certfile } = config;
  return Object.entries(certfile === null ? httpExtraHeaders : { ...httpExtraHeaders, ...httpsExtraHeaders });
}
