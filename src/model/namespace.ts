/**
 * One spelling of a namespace: `service`, `/service` and `/service/` are one, as they are one path in
 * Patroni's stores.
 */

export const DEFAULT_NAMESPACE = "/service";

/**
 * The namespace with a slash in front, none at the end, and none twice. `/` stays; an empty one is the
 * default.
 */
export function normalizeNamespace(written: string): string {
  return written === ""
    ? DEFAULT_NAMESPACE
    : `/${written.split("/").filter((part) => part !== "").join("/")}`;
}

/** Names a cluster for people, and in its raft directory. */
export function clusterNameOf(namespace: string, scope: string): string {
  return namespace === "/" ? `/${scope}` : `${namespace}/${scope}`;
}

/** The name in a raft directory may come from a version that kept the namespace as it was written. */
export function isSameCluster(one: string, other: string): boolean {
  return normalizeNamespace(one) === normalizeNamespace(other);
}
