/** The transport cannot work at all. The message is for the operator. */
export class TransportError extends Error {
  override readonly name = "TransportError";
  readonly code: "address-in-use" | "cannot-listen";
  /** Setting to look at. */
  readonly setting = "raft.bind_addr";

  constructor(code: "address-in-use" | "cannot-listen", message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
