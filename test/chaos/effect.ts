/** A fault that is in effect. */
export interface Effect {
  readonly what: string;
  /** Once. @default nothing is left to end */
  readonly end?: () => Promise<void> | void;
  /** After the cluster has come back. @throws where the effect does not show then */
  readonly after?: () => Promise<void>;
}
