/** Broken rules of the log on disk. */
import { type Mutation, mutationsOf } from "./mutation.ts";

const TESTS = ["raft/storage"];

export const STORAGE_MUTATIONS: readonly Mutation[] = [
  ...mutationsOf("raft/storage/inline_backend.ts", TESTS, [
    [
      "acknowledged-before-fsync",
      "      if (written) finish(job, done);\n",
      "      if (written && !failed) done(null);\n      if (written) finish(job, () => {});\n",
    ],
  ]),
  ...mutationsOf("raft/storage/worker_loop.ts", TESTS, [
    ["worker-writes-without-sync", "if (job.sync) log.sync();", ""],
    [
      "worker-hides-failures",
      "    failed = true;\n",
      '    failed = true;\n    return answer("done");\n',
    ],
  ]),
  ...mutationsOf("raft/storage/job_slot.ts", TESTS, [
    ["slot-loses-sync", "this.#words[Word.sync] = sync ? 1 : 0;", "this.#words[Word.sync] = 0;"],
    [
      "slot-forgets-untaken-job",
      'if (Atomics.load(this.#words, Word.recordBytes) !== 0) throw new Error("the job before is not taken yet");\n',
      "",
    ],
  ]),
  ...mutationsOf("raft/storage/wal_writer.ts", TESTS, [
    [
      "fsync-left-out",
      "    if (!this.#unsynced) return;\n    this.#file!.datasync();\n",
      "    if (!this.#unsynced) return;\n",
    ],
    [
      "segment-begun-before-predecessor-durable",
      "        this.sync();\n        this.#beginSegment();",
      "        this.#beginSegment();",
    ],
    [
      "snapshot-named-before-durable",
      "        file.write(bytes, 0);\n        file.datasync();\n",
      "        file.write(bytes, 0);\n",
    ],
    [
      "snapshot-name-not-durable",
      "    }, temporary);\n    this.#disk.syncDirectory();\n",
      "    }, temporary);\n",
    ],
    [
      "deleted-before-replacement-durable",
      "if (!this.#unsynced) this.#removeCovered();",
      "this.#removeCovered();",
    ],
    [
      "segments-deleted-without-snapshot",
      "Math.min(this.#compactTo, this.#snapshot.index)",
      "this.#compactTo",
    ],
    [
      "segment-name-not-durable",
      "    this.#disk.syncDirectory();\n    this.#prepared = sequence;",
      "    this.#prepared = sequence;",
    ],
    ["write-numbers-stand-still", "tail.closed ? nextWrite(tail.write) : tail.write", "tail.write"],
    ["recovered-tail-left-open", "      if (!this.#tail.closed) {\n", "      if (false) {\n"],
    [
      "full-disk-for-next-segment-is-fatal",
      "if (!(cause instanceof OutOfSpaceError)) throw cause;\n      // This",
      "throw cause;\n      // This",
    ],
    [
      "write-without-room-called-done",
      "if (cause instanceof OutOfSpaceError) return false;",
      "if (cause instanceof OutOfSpaceError) return true;",
    ],
    [
      "write-without-room-begun-anew",
      "        rest.records = rest.records.subarray(bytes);\n",
      "        if (bytes === rest.records.length) rest.records = new Uint8Array(0);\n",
    ],
    ["snapshot-without-room-left-half", "    }, temporary);", "    });"],
    [
      "full-disk-in-fdatasync-is-none",
      "    this.#file!.datasync();\n    this.#unsynced = false;",
      "    this.#space.within(() => this.#file!.datasync());\n    this.#unsynced = false;",
    ],
    [
      "vote-lost-with-old-segments",
      "hardState: this.#hardState,\n      snapshot: this.#snapshot,\n    };\n    this.#put",
      "hardState: { term: 0, vote: 0, commit: 0 },\n      snapshot: this.#snapshot,\n    };\n    this.#put",
    ],
  ]),
  ...mutationsOf("raft/storage/space.ts", TESTS, [
    ["segment-size-not-durable", "    file.datasync();\n", ""],
    ["ballast-never-given-up", "    if (!this.#held) return false;\n", "    if (this.#held) return false;\n"],
    [
      "ballast-never-made-again",
      "    if (!this.#held && freeBytes >= plentyBytes + this.#ballastBytes) {",
      "    if (!this.#held && freeBytes > Number.MAX_VALUE) {",
    ],
    [
      "shortage-ends-at-the-first-byte",
      "(this.#short ? plentyBytes : this.#ballastBytes)",
      "this.#ballastBytes",
    ],
    [
      "shortage-told-too-late",
      "this.#short = !this.#held || freeBytes <",
      "this.#short = !this.#held && freeBytes <",
    ],
  ]),
  ...mutationsOf("raft/storage/wal_storage.ts", TESTS, [
    [
      "vote-written-without-sync",
      "if (term !== this.#hardState.term || vote !== this.#hardState.vote) sync = true;",
      "",
    ],
    [
      "entries-written-without-sync",
      "      this.#place(entry, records);\n      sync = true;\n",
      "      this.#place(entry, records);\n",
    ],
    ["goes-on-after-failed-write", "    this.#failed = error;\n", ""],
    ["failure-not-told", "      pending.done(error);\n", "      pending.done(null);\n"],
    ["truncation-not-recorded", '      records.push({ kind: "truncate", from: entry.index });\n', ""],
    [
      "foreign-tail-kept-behind-snapshot",
      "const reset = !this.#terms.has(index, term);",
      "const reset = false;",
    ],
    ["own-tail-lost-by-snapshot", "const reset = !this.#terms.has(index, term);", "const reset = true;"],
    [
      "called-back-after-close",
      "  #written(error: Error | null): void {\n    if (this.#closed) return;\n",
      "  #written(error: Error | null): void {\n",
    ],
    ["hung-write-looks-young", "Math.max(0, this.#options.now() - oldest.sinceMs)", "0"],
  ]),
  ...mutationsOf("raft/storage/recover.ts", TESTS, [
    ["lost-commits-accepted", "if (hardState.commit > last) {", "if (false) {"],
    [
      "rot-before-durable-records-cut",
      'if (later && isLaterWrite(later.write, write)) return "a record that was durable is damaged";',
      "",
    ],
    [
      "rot-among-zeros-cut",
      "if (offset + 8 <= bytes.length && hasOneFlippedBit(bytes, offset))",
      "if (false)",
    ],
    ["rot-at-the-end-cut", 'return "a record fails its checksum";', "return null;"],
    ["torn-tail-refused", "if (usedBytes < end) return null;", "if (false) return null;"],
    ["torn-sector-refused", "if (bytes.subarray(from, to).every((byte) => byte === 0)) return null;", ""],
    [
      "broken-chain-accepted",
      'if (!begins && raw.previousCrc !== cursor.crc) return stop("the checksum chain is broken");',
      "",
    ],
    ["rot-in-an-old-segment-cut", ': "a record is damaged";', ": null;"],
    ["short-file-accepted", "if (madeBytes > segment.bytes.length) {", "if (false) {"],
    ["vanished-segment-accepted", "sequenceGap(all)", "sequenceGap(begun)"],
    ["emptied-segment-accepted", "if (emptied) return", "if (emptied && false) return"],
    ["later-snapshot-taken-for-damage", "if (later !== null) throw", "if (false) throw"],
    ["lost-log-taken-for-new", "if (!tail && (logExpected ||", "if (!tail && (false ||"],
    ["gap-behind-snapshot-accepted", "if (replay.first > base + 1) return", "if (false) return"],
    [
      "missing-snapshot-accepted",
      "    if (!decoded) {\n",
      "    if (!decoded && !bytes) replay.snapshot = { index: 0, term: 0 };\n    else if (!decoded) {\n",
    ],
  ]),
  ...mutationsOf("raft/storage/wal_format.ts", TESTS, [
    [
      "record-checksum-ignored",
      "if (crc32c(bytes, 0, offset + 8, offset + totalBytes) !== crc) return null;",
      "",
    ],
    ["write-numbers-end", "return (write + 1) >>> 0;", "return write + 1;"],
    ["write-numbers-compared-without-wrap", "((later - write) | 0) > 0", "later > write"],
    ["rotten-length-cut", "if (lengthWord(before) === mended && holds(", "if (false && holds("],
    ["rotten-checksum-cut", "isPowerOfTwo(wrong) || differsByOneBit", "differsByOneBit"],
    ["length-not-checked", "return lengthWord(length) === word ? length : null;", "return length;"],
    ["later-record-has-no-format", "type === RecordType.segmentHeader && payload.length >= 16", "false"],
    ["format-changed-in-passing", "const PAD = 0xa5;", "const PAD = 0xa6;"],
    ["records-may-end-in-zero", "bytes.fill(PAD, offset + RECORD_HEADER_BYTES + payload, end);", ""],
  ]),
  ...mutationsOf("raft/storage/snapshot_format.ts", TESTS, [
    [
      "snapshot-checksum-ignored",
      "if (getUint32(bytes, 8) !== crc32c(bytes, 0, 12)) return null;",
      "",
    ],
    ["snapshot-configuration-lost", "learners: ids.slice(voterCount) }", "learners: [] }"],
  ]),
  ...mutationsOf("raft/storage/surviving_log.ts", TESTS, [
    [
      "recovered-from-after-a-failed-write",
      "      refusePoisoned(directory, read.identity.instance, volatile);\n",
      "",
    ],
  ]),
  ...mutationsOf("raft/storage/replay.ts", TESTS, [
    ["truncated-entries-come-back", "this.entries.length = Math.max(0, record.from - this.first);", ""],
    [
      "log-of-another-member-accepted",
      'if (header.nodeId !== nodeId) return "the segment belongs to another member";',
      "",
    ],
    ["entries-with-gaps-accepted", "if (index !== this.last + 1) return `entry", "if (false) return `entry"],
  ]),
  ...mutationsOf("raft/storage/open_wal.ts", TESTS, [
    [
      "torn-tail-left-in-place",
      "    if (cut) handle.write(new Uint8Array(files.get(last)!.length - cut.offset), cut.offset);\n",
      "",
    ],
    ["found-log-not-made-durable", "    handle.datasync();\n    handle.close();", "    handle.close();"],
    [
      "leftovers-removed-before-the-found-log-is-durable",
      "  const { tail, cut } = log;\n",
      "  for (const name of [...log.leftovers].sort().reverse()) {\n    disk.remove(name);\n    disk.syncDirectory();\n  }\n" +
      "  log = { ...log, leftovers: [] };\n  const { tail, cut } = log;\n",
    ],
    ["failure-of-opening-not-told", "options.onFailure?.(cause as Error);", ""],
    [
      "file-that-cannot-be-opened-poisons",
      'if ((cause as { syscall?: unknown }).syscall !== "open") options',
      "options",
    ],
    [
      "failed-opening-forgotten",
      "known && markPoisoned(volatileDirectory, known.instance, error.message),",
      "void error,",
    ],
    ["leftovers-removed-with-a-gap", "[...log.leftovers].sort().reverse()", "[...log.leftovers].sort()"],
    ["poisoned-directory-opened", "if (known) refusePoisoned(", "if (false) refusePoisoned("],
  ]),
  ...mutationsOf("raft/storage/wal_storage.ts", TESTS, [
    ["failure-while-looking-for-room-forgotten", "if (found instanceof Error) this.#fail(found);", ""],
  ]),
  ...mutationsOf("raft/storage/identity.ts", TESTS, [
    ["log-of-another-cluster-accepted", "if (found.clusterId !== expected.clusterId) {", "if (false) {"],
    ["later-directory-accepted", "if (numbers && version !== VERSION) {", "if (false) {"],
  ]),
];
