/**
 * Libraries that PostgreSQL loads by itself. One that is not there keeps every server from starting, or every
 * session from beginning.
 */
import { isAbsolute } from "node:path";
import { exists, join } from "./disk.ts";

const PRELOADS = ["shared_preload_libraries", "session_preload_libraries", "local_preload_libraries"];
const SUFFIX = ".so";

/**
 * `settings`: as configured. `libDir`: PKGLIBDIR. `dataDir`: where PostgreSQL works, so that relative paths
 * begin there. Each library with the parameter that names it.
 */
export function missingLibraries(
  settings: { readonly [name: string]: string },
  libDir: string,
  dataDir: string,
): readonly { readonly parameter: string; readonly library: string }[] {
  const lower = new Map(Object.entries(settings).map(([name, value]) => [name.toLowerCase(), value]));
  const path = (lower.get("dynamic_library_path") ?? "$libdir").split(":").filter((one) => one !== "");
  return PRELOADS.flatMap((parameter) =>
    librariesIn(lower.get(parameter) ?? "").filter((library) =>
      !isThere(library, parameter, path, libDir, dataDir)
    )
      .map((library) => ({ parameter, library }))
  );
}

/** `a, "b c"`: names or paths, apart by commas. */
export function librariesIn(list: string): string[] {
  return [...list.matchAll(/"((?:[^"]|"")*)"|[^,\s](?:[^,]*[^,\s])?/g)].map(([text, quoted]) =>
    quoted === undefined ? text : quoted.replaceAll('""', '"')
  );
}

function isThere(
  library: string,
  parameter: string,
  path: readonly string[],
  libDir: string,
  dataDir: string,
): boolean {
  const isPath = library.includes("/");
  const places = isPath
    ? [library]
    : parameter === "local_preload_libraries"
    ? [join("$libdir", "plugins", library)]
    : path.map((directory) => join(directory, library));
  const absolute = (place: string) => isAbsolute(place) ? place : join(dataDir, place);
  return places.map((place) => absolute(place.replace(/^\$libdir(?=\/|$)/, libDir))).some((place) =>
    exists(place) || exists(place + SUFFIX)
  );
}
