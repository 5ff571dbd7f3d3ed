/**
 * Whether a process of the user `uid` may control a guard of the user `own`: the same user may, and root,
 * which can do all of that anyway.
 */
export function mayControl(uid: number, own: number): boolean {
  return uid === own || uid === 0;
}
