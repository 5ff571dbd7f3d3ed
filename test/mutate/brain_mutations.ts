/** Broken decisions: of a node for its PostgreSQL, and of the raft leader for the cluster. */
import { type Mutation, mutationsOf } from "./mutation.ts";

const keep = (file: string, list: Parameters<typeof mutationsOf>[2]) =>
  mutationsOf(`src/brain/keep/${file}.ts`, ["src/brain"], list);

const outcome = keep("outcome", [
  ["kill-made-fast", 'how: "kill"', 'how: "fast"'],
  ["kill-after-a-checkpoint", "checkpoint: false", "checkpoint: true"],
  ["release-of-the-next-epoch", "epoch: view.dcs.lock.epoch }", "epoch: view.dcs.lock.epoch + 1 }"],
]);

const rules = keep("rules", [
  [
    "leave-before-fence",
    "  ...FENCE,\n  ...SHUTDOWN,\n  ...LEAVE,\n",
    "  ...LEAVE,\n  ...FENCE,\n  ...SHUTDOWN,\n",
  ],
  ["busy-before-fence", "  ...FENCE,\n  ...SHUTDOWN,\n", "  ...BUSY,\n  ...FENCE,\n  ...SHUTDOWN,\n"],
  [
    "requests-before-the-bootstrap",
    "  ...BOOTSTRAP,\n  OTHER_CLUSTER,\n  ...REQUEST,\n",
    "  ...REQUEST,\n  ...BOOTSTRAP,\n  OTHER_CLUSTER,\n",
  ],
  ["pause-forgotten", "[...PAUSE, LEFTOVERS,", "[LEFTOVERS,"],
  ["leftovers-stay", "[...PAUSE, LEFTOVERS,", "[...PAUSE,"],
  ["failed-action-repeated-at-once", "if (retryLater(last, view.nowMs)) return", "if (false) return"],
  ["failed-start-repeated-at-once", '  "start",\n', ""],
  ["pause-is-not-said", "!isOrdinary || !view.dynamic.pause", "!isOrdinary"],
]);

const fence = keep("fence", [
  ["found-server-that-is-silent-runs-on", "undeclaredForMs >= DECLARE_MS", "undeclaredForMs < 0"],
  ["found-server-killed-without-another-holder", "lock.holder !== null && tenure", "tenure"],
  ["found-server-killed-in-pause", '&& tenure === "none" && !dynamic.pause;', '&& tenure === "none";'],
  [
    "agent-waits-for-a-majority-to-end",
    'if (view.stopping && process === "none" && view.raftLostForMs >= view.dcs.grantTtlMs) {',
    "if (view.stopping && view.pgCtlTimeoutS < 0) {",
  ],
  [
    "agent-ends-without-handing-over",
    "&& view.raftLostForMs >= view.dcs.grantTtlMs) {\n    // The guard",
    ") {\n    // The guard",
  ],
  ["decided-by-old-records", "if (view.joined) return null;", "return null;"],
  [
    "found-primary-goes-on",
    "    checkpoint: true,\n  });\n}\n\n/** A graceful",
    "    checkpoint: false,\n  });\n}\n\n/** A graceful",
  ],
  [
    "older-epoch-of-ours-writes",
    '(tenure === "holding" && postgres.epoch === dcs.lock.epoch)',
    'tenure === "holding"',
  ],
  [
    "lost-lock-of-another",
    '(tenure === "holding" && postgres.epoch === dcs.lock.epoch)',
    "postgres.epoch === dcs.lock.epoch",
  ],
  [
    "promoted-by-others-goes-on",
    'if (!isPromotedByOthers(postgres) || dynamic.pause || tenure === "holding") return null;',
    "return null;",
  ],
  [
    "given-back-beside-leftovers",
    '(process === "orphans" || process === "stopping")',
    'process === "stopping"',
  ],
  [
    "found-standby-stopped",
    'if (postgres.inRecovery === true) return decide("a standby was found running");',
    "",
  ],
]);

