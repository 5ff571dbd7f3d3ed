/**
 * Readers of what comes over the guard's socket, from PostgreSQL, and from files that others may have
 * written.
 */
import { expect } from "bun:test";
import fc from "fast-check";
import { anyInput, spoiled } from "../raft/testing.ts";
import { yamlFlowText, yamlText } from "../cli/ctl/yaml_text.ts";
import { decodeGuardMessage, decodeRequest, encode, LineReader } from "./guard/protocol.ts";
import { parseHostPort, parseListen } from "./model/host_port.ts";
import { parseLsn } from "./model/lsn.ts";
import { parseMachine } from "./model/machine.ts";
import { parseQuantity } from "./model/time_units.ts";
import { parseProgress } from "./postgres/basebackup.ts";
import { parseControlFile } from "./postgres/control_file.ts";
import { parseHistory } from "./postgres/history.ts";
import { parsePostmasterPid } from "./postgres/postmaster_pid.ts";
import { parseVersion } from "./postgres/programs.ts";
import { HEADER, parseRecoverySettings } from "./postgres/server_conf.ts";
import { formatMarker, parseMarker } from "./postgres/unfinished.ts";
import { parseConnUrl } from "./postgres/upstream.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const texts = (...samples: string[]) =>
  spoiled(samples.map(bytes)).map((sample) => new TextDecoder().decode(sample));

const spec = { program: "/bin/postgres", args: ["-D", "/d"], env: { A: "b" }, dataDir: "/d", epoch: 3 };
const REQUESTS = [
  encode({ id: 1, op: "hello", version: 1 }),
  encode({ id: 2, op: "arm", epoch: 3, deadlineMs: 1000, unfenced: false, killAfterMs: 5 }),
  encode({ id: 3, op: "start", spec }),
  encode({ id: 4, op: "close", pid: 3, leftoversMs: 5 }),
  encode({ id: 5, op: "upgrade", program: "/a", file: "f", command: ["x"], stateVersion: 1 }),
];
const oddRequest = fc.record({
  id: fc.constantFrom<unknown>(1, "1", null),
  op: fc.oneof(
    fc.constantFrom<unknown>("arm", "start", { toString: 1 }, [{ valueOf: 1, toString: null }]),
    fc.jsonValue(),
  ),
  epoch: fc.jsonValue(),
  spec: fc.oneof(
    fc.jsonValue(),
    fc.tuple(fc.jsonValue(), fc.jsonValue()).map(([env, args]) => ({ ...spec, env, args })),
  ),
}, { requiredKeys: [] }).map((request) => bytes(`${JSON.stringify(request)}\n`));

anyInput(
  "a line on the guard's socket, in any pieces",
  fc.tuple(fc.array(fc.oneof(spoiled(REQUESTS), oddRequest), { maxLength: 4 }), fc.nat(60)),
  ([chunks, cut]) => {
    const reader = new LineReader();
    const stream = Buffer.concat(chunks);
    for (const piece of [stream.subarray(0, cut), stream.subarray(cut)]) {
      for (const line of reader.push(piece) ?? []) {
        expect(decodeRequest(line)).toBeTruthy();
        decodeGuardMessage(line);
      }
    }
  },
);

const RECOVERY = `${HEADER}
# following: {"name":"a","connUrl":"u"}
primary_conninfo = 'host=''a'' x'
primary_slot_name = 'x'
`;
const MARKER = formatMarker(
  { what: "clone", content: "own", program: null, parts: [], beganMs: null, by: 1 },
  "/d",
);
const READERS:
  readonly (readonly [what: string, input: fc.Arbitrary<string>, read: (text: string) => unknown])[] = [
    [
      "the mark of an unfinished copy",
      fc.oneof(texts(MARKER), fc.jsonValue().map((value) => `clone\n${JSON.stringify(value)}`)),
      (text) => {
        const marker = parseMarker(text, null);
        if (marker !== null) { for (const part of marker.parts) expect(typeof part).toBe("string"); }
        parseMarker(text, { path: "/d", identity: "/d" });
      },
    ],
    [
      "the file of a machine",
      fc.oneof(
        texts('{"machine":"m","boot":"b","device":"1","inode":"2","host":"h","dataDir":"/d"}'),
        fc.json(),
      ),
      parseMachine,
    ],
    ["a timeline's history", texts("1\t0/3000000\tno recovery target\n2\t0/5000000\tx\n"), parseHistory],
    [
      "postmaster.pid",
      texts("123\n/d\n1700000000\n5432\n/tmp\nlocalhost\n 123 4\nready\n"),
      parsePostmasterPid,
    ],
    [
      "what pg_controldata prints",
      texts(
        "pg_control version number:            1700\nDatabase cluster state:               shut down\nLatest checkpoint location:           0/3000000\n",
      ),
      parseControlFile,
    ],
    ["what pg_basebackup prints", texts("123/456 kB (27%), 0/1 tablespace", " 9/9 kB (100%)"), parseProgress],
    [
      "the version of a program",
      texts("postgres (PostgreSQL) 17.2", "postgres (PostgreSQL) 18beta1"),
      parseVersion,
    ],
    ["the recovery settings on the disk", texts(RECOVERY), parseRecoverySettings],
    [
      "a member's conn_url",
      texts("postgres://10.0.0.1:5432/postgres", "postgres://[::1]:5432/p?x=%ff"),
      parseConnUrl,
    ],
    ["an address", texts("10.0.0.1:5432", "[::1]:1", "*:70000", "a,b:1"), (text) => {
      parseHostPort(text);
      parseListen(text, 1);
    }],
    [
      "a quantity with its unit",
      texts("16MB", "1e999 d", "0x10 s", "-1.5h"),
      (text) => parseQuantity(text, "s"),
    ],
    ["a position in the WAL", texts("0/3000000", "FFFFFFFF/FFFFFFFF"), parseLsn],
  ];
for (const [what, input, read] of READERS) anyInput(what, input, read, { usual: 500 });

anyInput("a value that is shown as YAML", fc.jsonValue({ maxDepth: 6 }), (value) => {
  yamlText(value);
  yamlFlowText(value);
}, { usual: 200 });
