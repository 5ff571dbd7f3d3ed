/**
 * Secrets that are given and empty: a typing error, or a character that has a meaning in YAML. Accepted
 * silently, they would protect nothing.
 */
import type { Issues, Path } from "./issues.ts";
import type { Json } from "../model/json.ts";
import { isJsonObject } from "../model/merge.ts";

const SECRET_KEYS: readonly unknown[] = ["password", "sslpassword", "keyfile_password", "passwd", "auth"];

export function isSecretKey(key: unknown): boolean {
  return SECRET_KEYS.includes(key);
}

/** Refuses empty secrets in one layer of the configuration, before an empty value counts as none. */
export function refuseEmptySecrets(value: Json, path: Path, issues: Issues): void {
  if (Array.isArray(value)) return value.forEach((item, i) => refuseEmptySecrets(item, [...path, i], issues));
  if (!isJsonObject(value)) return;
  for (const [key, item] of Object.entries(value)) {
    const inner = [...path, key];
    const empty = item === null || (typeof item === "string" && item.trim() === "");
    if (empty && isSecretKey(key)) {
      issues.error(
        inner,
        "is empty: write the secret in single quotes (YAML takes #, !, & and ~ at its beginning for its own), or remove the key",
      );
    } else if (item === null && isSecretSection(key, path)) {
      issues.error(inner, "is empty: write what belongs to it, or remove the key");
    } else refuseEmptySecrets(item, inner, issues);
  }
}

/** Sections that hold only credentials. */
function isSecretSection(key: string, path: Path): boolean {
  return key === "authentication" || path.at(-1) === "authentication";
}