const shutdown = keep("shutdown", [
  ["handed-over-to-one-that-lacks-the-checkpoint", "directory.control.checkpointLsn + 1", "0"],
  ["restart-hands-over", 'tenure === "holding" && handsOver(view)', 'tenure === "holding"'],
  ["another-candidate-will-do", "(wanted === null || status.name === wanted)", "true"],
  ["successor-of-an-older-timeline", " && (status.timeline ?? 0) >= (view.postgres.timeline ?? 0)", ""],
  [
    "early-step-without-a-successor",
    "step === null || (step.early && successorWith(view, postgres.walLsn) === null)",
    "step === null",
  ],
  [
    "killed-primary-kept-by-the-kernel-keeps-the-lock",
    '!isDoomed(view) || view.tenure !== "holding"',
    "true",
  ],
  [
    "lock-handed-over-to-nobody",
    "if (!handsOver(view) && (view.dynamic.pause || !someoneElseCan(view))) return null;",
    "",
  ],
  [
    "others-shutdown-hangs",
    '  return decide("PostgreSQL is being shut down: seeing to its end", {\n    kind: "stop",\n    how: "fast",\n    checkpoint: false,\n  });',
    "  return null;",
  ],
]);

const leave = keep("leave", [
  [
    "left-with-the-lock",
    'view.tenure === "holding" ? release("stopped; handing over the lock", view) : mayLeave("stopped")',
    'mayLeave("stopped")',
  ],
  ["fenced-primary-left-running", 'if (view.tenure !== "none" && !view.dcs.lock.unfenced) return null;', ""],
  ["stop-without-a-checkpoint", "checkpoint: writable", "checkpoint: false"],
]);

const busy = keep("busy", [
  ["hung-promotion-goes-on", "if (view.nowMs - action.movedMs < limitMs) return null;", "return null;"],
  ["overdue-start-goes-on", "!startTakesTooLong(view, action.sinceMs) || !someoneElseCan(view)", "true"],
  [
    "overdue-start-ended-for-nobody",
    " || !someoneElseCan(view)) return null;\n  return kill",
    ") return null;\n  return kill",
  ],
  ["crash-before-the-grant-counts", "if (sinceMs >= heldSinceMs) return", "if (true) return"],
]);

const holder = keep("holder", [
  ["hung-promotion-keeps-the-lock", "stop.atMs < last.atMs || !someoneElseCan(view)", "true"],
  ["promoted-without-a-lease", '  return notYet(view) ?? decide("promoting', '  return decide("promoting'],
  [
    "started-without-a-lease",
    '  return notYet(view) ??\n    decide("starting as primary"',
    '  return decide("starting as primary"',
  ],
  ["promoted-in-anothers-failsafe-mode", "if (!view.failsafeWait) return null;", "return null;"],
  [
    "promoted-under-the-next-epoch",
    'kind: "promote",\n    epoch: view.dcs.lock.epoch',
    'kind: "promote",\n    epoch: view.dcs.lock.epoch + 1',
  ],
  ["switchover-without-its-checkpoint", 'how: "fast", checkpoint: true', 'how: "fast", checkpoint: false'],
  ["stepped-down-for-one-that-does-not-stream", "if (!streamsFromUs(view)) {", "if (false) {"],
  ["read-only-with-a-lease", "!isDown(view) || view.leaseUsable || view", "!isDown(view) || view"],
  ["read-only-at-once", " || view.raftLostForMs < view.dcs.grantTtlMs", ""],
  [
    "primary-started-as-a-standby",
    '!directory.standbySignal) return null;\n  return decide("starting to be',
    'false) return null;\n  return decide("starting to be',
  ],
  ["crashed-holder-keeps-the-lock", "!startTakesTooLong(view, crashedAtMs) || !someoneElseCan(view)", "true"],
  [
    "lock-kept-without-a-directory",
    "    decide: withoutDirectory,",
    "    decide: () => null,",
  ],
]);

const standby = [
  ...keep("view", [
    [
      "fenced-standby-never-told",
      "return !writable || (inRecovery === true &&",
      "return !writable || (false &&",
    ],
    ["recovery-to-a-target-hurried", '&& directory.kind === "valid" && directory.standbySignal);', ");"],
  ]),
  ...keep("waiting", [
    [
      "former-primary-started-as-a-standby",
      'if (!isDown(view) || directory.kind !== "valid" || directory.standbySignal) return null;',
      "return null;",
    ],
    ["waiting-standby-follows-nobody", "follow: upstreamOf(view, view.dcs.lock.lastHolder)", "follow: null"],
  ]),
  ...keep("standby", [
    [
      "standby-follows-nobody",
      '{ kind: "start-standby", follow }',
      '{ kind: "start-standby", follow: null }',
    ],
    ["diverged-standby-started", " || diverged(view)) return null;", ") return null;"],
    ["copied-from-one-that-is-no-primary", "if (livingHolder(view) === null) {", "if (false) {"],
    ["new-address-not-followed", "if (followingUrl === upstream.connUrl) return null;", "return null;"],
    ["older-timeline-is-history", "(timeline ?? 0) < (primary.timeline ?? Infinity)", "false"],
    ["diverged-standby-killed", 'how: "fast"', 'how: "kill"'],
    ["verdict-good-for-ever", "view.nowMs - divergence.atMs > COMPARED_MS", "false"],
  ]),
  ...keep("rejoin", [
    ["rewound-before-the-checkpoint", "if (!primary.checkpointAfterPromote) {", "if (false) {"],
    [
      "verdict-on-an-older-timeline",
      "divergence.from !== holder || divergence.timelineOfOther !== primary.timeline",
      "divergence.from !== holder",
    ],
    ["rewound-again-after-a-failure", "last.rewind === undefined || last.rewind.ok ? null", "true ? null"],
    ["rewind-against-its-setting", 'if (!dynamic.postgresql.usePgRewind) return "use_pg_rewind is off";', ""],
    ["rewind-without-hints", "(directory.control.walLogHints || directory.control.dataChecksums)", "true"],
  ]),
];

