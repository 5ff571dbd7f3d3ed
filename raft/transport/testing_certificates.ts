/**
 * Certificates for tests: independent authorities, and what they sign. They are made by hand when asked for:
 * no program that makes them is needed.
 */
import { generateKeyPairSync, type KeyObject, randomBytes, sign } from "node:crypto";
import { isIP } from "node:net";
import type { TlsFiles } from "./socket_layer.ts";

const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bits: 0x03,
  octets: 0x04,
  oid: 0x06,
  text: 0x0c,
  time: 0x18,
} as const;
const SEQUENCE = 0x30;
const SET = 0x31;
const OID = {
  ecdsaWithSha256: [42, 134, 72, 206, 61, 4, 3, 2],
  commonName: [85, 4, 3],
  basicConstraints: [85, 29, 19],
  subjectAltName: [85, 29, 17],
  extKeyUsage: [85, 29, 37],
  serverAuth: [43, 6, 1, 5, 5, 7, 3, 1],
  clientAuth: [43, 6, 1, 5, 5, 7, 3, 2],
} as const;

function der(tag: number, ...parts: readonly (Uint8Array | readonly number[])[]): Buffer {
  const body = Buffer.concat(parts.map((part) => Buffer.from(part)));
  const { length } = body;
  const size = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 255];
  return Buffer.concat([Buffer.from([tag, ...size]), body]);
}

const oid = (id: keyof typeof OID) => der(TAG.oid, OID[id]);
const nameOf = (text: string) =>
  der(SEQUENCE, der(SET, der(SEQUENCE, oid("commonName"), der(TAG.text, Buffer.from(text)))));
const signature = der(SEQUENCE, oid("ecdsaWithSha256"));
const timeOf = (date: Date) => Buffer.from(date.toISOString().replace(/[-:T]|\.\d+/g, ""));
const validity = (begin: Date, end: Date) =>
  der(SEQUENCE, der(TAG.time, timeOf(begin)), der(TAG.time, timeOf(end)));

function pem(label: string, bytes: Uint8Array): string {
  const lines = Buffer.from(bytes).toString("base64").match(/.{1,64}/g)!;
  return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`;
}

function extension(id: keyof typeof OID, value: Buffer): Buffer {
  return der(SEQUENCE, oid(id), der(TAG.octets, value));
}

/** Encodes "10.0.0.1", "::1" or a DNS name. */
function generalName(name: string): Buffer {
  if (isIP(name) === 0) return der(0x82, Buffer.from(name));
  if (isIP(name) === 4) return der(0x87, name.split(".").map(Number));
  const [head, tail = ""] = name.split("::") as [string, string?];
  const words = (text: string) => text === "" ? [] : text.split(":").map((word) => parseInt(word, 16));
  const [front, back] = [words(head), words(tail)];
  const zeros = Array<number>(8 - front.length - back.length).fill(0);
  return der(0x87, [...front, ...zeros, ...back].flatMap((word) => [word >> 8, word & 255]));
}

export interface Wanted {
  /** @default "member" */
  readonly commonName?: string;
  /** Subject alternative names: addresses and DNS names. @default none */
  readonly names?: readonly string[];
  /** Extended key usage. @default for everything */
  readonly usages?: readonly ("serverAuth" | "clientAuth")[];
}

/** Signs certificates. */
export class Authority {
  readonly ca: string;
  readonly #name: string;
  readonly #key: KeyObject;
  readonly #validity: Buffer;

  /** The times are of its own certificate, and of all that it signs. */
  constructor(
    name: string,
    end = new Date("2120-01-01T00:00:00Z"),
    begin = new Date("2020-01-01T00:00:00Z"),
  ) {
    const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    this.#name = name;
    this.#validity = validity(begin, end);
    this.#key = privateKey;
    const isAuthority = der(SEQUENCE, der(TAG.boolean, [255]));
    this.ca = this.#sign(name, publicKey, [extension("basicConstraints", isAuthority)]);
  }

  issue({ commonName = "member", names = [], usages }: Wanted = {}): TlsFiles {
    const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const extensions = [
      ...names.length === 0
        ? []
        : [extension("subjectAltName", der(SEQUENCE, ...names.map((name) => generalName(name))))],
      ...usages ? [extension("extKeyUsage", der(SEQUENCE, ...usages.map((usage) => oid(usage))))] : [],
    ];
    return {
      ca: this.ca,
      cert: this.#sign(commonName, publicKey, extensions),
      key: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
    };
  }

  #sign(subject: string, key: KeyObject, extensions: readonly Buffer[]): string {
    const content = der(
      SEQUENCE,
      der(0xa0, der(TAG.integer, [2])),
      der(TAG.integer, [1], randomBytes(8)),
      signature,
      nameOf(this.#name),
      this.#validity,
      nameOf(subject),
      key.export({ type: "spki", format: "der" }),
      ...extensions.length === 0 ? [] : [der(0xa3, der(SEQUENCE, ...extensions))],
    );
    const proof = sign("sha256", content, this.#key);
    return pem("CERTIFICATE", der(SEQUENCE, content, signature, der(TAG.bits, [0], proof)));
  }
}
