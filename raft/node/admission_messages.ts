/** Messages between members about their directories, on the reserved channel. Pure. */
import { ByteReader, ByteWriter, DecodeError } from "../core/bytes.ts";
import type { Term } from "../core/types.ts";

/** Channel that RaftNode reserves for admission. */
export const ADMISSION_CHANNEL = 255;

const HELLO = 1;
const ANSWER = 2;
const REMOVED = 3;

/**
 * Answer to a member with an empty directory. "noLog": the log here has no entry either. "log": there is a
 * log; only the leader decides. "welcome": the member is known never to have taken part, or only with this
 * very directory. "refused": it took part with another directory, which is lost together with what it
 * promised.
 */
export type Verdict = "noLog" | "log" | "welcome" | "refused";
const VERDICTS: readonly Verdict[] = ["noLog", "log", "welcome", "refused"];

export type AdmissionMessage =
  /**
   * Sent when connected, and repeated while `empty`. `instance` distinguishes the directories of one member.
   * `version`: latest version of commands that the sender knows (see versions.ts). `pieces`: the sender takes
   * snapshots in pieces.
   */
  | {
    readonly kind: "hello";
    readonly instance: number;
    readonly empty: boolean;
    readonly version: number;
    readonly pieces: boolean;
  }
  /** `instance` repeats that of the question. */
  | { readonly kind: "answer"; readonly instance: number; readonly verdict: Verdict; readonly term: Term }
  /** Sent to a node that was removed: it will never be a member again. */
  | { readonly kind: "removed" };

const KINDS: Readonly<Record<AdmissionMessage["kind"], number>> = {
  hello: HELLO,
  answer: ANSWER,
  removed: REMOVED,
};

export function encodeAdmission(clusterId: number, message: AdmissionMessage): Uint8Array {
  const writer = new ByteWriter(32);
  writer.u8(KINDS[message.kind]);
  writer.count(clusterId);
  if (message.kind === "removed") return writer.finish();
  writer.count(message.instance);
  if (message.kind === "hello") {
    writer.u8(message.empty ? 1 : 0);
    writer.u16(message.version);
    writer.u8(message.pieces ? 1 : 0);
  } else {
    writer.u8(VERDICTS.indexOf(message.verdict));
    writer.count(message.term);
  }
  return writer.finish();
}

/** Decodes a message; null for garbage and for messages of another cluster. */
export function decodeAdmission(clusterId: number, bytes: Uint8Array): AdmissionMessage | null {
  try {
    const reader = new ByteReader(bytes);
    const kind = reader.u8();
    if (reader.count() !== clusterId) return null;
    if (kind === REMOVED) return { kind: "removed" };
    const instance = reader.count();
    if (kind === HELLO) {
      const empty = reader.u8() === 1;
      // The first programs sent no version, and later ones no pieces.
      const version = reader.remaining === 0 ? 1 : reader.u16();
      const pieces = reader.remaining > 0 && (reader.u8() & 1) === 1;
      return { kind: "hello", instance, empty, version, pieces };
    }
    const verdict = VERDICTS[reader.u8()];
    return kind === ANSWER && verdict ? { kind: "answer", instance, verdict, term: reader.count() } : null;
  } catch (error) {
    if (error instanceof DecodeError) return null;
    throw error;
  }
}