const others = [
  ...keep("directory", [
    ["another-cluster-joins", "found === null || found === expected", "true"],
    [
      "half-written-directory-set-aside-under-its-server",
      'if (process !== "none") return kill("ending a half-made server");',
      "",
    ],
    [
      "foreign-directory-keeps-the-lock",
      'view.tenure === "holding" ? release(reason, view) : decide(reason)',
      "decide(reason)",
    ],
    ["removed-directory-shut-down-in-order", 'removed ? "immediate" : "fast"', '"fast"'],
  ]),
  ...keep("bootstrap", [
    ["empty-before-existing-data", "  if (adopter !== undefined) {", "  if (false) {"],
    ["bootstrap-without-a-watchdog", "  if (view.watchdogFailed) {", "  if (false) {"],
    ["standby-directory-bootstraps", "    if (directory.standbySignal) {", "    if (false) {"],
    [
      "failed-initdb-keeps-the-lock",
      '  if (view.tenure === "holding") return release("bootstrap failed", view);\n',
      "",
    ],
    [
      "claim-kept-after-a-failure",
      '  return decide("bootstrap failed", { kind: "clear-initialize" }, {',
      '  return decide("bootstrap failed", {',
    ],
    [
      "initialized-without-roles",
      'if (directory.kind === "half-written" && last["finish-bootstrap"] === undefined) {',
      "if (false) {",
    ],
    [
      "failed-bootstrap-removed",
      'if (!isEmpty(view)) return decide(reason, { kind: "set-aside", why: "the bootstrap failed" });',
      "",
    ],
  ]),
  ...keep("request", [
    ["holder-reinitialized", 'view.tenure === "holding" || ', ""],
    ["reinitialized-without-a-primary", " || livingHolder(view) === null) return null;", ") return null;"],
    ["restart-without-a-lease", " || (writable && !leaseUsable)", ""],
  ]),
  ...keep("watchdog", [
    ["watchdog-failure-kills", 'how: "fast"', 'how: "kill"'],
    [
      "watchdog-failure-ignored-by-a-standby-holder",
      "return release(`${REASON}: handing over the lock`, view);",
      "return null;",
    ],
  ]),
  ...keep("pause", [
    [
      "crashed-primary-started-in-pause",
      'view.tenure !== "holding") return null;\n  if (dcs',
      "true) return null;\n  if (dcs",
    ],
    ["stopped-standby-started-in-pause", "steppedDown || view.reinitializing", "true"],
    [
      "fenced-standby-never-told-in-pause",
      "awaitsPromotion(view))) return null;",
      "!view.postgres.writable)) return null;",
    ],
    ["switchover-in-pause-ignored", "if (dcs.failover?.accepted || (", "if (("],
  ]),
];

