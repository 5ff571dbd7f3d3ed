/**
 * Whether a process of the user `uid` may control a guard of `own`: the same user, or root, which can do all
 * of that anyway.
 */
export function mayControl(uid: number, own: number): boolean {
  return uid === own || uid === 0;
}