const cluster = [
  ...mutationsOf("src/brain/cluster/coordinate.ts", ["src/brain"], [
    ["lock-granted-while-held", "if (dcs.lock.holder !== null) return null;", ""],
    ["same-epoch-granted-again", "epoch: dcs.lock.epoch + 1", "epoch: dcs.lock.epoch"],
    [
      "unfenced-epoch-ended-by-a-switchover",
      ' || failover.kind !== "failover") return null;',
      ") return null;",
    ],
    ["unfenced-epoch-ended-in-its-lease", " || !leaseOver) return null;", ") return null;"],
    ["bootstrap-given-up-at-once", "silentMs < BOOTSTRAP_SILENCE_MS", "false"],
    ["leader-placed-beside-the-primary", "seen.status.name !== view.self &&", "true &&"],
    ["grant-before-expiry", "    decide: expire,", "    decide: () => null,"],
  ]),
  ...mutationsOf("src/brain/cluster/request.ts", ["src/brain"], [
    [
      "request-accepted-before-its-time",
      "wallMs < Date.parse(scheduledAt))) return false",
      "false)) return false",
    ],
    ["scheduled-request-accepted-in-pause", "(dynamic.pause || wallMs <", "(false || wallMs <"],
    ["late-request-carried-out", "if (lateMs > 1500 * view.dynamic.loopWaitS) {", "if (false) {"],
    ["switchover-from-another-leader", 'kind !== "switchover" || leader === dcs.lock.holder', "true"],
    [
      "accepted-for-one-that-does-not-stream",
      "if (!streams(status, view)) return `does",
      "if (false) return `does",
    ],
    ["accepted-for-one-that-lags", 'lagsTooFar(status, view) ? "lags too far behind" : null', "null"],
    [
      "unclean-switchover-called-a-success",
      'if (kind === "switchover" && isFirst && !lock.cleanStart) {',
      "if (false) {",
    ],
    ["refused-at-once-for-a-lag", "if (view.requestForMs < judged.patienceMs) return null;", ""],
  ]),
  ...mutationsOf("src/brain/duties.ts", ["src/brain/duties.test.ts"], [
    ["slots-of-its-own", "(member) => member !== name", "() => true"],
    [
      "slots-only-after-the-promotion",
      'if (tenure !== "holding" || process !== "running") return null;\n  const keptMs',
      'if (tenure !== "holding" || dcs.lock.reason === "") return null;\n  const keptMs',
    ],
    [
      "missing-member-holds-wal-for-ever",
      "nowMs - Math.max(heardMs.get(member) ?? nowMs, heldSinceMs) > keptMs",
      "false",
    ],
    [
      "slot-of-a-member-not-heard-yet-dropped",
      "heardMs.get(member) ?? nowMs",
      "heardMs.get(member) ?? -Infinity",
    ],
    [
      "missing-time-outlives-the-primary",
      "Math.max(heardMs.get(member) ?? nowMs, heldSinceMs)",
      "(heardMs.get(member) ?? nowMs)",
    ],
    ["primary-declared-a-standby", "inRecovery === true", "inRecovery !== null"],
    ["copy-from-the-dead-goes-on", "source.ageMs > SOURCE_SILENT_MS", "false"],
    [
      "history-recorded-by-a-standby",
      "|| !writable || inRecovery !== false) return null;\n  const line",
      ") return null;\n  const line",
    ],
    ["checkpoint-at-every-look", " || leaseUntilMs === view.checkpointedForMs", ""],
    ["old-timeline-counts-as-streaming", " || (postgres.timeline ?? 0) < (holder?.timeline ?? 0)", ""],
  ]),
];

/** Between decision and deed. */
const agent = [
  ...mutationsOf("src/agent/postgres/run.ts", ["src/agent/postgres/run.test.ts"], [
    ["trigger-file-before-the-fence", "if (!fenced.ok) return fenced.error;", ""],
    [
      "trigger-file-outlives-a-refusal",
      "      files.removePromoteTrigger();\n      return reply.error;",
      "      return reply.error;",
    ],
  ]),
  ...mutationsOf("src/agent/lease/lease_messages.ts", ["src/agent/lease/lease_messages.test.ts"], [
    ["acknowledged-by-anybody", "if (from === this.#asked) acknowledged", "acknowledged"],
    ["renewed-for-another-machine", "if (message.renewal.life.node !== from) return;", ""],
  ]),
  ...mutationsOf("src/agent/rest/restart_in_place.ts", ["src/agent/rest/restart_in_place.test.ts"], [
    ["restart-not-withdrawn", "      member.withdrawRestart();\n", ""],
    ["older-restart-taken-for-ours", "done.atMs > before", "true"],
  ]),
  ...mutationsOf("src/agent/rest/scheduled_restart.ts", ["src/agent/rest/scheduled_restart.test.ts"], [
    ["scheduled-restart-in-pause", "!view.dynamic.pause && ", ""],
  ]),
];

export const BRAIN_MUTATIONS: readonly Mutation[] = [
  ...outcome,
  ...rules,
  ...fence,
  ...shutdown,
  ...leave,
  ...busy,
  ...holder,
  ...standby,
  ...others,
  ...cluster,
  ...agent,
];
