/** Broken decisions: of a node for its PostgreSQL, and of the raft leader for the cluster. */
import { type Mutation, mutationsOf } from "./mutation.ts";

const keep = (file: string, list: Parameters<typeof mutationsOf>[2]) =>
  mutationsOf(`src/brain/keep/${file}.ts`, ["src/brain"], list);

const outcome = keep("outcome", [
  ["kill-made-fast", 'how: "kill"', 'how: "fast"'],
  ["made-before-the-guard-is-asked", 'view.postgres.process === "none"', "true"],
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
  ["pause-forgotten", "  ...PAUSE,\n  LEFTOVERS,", "  LEFTOVERS,"],
  ["leftovers-stay", "  LEFTOVERS,\n  ...HOLDER,", "  ...HOLDER,"],
  ["failed-action-repeated-at-once", "if (retryLater(last, view.nowMs)) return", "if (false) return"],
  ["failed-start-repeated-at-once", '  "start",\n', ""],
  ["pause-is-not-said", "!isOrdinary || !view.dynamic.pause", "!isOrdinary"],
]);

const foundUnleased = keep("found_unleased", [
  ["managed-primary-runs-on-without-records", "if (inRecovery === false) {", "if (false) {"],
  ["unmanaged-server-stopped-without-records", " || isUnmanaged(view)) return null;", ") return null;"],
  ["anybody's-pause-spares-it", "view.ownsUnfenced && ", ""],
  ["a-pause-that-is-over-spares-it", "view.dynamic.pause && ", ""],
  ["primary-that-was-to-hand-over-runs-on", " && !stepDownWanted(view);", ";"],
  ["fenced-server-stopped-without-records", "isFenced(view) || ", ""],
  ["silent-standby-killed-without-records", "directory.standbySignal || undeclaredForMs", "undeclaredForMs"],
]);

const foundRunning = keep("found_running", [
  [
    "restarted-primary-goes-on-outside-of-pause",
    "(dynamic.pause && leaseUsable)",
    "leaseUsable",
  ],
  [
    "restarted-primary-of-another-member-goes-on",
    ' || tenure !== "holding" || process !== "running") return false;',
    ' || process !== "running") return false;',
  ],
  [
    "restarted-primary-goes-on-without-a-lease",
    "lock.unfenced || (dynamic.pause && leaseUsable);",
    "lock.unfenced || dynamic.pause;",
  ],
  ["restarted-primary-stopped-as-the-pause-ends", "return lock.unfenced || ", "return "],
  ["found-primary-stopped-without-a-checkpoint", "checkpoint: true", "checkpoint: false"],
  [
    "found-standby-stopped",
    'if (!isUnmanaged(view)) return decide("a standby was found running");',
    "return null;",
  ],
  [
    "primary-declared-a-standby",
    "if (!isUndeclared(view) || view.postgres.inRecovery !== true) return false;",
    "if (!isUndeclared(view)) return false;",
  ],
  ["found-server-that-is-silent-runs-on", "view.undeclaredForMs >= DECLARE_MS", "view.undeclaredForMs < 0"],
  ["found-server-killed-without-another-holder", "lock.holder !== null && view.tenure", "view.tenure"],
  [
    "found-server-killed-in-pause",
    ' && view.tenure === "none" && !view.dynamic.pause;',
    ' && view.tenure === "none";',
  ],
  [
    "unmanaged-server-killed-as-it-is-silent",
    'if (isUnmanaged(view)) return decide("a server was found running: it',
    'if (false) return decide("a server was found running: it',
  ],
  ["unmanaged-server-ended-by-sigterm", "isUnmanaged(view) && view.stopping", "false"],
  ["other-clusters-server-taken-over", "if (expected !== systemId) {", "if (false) {"],
  ["second-primary-stopped", "if (inRecovery === false) {", "if (false) {"],
  ["standby-of-a-later-primary-taken-over", "(timeline ?? 0) <= (primary.timeline ?? 0)", "true"],
  ["standby-taken-over-before-its-primary-is-heard", " && livingHolder(view) !== null;", ";"],
  [
    "standby-taken-over-before-the-cluster-has-data",
    "return isInitialized(view.dcs) && whyRefused",
    "return whyRefused",
  ],
  [
    "primary-adopted-without-a-lease",
    '  return notYet(view) ??\n    decide("taking over',
    '  return decide("taking over',
  ],
  ["primary-adopted-without-the-lock", '  if (tenure !== "holding") {', "  if (false) {"],
  ["primary-adopted-into-anothers-cluster", "  if (!ownBootstrap(view)) {", "  if (false) {"],
  [
    "primary-adopted-as-it-shuts-down",
    'if (process !== "running") return decide',
    "if (false) return decide",
  ],
]);

const founder = keep("founder", [
  ["claims-before-all-are-heard", "unheard.length === 0 || claim.actions.length === 0", "true"],
  ["standby-founds-a-cluster", '  if (directory.kind === "valid" && !isPrimary) {', "  if (false) {"],
  ["bootstrap-without-a-watchdog", "  if (view.watchdogFailed) {", "  if (false) {"],
  ["empty-before-existing-data", "  if (found === undefined) {", "  if (true) {"],
  [
    "second-running-primary-overlooked",
    "  if (second !== undefined) {\n    return decide(\n      `two primaries",
    "  if (false) {\n    return decide(\n      `two primaries",
  ],
  ["later-primary-overlooked", "(other.timeline ?? 0) > (timeline ?? 0)", "false"],
  ["stopped-before-running-primary", "  if (running !== undefined) {", "  if (false) {"],
  ["silent-members-data-forgotten", "(directoryUsable && !view.left?.includes(name))", "false"],
  ["data-of-one-that-left-waited-for", " && !view.left?.includes(name)", ""],
  ["half-made-data-of-a-silent-member-waited-for", "directoryUsable && !view.left", "!view.left"],
  ["stopped-second-primary-waited-for", "isHeard(view, other) || !runsPrimary(other)", "true"],
  ["second-directory-overlooked", "others.find(({ primaryDirectory }) => primaryDirectory)", "undefined"],
  ["older-copy-founds-the-cluster", "(positionOf(other) ?? 0) > own", "false"],
  ["streaming-standby-keeps-its-primary-from-founding", 'other.replicationState !== "streaming" && ', ""],
  ["standbys-primary-not-waited-for", '(running && replicationState === "streaming") || ', ""],
]);

const fence = keep("fence", [
  [
    "agent-waits-for-a-majority-to-end",
    'if (view.stopping && process === "none" && view.raftLostForMs >= patienceMs) {',
    "if (view.stopping && view.dynamic.postgresql.pgCtlTimeoutS < 0) {",
  ],
  [
    "agent-ends-without-handing-over",
    "&& view.raftLostForMs >= patienceMs) {\n    // The guard",
    ") {\n    // The guard",
  ],
  ["decided-by-old-records", "if (view.joined) return null;", "return null;"],
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
    "if (!isPromotedByOthers(postgres) || dynamic.pause) return null;",
    "return null;",
  ],
  [
    "promoted-by-hand-in-a-standby-cluster",
    'if (tenure === "holding" && dynamic.standbyCluster === null) return null;',
    'if (tenure === "holding") return null;',
  ],
  [
    "given-back-beside-leftovers",
    '(process === "orphans" || process === "stopping")',
    'process === "stopping"',
  ],
]);

const shutdown = keep("shutdown", [
  ["handed-over-to-one-that-lacks-the-checkpoint", "directory.control.checkpointLsn + 1", "0"],
  [
    "stop-limit-is-not-the-one-in-force",
    "pgCtlTimeoutS: dynamic.postgresql.pgCtlTimeoutS",
    "pgCtlTimeoutS: 60",
  ],
  ["restart-hands-over", 'tenure === "holding" && handsOver(view)', 'tenure === "holding"'],
  ["another-candidate-will-do", "(wanted === null || status.name === wanted)", "true"],
  ["successor-of-an-older-timeline", " &&\n    (status.timeline ?? 0) >= (view.postgres.timeline ?? 0)", ""],
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
  ["standby-leader-stopped-in-pause", "needsLease && !isStandbyLeader", "needsLease"],
  ["primary-of-a-standby-cluster-left-running", " && !view.postgres.writable", ""],
  [
    "left-with-the-lock",
    'view.tenure === "holding" ? release("stopped; handing over the lock", view) : mayLeave("stopped")',
    'mayLeave("stopped")',
  ],
  ["fenced-primary-left-running", '"none" && !view.dcs.lock.unfenced;', '"none" && false;'],
  ["stop-without-a-checkpoint", "checkpoint: writable", "checkpoint: false"],
]);

const busy = keep("busy", [
  ["hung-promotion-goes-on", "if (view.nowMs - action.movedMs < limitMs) return null;", "return null;"],
  ["overdue-start-goes-on", "(!lacksWal && !isStartOverdue(view)) || !someoneElseCan(view)", "true"],
  ["restart-hangs-for-ever", '(action !== null && action.kind !== "restart")', "action !== null"],
  ["found-starting-waited-for-for-ever", '(action !== null && action.kind !== "restart")', "action === null"],
  [
    "served-a-moment-ago-and-ended",
    "Math.max(dynamic.primaryStartTimeoutS * 1000, GRANTED_START_MS)",
    "dynamic.primaryStartTimeoutS * 1000",
  ],
  [
    "overdue-start-ended-for-nobody",
    " || !someoneElseCan(view)) return null;\n  return kill",
    ") return null;\n  return kill",
  ],
  ["crash-before-the-grant-counts", "return crashedAtMs < heldSinceMs;", "return false;"],
  ["down-at-the-grant-and-ended-at-once", "return heldSinceMs > -Infinity && ", "return false && "],
  ["start-ended-in-pause", "view.dynamic.pause || view.tenure", "view.tenure"],
]);

const holder = [
  ...keep("may_write", [
    [
      "started-without-a-lease",
      '  return notYet(view) ??\n    decide("starting as primary"',
      '  return decide("starting as primary"',
    ],
    ["promoted-in-anothers-failsafe-mode", "if (!view.failsafeWait) return null;", "return null;"],
  ]),
  ...keep("short_data", [
    ["short-beside-a-stranger", "isVoter(sync, other, dataToken) &&", "true &&"],
    ["short-on-another-timeline", "timeline === walEnd.timeline && ", ""],
    ["short-by-what-is-received", "replayedLsn }, ageMs", "receivedLsn: replayedLsn }, ageMs"],
    ["short-by-what-is-as-long", "> walEnd.lsn", ">= walEnd.lsn"],
    ["short-before-it-was-a-primary", " || directory.standbySignal", ""],
    ["short-by-old-news", "ageMs < FRESH_MS && ", ""],
  ]),
  ...keep("holder_stopped", [
    ["short-with-an-end-of-its-wal", ", { unclean: true }", ""],
    [
      "promoted-without-the-wal-that-it-needs",
      " && needsWal(view) ? lastRemote : null",
      " && false ? lastRemote : null",
    ],
    [
      "follows-a-remote-that-it-does-not-need",
      " && needsWal(view) ? lastRemote : null",
      " ? lastRemote : null",
    ],
    ["follows-an-archive", " && isReachable(lastRemote)", ""],
    ["hung-start-begun-again", "!startWasEnded(view)", "true"],
    ["start-that-hung-long-ago-counts", "start.ok || start.atMs < heldSinceMs", "start.ok"],
    [
      "lets-go-and-comes-first-again",
      "return letGo(`PostgreSQL does not start",
      "return release(`PostgreSQL does not start",
    ],
    ["hung-promotion-keeps-the-lock", "stop.atMs < last.atMs || !someoneElseCan(view)", "true"],
    ["read-only-with-a-lease", "!isDown(view) || view.leaseUsable || view", "!isDown(view) || view"],
    ["read-only-at-once", " || view.raftLostForMs < view.dcs.grantTtlMs", ""],
    [
      "primary-started-as-a-standby",
      "!directory.standbySignal) return null;\n  const remote",
      "false) return null;\n  const remote",
    ],
    [
      "crashed-holder-keeps-the-lock",
      "!startTakesTooLong(view, view.nowMs) || !someoneElseCan(view)",
      "true",
    ],
    [
      "lock-kept-without-a-directory",
      "    decide: withoutDirectory,",
      "    decide: () => null,",
    ],
  ]),
  ...keep("standby_leader", [
    ["promised-data-given-up", "if (isPromised(view.dcs.sync)) {", "if (false) {"],
    ["set-aside-by-a-verdict-of-another-server", " || isFromBeforeChange(verdict, view)", ""],
    ["standby-leader-waits-in-vain", "if (!waits && verdict(view, remote)", "if (verdict(view, remote)"],
    [
      "standby-leader-stopped-at-once",
      "view.notStreamingForMs > NOT_STREAMING_MS && waitsInVain",
      "waitsInVain",
    ],
    [
      "standby-leader-promoted",
      "  if (remoteHere(view) === null) return null;\n  if (\n    initialize !== null",
      "  if (remoteHere(view) !== null) return null;\n  if (\n    initialize !== null",
    ],
    [
      "standby-leader-starts-as-primary",
      "function start(view: NodeView): Outcome | null {\n  const remote = remoteHere(view);",
      "function start(view: NodeView): Outcome | null {\n  const remote = null as ReturnType<typeof remoteHere>;",
    ],
    ["moved-aside-on-an-old-verdict", "isVerdictOld(verdict, view.nowMs) || ", ""],
    ["primary-of-a-standby-cluster-goes-on", "!writable || process !==", "true || process !=="],
    ["demoted-without-a-checkpoint", "checkpoint: true", "checkpoint: false"],
    ["diverged-leader-stopped-in-pause", "!isUp(view) || view.dynamic.pause", "!isUp(view)"],
    [
      "demoted-without-comparing",
      "if (verdict(view, remote) !== null) return null;\n  return decide(`comparing",
      "return null;\n  return decide(`comparing",
    ],
    ["diverged-leader-pointed-at-the-remote", 'if (found === "diverged") return null;', ""],
    ["verdict-on-a-former-remote", "divergence.from !== name", "false"],
    ["archive-asked-for-its-history", "!mayDiffer(view) || !isReachable(remote)", "!mayDiffer(view)"],
  ]),
  ...keep("bootstrap_standby", [
    [
      "primary-made-a-standby",
      "return directory.standbySignal\n      ? decide",
      "return true\n      ? decide",
    ],
    ["failed-copy-keeps-the-claim", "clone.ok || !retryLater(clone, view.nowMs)", "true"],
    ["copied-without-a-method", "if (!able) return", "if (false) return"],
  ]),
  ...keep("bootstrap", [
    [
      "copied-standby-started-as-a-primary",
      "directory.standbySignal && !writable) return promoteCopy",
      "false) return promoteCopy",
    ],
    [
      "copied-standby-promoted-without-a-lease",
      'return notYet(view) ??\n    decide("promoting the copied',
      'return decide("promoting the copied',
    ],
    [
      "empty-primary-for-a-standby-cluster",
      "isInitialized(view.dcs) || view.dynamic.standbyCluster !== null",
      "isInitialized(view.dcs)",
    ],
  ]),
  ...keep("holder_running", [
    ["promoted-without-a-lease", '  return notYet(view) ?? decide("promoting', '  return decide("promoting'],
    [
      "promoted-under-the-next-epoch",
      'kind: "promote",\n    epoch: view.dcs.lock.epoch',
      'kind: "promote",\n    epoch: view.dcs.lock.epoch + 1',
    ],
    ["refusing-hook-asked-again", "last.detail.startsWith(PRE_PROMOTE) ? 1 : FAILURES", "FAILURES"],
    ["switchover-without-its-checkpoint", 'how: "fast", checkpoint: true', 'how: "fast", checkpoint: false'],
    ["stepped-down-for-one-that-does-not-stream", "if (!streamsFromUs(view)) {", "if (false) {"],
  ]),
];

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
      "pointed-at-the-last-holder-uncompared",
      " === lastHolder && isVouched(view)",
      " === lastHolder",
    ],
    [
      "older-directory-pointed-at-the-last-holder",
      " && isVouched(view) && !isUncompared(view)",
      " && isVouched(view)",
    ],
    ["started-without-the-wal-it-needs", "if (!isKnown && needsWal(view))", "if (false)"],
    [
      "former-primary-started-as-a-standby",
      'if (!isDown(view) || directory.kind !== "valid" || directory.standbySignal) return null;',
      "return null;",
    ],
    [
      "waiting-standby-follows-nobody",
      "!isKnown ? null : upstreamOf(view, lastHolder)",
      "true ? null : null",
    ],
  ]),
  ...keep("vouched", [
    ["trusted-under-another-epoch", "return vouchedEpoch === lock.epoch;", "return true;"],
    ["trusted-while-silent", "ageMs < SILENT_MS && ", ""],
    ["trusted-though-it-heard-of-a-later-epoch", " && epochSeen <= lock.epoch;", ";"],
    [
      "pointed-at-a-silent-member",
      "if (seen === undefined || !isOfNow(seen, view)) return null;\n  const { status }",
      "if (seen === undefined) return null;\n  const { status }",
    ],
    ["another-standby-trusted-for-ever", " || following === cascadeOf(view);", " || true;"],
    ["not-trusted-while-unfenced", "if (lock.unfenced && following", "if (false && following"],
    ["trusted-by-old-records", " && view.raftLostForMs < SILENT_MS) return true;", ") return true;"],
    [
      "standby-leader-that-was-promoted-is-followed",
      " || heardAsStandby(holder, view) === null) return false;",
      ") return false;",
    ],
    [
      "pointed-at-the-next-primary-by-numbers-alone",
      "  if (!wasOnLastHistory(view)) return false;\n",
      "",
    ],
    [
      "former-primary-pointed-at-its-successor-uncompared",
      "directory.formerPrimary)) return false;",
      "false)) return false;",
    ],
    [
      "pointed-at-one-that-never-heard-of-the-timeline",
      "return (status.timeline ?? 0) >= Math.max(timeline, walEnd?.timeline ?? 0);",
      "return true;",
    ],
    ["promoted-one-followed-uncompared", "status.writable || status.walLsn !== null || ", ""],
    ["restarted-primary-followed-uncompared", " || status.primaryDirectory ? null", " ? null"],
    ["let-go-while-it-streams", ' || replicationState === "streaming") return null;', ") return null;"],
    ["consistent-without-its-wal", "walEnd.lsn < minRecoveryLsn", "false"],
  ]),
  ...keep("standby", [
    ["waits-for-a-given-up-timeline", "if (waitsInVain(view.postgres, upstream.name)) {", "if (false) {"],
    ["kept-down-by-a-primary-that-cannot-be-asked", '!== "unknown";', "!== undefined;"],
    [
      "stopped-standby-streams-uncompared",
      "  if (isOnHistory(view)) {\n",
      "  if (true) {\n",
    ],
    [
      "standby-follows-nobody",
      '{ kind: "start-standby", follow }',
      '{ kind: "start-standby", follow: null }',
    ],
    [
      "diverged-standby-started",
      " || diverged(view) || isUncompared(view)) return null;",
      " || isUncompared(view)) return null;",
    ],
    ["older-standby-started-before-it-is-compared", " || isUncompared(view)) return null;", ") return null;"],
    [
      "standby-of-before-the-recovery-started-before-it-is-compared",
      " || isUncompared(view)) return null;",
      " || isUnjoined(view)) return null;",
    ],
    ["standby-pointed-at-the-primary-uncompared", "  if (first !== null) return first;\n", ""],
    ["followed-by-an-old-verdict", ' === "same" && hasOldVerdict(view);', ' === "same" && false;'],
    ["no-stream-while-a-receiver-lives", "following === null && cutOff !== false", "following === null"],
    ["refused-start-repeated-uncompared", "  if (afterFailure !== null) return afterFailure;\n", ""],
    [
      "older-standby-followed-while-not-compared",
      "  if (comparing !== null) return comparing;\n",
      "",
    ],
    [
      "copied-without-a-primary",
      "  const primary = livingHolder(view);\n  const systemId",
      "  const primary = view.statuses[0]!.status;\n  const systemId",
    ],
    ["new-address-not-followed", "if (followingUrl === upstream.connUrl) return null;", "return null;"],
    ["older-timeline-is-history", "(timeline ?? 0) < (primary.timeline ?? Infinity)", "false"],
    ["diverged-standby-killed", 'how: "fast"', 'how: "kill"'],
    [
      "promoted-by-others-treated-as-a-standby-in-pause",
      'process === "running" && inRecovery !== false',
      'process === "running"',
    ],
    ["verdict-good-for-ever", "!hasOldVerdict(view) && ", ""],
  ]),
  ...keep("copy_source", [
    ["leader-not-forced", "if (view.reinitializing?.fromLeader)", "if (false)"],
    ["failed-source-tried-again", "clone.from !== undefined && clone.from !== leader.name", "false"],
    ["leader-that-failed-tried-for-ever", " && clone.from !== leader.name", ""],
    ["tag-does-not-matter", " && isSet(tags.clonefrom)", ""],
    ["silent-source", "if (ageMs >= FRESH_MS)", "if (false)"],
    ["hung-source", "(status.lookAgeMs ?? 0) > STATE_KNOWN_MS", "false"],
    ["source-of-another-cluster", "status.systemId !== view.dcs.initialize?.systemId", "false"],
    ["source-on-another-timeline", "if (status.timeline !== primary.timeline)", "if (false)"],
    ["source-that-does-not-stream", 'status.replicationState !== "streaming" || ', ""],
    ["former-primary-as-a-source", " || status.primaryDirectory", ""],
    ["source-far-behind", "lag > limit", "false"],
    ["all-copy-from-the-same", "copies(a) - copies(b) || ", ""],
  ]),
  ...keep("rejoin", [
    ["verdict-of-before-the-change-of-role", "[roleMs, upstreamRewoundMs]", "[upstreamRewoundMs]"],
    ["verdict-of-before-the-upstreams-rewind", "[roleMs, upstreamRewoundMs]", "[roleMs]"],
    [
      "verdict-about-former-data",
      'if (verdict !== "unknown" && isOfFormerData(divergence, view)) return null;',
      "",
    ],
    ["stopped-for-former-data", "return !isOfFormerData(divergence, view);", "return true;"],
    ["compared-with-any-data", "...(token === undefined ? {} : { token }),", ""],
    ["rewound-before-the-checkpoint", "if (!primary.checkpointAfterPromote) {", "if (false) {"],
    [
      "verdict-on-an-older-timeline",
      "return standbyCluster !== null && !isVerdictOld(divergence, nowMs) ? verdict : null;",
      "return verdict;",
    ],
    [
      "standby-compared-for-ever-in-a-standby-cluster",
      "return standbyCluster !== null && !isVerdictOld",
      "return false && !isVerdictOld",
    ],
    ["verdict-good-for-a-moment-longer", ">= COMPARED_MS", "> COMPARED_MS"],
    ["failed-comparison-again-at-once", 'verdict === "unknown" || ', ""],
    ["rewound-for-ever", "!rewind.ok && rewind.failures >= REWINDS", "false"],
    ["copied-after-one-failure", "rewind.failures >= REWINDS", "rewind.failures >= 1"],
    ["rewind-against-its-setting", '!dynamic.postgresql.rejoin.includes("rewind")', "false"],
    ["copied-against-its-setting", '!view.dynamic.postgresql.rejoin.includes("reclone")', "false"],
    [
      "removed-by-the-other-key",
      '? "rewind-failure" : "diverged-timelines"',
      '? "diverged-timelines" : "rewind-failure"',
    ],
    ["reinit-not-said", "if (stays === null) return null;", "return null;"],
    ["rewind-without-hints", "(directory.control.walLogHints || directory.control.dataChecksums)", "true"],
  ]),
];

const others = [
  ...keep("directory", [
    [
      "half-rewound-copied-against-its-setting",
      '!view.dynamic.postgresql.rejoin.includes("reclone")',
      "false",
    ],
    ["another-cluster-joins", "found === null || found === expected", "true"],
    ["bootstrap-known-by-its-name", "initialize.incarnation === directory.by", "initialize.by === view.name"],
    [
      "half-written-directory-set-aside-under-its-server",
      'if (process !== "none") return kill("ending a half-made server");',
      "",
    ],
    [
      "foreign-directory-keeps-the-lock",
      'view.tenure === "holding" ? letGo(reason, view) : decide(reason)',
      "decide(reason)",
    ],
    ["removed-directory-shut-down-in-order", 'removed ? "immediate" : "fast"', '"fast"'],
  ]),
  ...keep("bootstrap", [
    [
      "adopted-primary-named-before-its-directory",
      'if (directory.kind === "valid" && directory.unmanaged) {',
      "if (false) {",
    ],
    [
      "initialized-without-roles",
      'if (directory.kind === "half-written" && last["finish-bootstrap"] === undefined) {',
      "if (false) {",
    ],
  ]),
  ...keep("bootstrap_failed", [
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
      "return letGo(`${REASON}: handing over the lock`, view);",
      "return null;",
    ],
  ]),
  ...keep("pause", [
    [
      "crashed-primary-started-in-pause",
      'view.tenure !== "holding") return null;\n  if (dcs',
      "true) return null;\n  if (dcs",
    ],
    ["stopped-standby-started-in-pause", "isSteppingDown(last) || view.reinitializing", "true"],
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
  ...mutationsOf("src/brain/cluster/judge.ts", ["src/brain"], [
    ["request-accepted-before-its-time", 'if (lateMs < 0) return { kind: "not-yet", why: "time" };', ""],
    [
      "scheduled-request-accepted-in-pause",
      "if (scheduledAt !== null && dynamic.pause) return",
      "if (false) return",
    ],
    ["late-request-carried-out", "if (lateMs > 1500 * dynamic.loopWaitS) {", "if (false) {"],
    [
      "switchover-from-another-leader",
      'if (kind === "switchover" && leader !== lock.holder) return',
      "if (false) return",
    ],
    ["accepted-for-one-that-does-not-stream", "if (!streams(status, view)) return {", "if (false) return {"],
    ["accepted-for-one-that-lags", 'lagsTooFar(status, view) ? { code: "lag" } : null', "null"],
    ["accepted-for-one-that-was-removed", "&& isMember(seen, view)", ""],
    ["accepted-for-one-that-is-silent", "ageMs < FRESH_MS && status.name", "status.name"],
  ]),
  ...mutationsOf("src/brain/cluster/serves.ts", ["src/brain"], [
    ["replica-taken-for-a-standby-leader", 'status.role === "standby_leader" && ', ""],
    ["promoted-standby-leader-serves", " && status.walLsn === null", ""],
    ["holder-of-another-epoch-serves", " || status.epochSeen !== lock.epoch", ""],
    ["standby-serves-as-primary", "return status.writable;", "return true;"],
  ]),
  ...mutationsOf("src/brain/cluster/request.ts", ["src/brain"], [
    [
      "unclean-switchover-called-a-success",
      'if (kind === "switchover" && !lock.cleanStart && view',
      "if (false && view",
    ],
    ["switched-over-to-one-that-writes-nothing", "holder.wroteUnder !== lock.epoch) {", "false) {"],
    ["refused-at-once-for-a-lag", "if (view.requestForMs < judged.patienceMs) return null;", ""],
  ]),
  ...mutationsOf("src/agent/loop/vouched_epoch.ts", ["src/agent/loop/vouched_epoch.test.ts"], [
    ["vouched-by-an-old-look", " || lastLookMs < this.#lockEpochMs", ""],
    [
      "vouched-before-its-holder-follows",
      "this.#isRemote !== null && isOther && mayHaveFollowed",
      "false && mayHaveFollowed",
    ],
    [
      "vouched-across-two-changes-that-are-kept",
      ".length === 0 || wasRemoteSince(dcs, revision);",
      ".length === 0;",
    ],
    ["vouched-across-changes-that-are-not-kept", "(dcs.configHistory ?? []).length === 0 || ", ""],
    [
      "forgotten-with-any-key",
      "return (dcs.configHistory ?? []).length === 0 || wasRemoteSince(dcs, revision);",
      "return true;",
    ],
    ["vouched-across-two-changes-of-role", " || this.#configRevision !== revision", ""],
    ["in-vain-after-any-change", "if (isRemote || wasRemoteSince(seen.dcs, this.#configRevision ?? 0))", ""],
    ["rewound-unheard-with-other-data", "known.token !== undefined && known.token !== token", "false"],
    [
      "vouched-before-the-upstreams-rewind",
      "token) {\n      this.#forget();",
      "token) {",
    ],
    [
      "rewound-by-another-upstream",
      "known?.name === name && known.token",
      "known !== null && known.token",
    ],
    [
      "vouched-by-a-rewind-from-other-data",
      "    this.#set(null);\n    this.#rewindUnder = null;",
      "    this.#set(null);",
    ],
    [
      "source-of-a-rewind-not-watched",
      "this.#rewindUnder = lockEpoch;\n          this.#pointAt(action.from.name);",
      "this.#rewindUnder = lockEpoch;",
    ],
    [
      "source-of-a-copy-not-watched",
      "lockEpoch : null);\n          this.#pointAt(action.from.name);",
      "lockEpoch : null);",
    ],
    ["vouched-for-other-data", "if (isOther && !this.#isMaking) {", "if (false) {"],
    ["vouched-for-a-directory-that-came-back", "this.#ownData = id ?? this.#ownData;", "this.#ownData = id;"],
    [
      "own-copy-taken-for-a-replaced-directory",
      'case "clone":\n          this.#isMaking = true;',
      'case "clone":',
    ],
    [
      "own-rewind-taken-for-a-replaced-directory",
      'case "rewind":\n          this.#isMaking = true;',
      'case "rewind":',
    ],
    [
      "own-copy-excuses-what-comes-after",
      ".includes(action.kind)) this.#isMaking = false;",
      ".includes(action.kind)) {}",
    ],
    ["followed-unwatched-until-it-is-seen", "this.#pointAt(action.follow.name);", ""],
    [
      "watched-only-while-it-is-followed",
      "seen.postgres.following ?? known?.name",
      "seen.postgres.following",
    ],
    [
      "demoted-unheard-between-two-looks",
      "isRemote || wasRemoteSince(seen.dcs, this.#configRevision ?? 0)",
      "isRemote",
    ],
    [
      "demoted-unheard-and-not-kept",
      "between.length > 0 && between.length === configHistory.length",
      "false",
    ],
    [
      "vouched-by-a-look-before-the-change-of-role",
      "if (isFromBeforeChange({ atMs: lastLookMs }, this)) return false;",
      "",
    ],
    [
      "vouched-by-a-primary-that-is-to-follow",
      "this.#isRemote && lastLookMs < this.#remoteLeaderMs",
      "false",
    ],
    [
      "vouched-by-anybody's-stream",
      "return following === (lock.holder",
      "return true || following === (lock.holder",
    ],
    [
      "vouched-after-it-left-recovery",
      "if (postgres.inRecovery === false) this.#set(null);\n    else if",
      "if",
    ],
    ["vouched-by-a-rewind-in-vain", "rewind.ok && rewoundInVain !== true", "rewind.ok"],
    ["vouched-by-a-failed-rewind", "rewind.ok && rewoundInVain !== true", "rewoundInVain !== true"],
    [
      "vouched-by-a-copy-of-a-standby",
      "action.from.name === action.leader.name ? lockEpoch : null",
      "lockEpoch",
    ],
    [
      "vouched-after-it-was-let-go",
      "if (action.follow === null) this.#epoch = null;",
      "if (action.follow === null) break;",
    ],
    [
      "wal-forgotten-with-its-upstream",
      "if (action.follow === null) this.#epoch = null;",
      "if (action.follow === null) this.#set(null);",
    ],
  ]),
  ...mutationsOf("src/agent/loop/own_status.ts", ["src/agent/loop/own_status.test.ts"], [
    ["what-was-written-alone-forgotten-by-a-restart", "directory.wroteAlone === true && ", "false && "],
  ]),
  ...mutationsOf("src/brain/keep/standby.ts", ["src/brain/keep/standby.test.ts"], [
    ["written-alone-streams-on", "directory.wroteAlone !== true", "true"],
  ]),
  ...mutationsOf("src/brain/keep/follow_source.ts", ["src/brain/keep/follow_source.test.ts"], [
    [
      "follows-in-a-circle",
      "if (passed.has(at.name)) return false;",
      "if (passed.has(at.name)) return true;",
    ],
    ["candidate-that-the-holder-never-sees", "if (dcs.failover?.accepted && ", "if (false && "],
    ["follows-a-server-that-takes-writes", " || status.writable", ""],
    ["follows-one-that-others-have-promoted", " || status.walLsn !== null", ""],
    ["follows-an-earlier-timeline", "(status.timeline ?? 0) < (timeline ?? 0)", "false"],
    ["follows-the-silent", "following === wanted ? SILENT_MS : FRESH_MS", "Infinity"],
  ]),
  ...mutationsOf("src/brain/slots.ts", ["src/brain/slots.test.ts"], [
    ["slots-of-its-own", "(member) => member !== name", "() => true"],
    ["slots-only-after-the-promotion", "writable && !holds", "holds !== writable"],
    ["slots-of-a-primary-without-the-lock", "(writable && !holds)", "false"],
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
    ["slot-of-a-member-that-does-not-stream", "!isArchiveOnly(member, view) && ", ""],
    ["slots-where-nobody-may-be-promoted", "nofailover !== true", "nofailover !== null"],
    ["permanent-slot-of-another-timeline", " || holder.timeline !== postgres.timeline", ""],
    ["permanent-slots-of-standby-clusters", "slot.clusterType === type", "true"],
    ["member-named-by-the-configuration-forgotten", "!permanent.some(", "!false && ![].some("],
    ["moved-on-by-another-timeline", "status.timeline !== postgres.timeline", "false"],
    ["moved-on-by-one-that-does-not-run", "if (!status.running || ", "if ("],
    ["moved-on-by-a-primary-without-the-lock", "status.name === lock.holder && ", ""],
    ["in-use-taken-for-elsewhere", "following !== null && following !== name", "following !== null"],
  ]),
  ...mutationsOf("src/postgres/slot_plan.ts", ["src/postgres/slot_plan.test.ts"], [
    [
      "moved-beyond-the-own-wal",
      "Math.min(input.positions.get(name) ?? 0, restartLsn + heldBytes)",
      "(input.positions.get(name) ?? 0)",
    ],
    ["moved-while-in-use", "active || restartLsn === null", "restartLsn === null"],
    [
      "made-anew-for-a-member-that-streams-here",
      "(holdsXmin && elsewhere.includes(name))",
      "holdsXmin",
    ],
  ]),
  ...mutationsOf("src/brain/duties.ts", ["src/brain/duties.test.ts"], [
    ["copy-from-the-dead-goes-on", "source.ageMs > SOURCE_SILENT_MS", "false"],
    ["stalled-copy-waits-for-ever", ">= COPY_STALLED_MS) {", "< 0) {"],
    ["complete-copy-counts-as-stalled", " && copy.doneBytes < copy.totalBytes ?", " ?"],
    ["copy-of-a-promoted-standby-goes-on", "if (isStandby && from === holder) {", "if (false) {"],
    ["copy-of-a-standby-ends-with-the-primary", "!isStandby && holder === null", "holder === null"],
    ["copy-of-a-standby-watches-the-primary", "action.copy?.from ?? holder", "holder"],
    [
      "history-recorded-by-a-standby",
      "|| !writable || inRecovery !== false) return null;\n  const line",
      ") return null;\n  const line",
    ],
    ["checkpoint-at-every-look", " || leaseUntilMs === view.checkpointedForMs", ""],
    [
      "old-timeline-counts-as-streaming",
      ' !== "streaming" || (postgres.timeline ?? 0) < timelineOfHolder;',
      ' !== "streaming";',
    ],
  ]),
];

/** Between decision and deed. */
const agent = [
  ...mutationsOf("src/agent/postgres/actions.ts", ["src/agent/postgres/actions.test.ts"], [
    ["failing-source-not-blamed", "sourceFails ? new SourceFailure(why) : undefined", "undefined"],
    [
      "operator-blames-the-source",
      "return this.#finish(begun, failed, aborted);",
      "return this.#finish(begun, failed, false);",
    ],
  ]),
  ...mutationsOf("src/agent/loop/act.ts", ["src/agent/loop/act.test.ts"], [
    ["end-of-another-directory-logged", "&& !isOtherData(name, sync(), view.directory)", ""],
  ]),
  ...mutationsOf("src/agent/postgres/stop.ts", ["src/agent/postgres/stop.test.ts"], [
    [
      "closed-by-another-directory",
      "if (await worksElsewhere(this.#context.dataDir, server.pid)) return;",
      "",
    ],
  ]),
  ...mutationsOf("src/agent/postgres/run.ts", ["src/agent/postgres/run.test.ts"], [
    ["started-in-another-directory", "return this.#dataId() === data", "return true"],
    [
      "restarted-in-another-directory",
      "return await this.start(how, signal, data);",
      "return await this.start(how, signal);",
    ],
    ["started-by-an-old-look", "await this.#context.survey(0);", ""],
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
  ...mutationsOf("src/agent/postgres/remote_check.ts", ["src/agent/postgres/remote_check.test.ts"], [
    ["other-system-accepted", "answer.systemId !== systemId", "false"],
    ["silent-remote-not-told", 'typeof answer === "string"', "false"],
  ]),
  ...mutationsOf("src/agent/rest/check_config.ts", ["src/agent/rest/check_config.test.ts"], [
    ["remote-not-asked", '["postgresql", "standby_cluster"]', '["postgresql"]'],
  ]),
  ...mutationsOf("src/agent/rest/restart_in_place.ts", ["src/agent/rest/restart_in_place.test.ts"], [
    ["restart-not-withdrawn", "      member.withdrawRestart();\n", ""],
    ["older-restart-taken-for-ours", "done.atMs > before", "true"],
  ]),
  ...mutationsOf("src/brain/scheduled_restart.ts", ["src/brain/scheduled_restart.test.ts"], [
    ["scheduled-restart-in-pause", " || dynamic.pause", ""],
    ["scheduled-restart-by-old-records", " || !joined", ""],
  ]),
  ...mutationsOf("src/brain/other_data.ts", ["src/brain"], [
    ["other-data-unmanaged", "directory.unmanaged === true :", "false :"],
    ["other-data-is-the-holders", ": dataIdOf(then) !== directory.dataId;", ": false;"],
  ]),
  ...mutationsOf("src/brain/keep/busy.ts", ["src/brain/keep"], [
    ["overdue-restart-with-nobody-else", "  if (!someoneElseCan(view, endsInOrder)) return null;\n", ""],
    ["overdue-restart-killed-while-it-writes", "if (!endsInOrder) return kill(why);", "return kill(why);"],
    ["old-restart-gives-the-lock-up", " || restart.atMs < heldSinceMs", ""],
    ["in-vain-behind-a-former-primary", " && following === followed(view)?.name", ""],
    [
      "in-vain-behind-a-rewound-standby-leader",
      "if (following !== null && mayBeRewound(view))",
      "if (false)",
    ],
    ["rewound-for-nobody-waits", "  const lacksWal = isRewoundForNobody(view);", "  const lacksWal = false;"],
    ["rewound-under-another-epoch", " || rewind.atMs < heldSinceMs", ""],
  ]),
  ...mutationsOf("src/dcs/requests.ts", ["src/dcs"], [
    ["replaced-request-untold", "failover !== null && tellsReplaced", "false"],
    ["restart-ended-for-another", "scheduled?.id !== id", "scheduled === null"],
  ]),
];

/** The rules for a standby that others have promoted, as the simulator has to notice them. */
const bootstrap = [
  ...mutationsOf("src/brain/keep/bootstrap_failed.ts", ["src/brain/keep/bootstrap.test.ts"], [
    [
      "data-that-was-there-given-up",
      'if (directory.kind === "valid" || start === undefined',
      "if (start === undefined",
    ],
    [
      "leftovers-of-a-first-start-refuse",
      'const refuses = process === "starting" || process === "running";',
      'const refuses = process !== "none";',
    ],
    [
      "first-start-that-failed-gives-up",
      "start.failures >= FAILURES || refuses",
      "start.failures >= 1 || refuses",
    ],
    [
      "failed-bootstrap-keeps-the-lock",
      'if (view.tenure === "holding") return release(reason, view);\n  return decide(reason, {',
      "return decide(reason, {",
    ],
  ]),
  ...mutationsOf("src/brain/keep/bootstrap.ts", ["src/brain/keep/bootstrap.test.ts"], [
    ["restored-cluster-opened-in-its-recovery", "if (inRecovery !== false) return", "if (false) return"],
  ]),
  ...mutationsOf("src/brain/keep/founder.ts", ["src/brain/keep/bootstrap.test.ts"], [
    [
      "failed-bootstrap-begun-again-at-once",
      "(view.postgres.bootstrapDueMs ?? 0) > view.nowMs",
      "false",
    ],
  ]),
  ...mutationsOf("src/agent/postgres/sync_memory.ts", ["src/agent/postgres/memory.test.ts"], [
    [
      "sync-of-others-unseen",
      "if (isOthers && this.#server()?.syncLoaded && turn === this.#turn)",
      "if (false)",
    ],
  ]),
  ...mutationsOf("src/agent/postgres/memory.ts", ["src/agent/postgres/memory.test.ts"], [
    ["end-of-a-lease-fails-a-recovery", "if (this.restored !== null) delete this.last.start;", ""],
    ["cut-off-while-a-receiver-may-come", " && !this.#mayReceive && ", " && "],
    [
      "upstream-kept-though-the-files-name-none",
      "    this.following = null;\n    this.#mayReceive = true;",
      "",
    ],
  ]),
];

const sick = [
  ...keep("view", [
    ["hands-over-to-one-that-cannot-lead", " && canTakeOver(status, view)\n  ).map(", "\n  ).map("],
    [
      "hands-over-to-one-that-is-silent",
      "status.name !== view.name && ageMs < FRESH_MS",
      "status.name !== view.name",
    ],
  ]),
  ...keep("sick", [
    ["sick-holder-hands-over-in-pause", "|| dynamic.pause ||", "||"],
    ["sick-standby-leader-hands-over", " || dynamic.standbyCluster !== null", ""],
    ["sick-holder-hands-over-against-the-configuration", "  if (!dynamic.sickHandOver) return null;\n", ""],
    ["sick-holder-hands-over-to-one-of-the-same-cause", "isBetterOff(status, than, view.nowMs)", "true"],
    ["sick-holder-hands-over-to-one-that-does-not-stream", "streamsFrom(status, name) &&", ""],
    [
      "sick-holder-hands-over-to-one-that-lags",
      "!lagsTooFar(status, { dynamic, primaryLsn: walLsn })",
      "true",
    ],
    [
      "sick-holder-hands-over-to-one-without-proof",
      " &&\n    mayFollow(status, view, remedy.checkpoint)",
      "",
    ],
    [
      "sick-holder-lets-go-for-one-without-proof",
      "mayFollow(status, view, endedInOrder(view.postgres))",
      "true",
    ],
    ["sick-holder-hands-over-without-a-lease", "  if (!leaseUsable) return null;\n", ""],
    ["sick-holder-hands-over-again-and-again", "stop?.atMs ?? -Infinity) < LEAST_HELD_MS", "-Infinity) < 0"],
    ["sick-holder-lets-go-before-another-has-all", "end === null || hasAll(status, view, end)", "true"],
    ["sick-holder-lets-go-of-a-lock-just-granted", "if (!isStopped && nowMs", "if (false && nowMs"],
    ["sick-holder-waits-for-ever", "nowMs - stop.atMs >= REPORT_WAIT_MS", "false"],
  ]),
  ...mutationsOf("src/brain/keep/rejoin.ts", ["src/brain/keep/rejoin.test.ts"], [
    ["full-disk-fails-a-rewind", " && rewind.lacksRoom !== true", ""],
  ]),
  ...mutationsOf("src/brain/keep/may_follow.ts", ["src/brain/keep"], [
    ["hands-over-without-votes", "present.length > sync.quorum", "true"],
    ["hands-over-to-no-voter", " || !isVoter(sync, name, dataToken)", ""],
    ["end-in-order-does-not-count", "inOrder || !isPromised(sync)", "!isPromised(sync)"],
  ]),
  ...mutationsOf("src/brain/keep/view.ts", ["src/brain/keep"], [
    ["lets-go-for-one-without-proof", ".some((status) => mayFollow(status, view, inOrder))", ".length > 0"],
  ]),
  ...mutationsOf("src/sync/standstill.ts", ["src/sync/standstill.test.ts"], [
    [
      "standstill-forgotten-with-the-first-move",
      "if (held === null || standsMs >= STANDSTILL_MS) return course;",
      "return course;",
    ],
    ["standstill-made-up-at-once", " && atMs - back.sinceMs >= STEADY_MS", ""],
    ["standstill-made-up-without-the-wal", "lsn >= back.lsn && atMs", "atMs"],
    ["idle-standby-stands-still", "const isBehind = lsn < walLsn;", "const isBehind = true;"],
    ["slow-standby-stands-still", " && lsn <= before.lsn", ""],
    ["own-hang-held-against-standbys", "Math.min(GAP_MS, atMs - before.atMs)", "(atMs - before.atMs)"],
  ]),
  ...mutationsOf("src/sync/pick.ts", ["src/sync/pick.test.ts"], [
    ["standing-standby-kept-beside-others", "if (steady.length >= options.nodeCount) return steady;", ""],
    [
      "standing-standby-kept-beside-one-that-moves-again",
      "if (moving.length >= options.nodeCount) return moving;",
      "",
    ],
    ["last-standing-standby-kept", "near.filter(({ stoodMs }) => stoodMs < LAST_STANDSTILL_MS)", "near"],
    [
      "last-standby-dropped-in-strict-mode",
      "prompt.length === 0 && options.strict ? wanted : prompt",
      "prompt",
    ],
    [
      "only-standby-compared-with-itself",
      "Math.max(...positions) : walLsn ?? one.lsn",
      "Math.max(...positions) : one.lsn",
    ],
    [
      "lagging-standby-to-and-fro",
      "maximumLagBytes : maximumLagBytes / 2",
      "maximumLagBytes : maximumLagBytes",
    ],
  ]),
  ...keep("shutdown", [["sick-shutdown-keeps-the-lock", " ||\n    handsOverSick(view)", ""]]),
  ...mutationsOf("src/brain/health/remedy.ts", ["src/brain"], [
    ["ailment-of-a-moment-counts", "nowMs - ailment.sinceMs >= persistsMs(remedy, healthIntervalS)", "true"],
    ["warning-counts", ' || ailment.severity !== "critical"', ""],
    [
      "member-that-has-not-looked-is-better-off",
      "if (ailments === undefined) return false;",
      "if (ailments === undefined) return true;",
    ],
    ["lock-to-and-fro-among-sick-ones", "leadFailure !== undefined && nowMs", "false && nowMs"],
    ["relapse-for-ever", "than.sinceMs < RELAPSE_MS", "than.sinceMs < Infinity"],
    ["shared-cause-forgotten", " || shared.includes(cause)", ""],
    [
      "related-cause-forgotten",
      "ORIGINS.find((causes) => causes.includes(than.cause)) ?? [than.cause]",
      "[than.cause]",
    ],
    [
      "wal-of-a-hung-disk-is-waited-for",
      "checkpoint: false, asCrash: true, afterMs: 0",
      "checkpoint: false, asCrash: false, afterMs: 0",
    ],
    ["doubtful-ailment-hands-over", " || ailment.doubted", ""],
    ["hand-over-before-others-have-looked", "healthIntervalS * 1000 + LOOK_TAKES_MS", "0"],
    ["checkpoint-on-a-read-only-disk", '"read-only": WITHOUT_CHECKPOINT', '"read-only": ORDERLY'],
  ]),
  ...mutationsOf("src/brain/cluster/successor.ts", ["src/brain"], [
    ["sick-successor-chosen", "    sick(a) - sick(b) ||\n", ""],
    ["less-healthy-successor-chosen", "    illness(a.ailments) - illness(b.ailments) ||\n", ""],
    ["wal-lost-for-health", "outside(a) - outside(b) ||", "outside(a) - outside(b) || sick(a) - sick(b) ||"],
  ]),
  ...mutationsOf("src/brain/health/course.ts", ["src/brain"], [
    ["single-look-is-an-ailment", "const BEGINS = 2;", "const BEGINS = 1;"],
    ["single-look-ends-an-ailment", "const ENDS = 3;", "const ENDS = 1;"],
    ["doubtful-ailment-counts", "looks === 0 ? ailment", "looks >= 0 ? ailment"],
    ["single-look-makes-it-critical", 'mildest === "warning" ? mildest : seen', "seen"],
  ]),
  ...mutationsOf("src/brain/health/symptoms.ts", ["src/brain"], [
    ["huge-disks-by-percent-only", "Math.min(totalBytes, limits.diskCapBytes)", "totalBytes"],
    ["shared-device-counted-twice", "ownDevices(places)) found", "places) found"],
    ["reserved-connections-count-as-free", "used >= most - reserved", "used >= most"],
    ["disk-that-writes-wal-hangs", "walMoves && holdsWal", "false"],
    ["wal-of-another-disk-speaks-for-it", "walMoves && holdsWal", "walMoves"],
    ["shortage-to-and-fro", "const RECOVERED = 1.25;", "const RECOVERED = 1;"],
  ]),
];

const inSimulation = [
  ...mutationsOf("src/brain/keep/sick.ts", ["src/sim/held_sick.test.ts"], [
    [
      "sick-holder-keeps-the-lock",
      "if (next === undefined) return null;\n  return decide(",
      "return null;\n  return decide(",
    ],
  ]),
  ...mutationsOf("src/brain/keep/fence.ts", ["src/sim/writes_alone.test.ts"], [
    [
      "promoted-by-others-writes-on-beside-the-holder",
      "if (!isPromotedByOthers(postgres) || dynamic.pause) return null;",
      "return null;",
    ],
    [
      "promoted-by-others-ended-in-pause",
      "(postgres) || dynamic.pause) return null;",
      "(postgres)) return null;",
    ],
  ]),
  ...mutationsOf("src/agent/rest/config_judge.ts", ["src/agent/rest"], [
    ["promoted-without-data", "if (!heard.some(({ directoryUsable }) => directoryUsable))", "if (false)"],
    ["promoted-while-its-leader-is-rewound", "leader === undefined || leader.running", "true"],
  ]),
  ...mutationsOf("src/model/postgres_view.ts", ["src/brain/keep/fence.test.ts"], [
    [
      "promoted-by-others-hangs-in-its-stop",
      'if (process === "stopping") return shutdown?.stage !== "checkpoint"',
      'if (process === "stopping") return false && shutdown?.stage !== "checkpoint"',
    ],
    [
      "promoted-by-others-killed-in-its-checkpoint",
      'shutdown?.stage !== "checkpoint" && shutdown?.stage !== "closed"',
      'shutdown?.stage !== "closed"',
    ],
  ]),
  ...mutationsOf("src/brain/keep/found_unleased.ts", ["src/sim/adoption.test.ts"], [
    ["cut-off-primary-writes-on", "view.joined || view.stopping ||", "true ||"],
  ]),
  ...mutationsOf("src/brain/cluster/successor.ts", ["src/sim/writes_alone.test.ts"], [
    ["promoted-by-others-before-the-former-holder", "  if (isPromotedByOthers(status)) return false;\n", ""],
  ]),
  ...mutationsOf("src/brain/keep/holder_stopped.ts", ["src/sim/held_in_vain.test.ts"], [
    ["held-in-vain", "(last.failures < FAILURES && !startWasEnded(view)) ||", "true ||"],
  ]),
  ...mutationsOf("src/brain/cluster/candidate.ts", ["src/sim/held_in_vain.test.ts"], [
    ["lock-passed-to-and-fro", 'if (sitsOut(status) && formerPrimaries === "never")', "if (false)"],
  ]),
];

const clash = [
  ...mutationsOf("src/brain/sync.ts", ["src/brain/name_clash.test.ts"], [
    ["clashing-name-is-waited-for", " && !others.includes(status.name)", ""],
    ["clashing-name-proves-what-it-has", " && !others.includes(standby)", ""],
  ]),
  ...mutationsOf("src/brain/name_clash.ts", ["src/brain/name_clash.test.ts"], [
    ["name-in-other-letters", "sender.name.toLowerCase() === name.toLowerCase()", "sender.name === name"],
    ["member-clashes-with-itself", "own === 0 && !saysThatItStreams(name, view)", "own === 0"],
    ["slot-taken-unseen", "connectedMs < ageMs + lookMs + BEGINS_MS", "true"],
    ["new-connection-clashes", "ageMs + lookMs + BEGINS_MS", "ageMs"],
    ["left-connection-clashes", "flushedLsn > (receivedLsn ?? Infinity)", "true"],
  ]),
];

const diskEnd = mutationsOf("src/agent/postgres/disk_end.ts", ["src/agent/postgres/memory.test.ts"], [
  ["reading-of-an-earlier-server", "memory.servers !== servers + 1", "false"],
]);

const timelines: readonly Mutation[] = [
  ...mutationsOf("src/postgres/data_mark.ts", ["src/postgres/data_mark.test.ts"], [
    ["put-back-from-a-cold-copy", 'seen.inProduction && clusterState === "shut down"', "false"],
    ["put-back-after-a-crash", ' && clusterState === "shut down"', ""],
    ["put-back-after-a-standbys-shutdown", "seen.inProduction && ", ""],
    ["put-back-as-a-base-backup", "seen.checkpointLsn > 0 && isBackup()", "false"],
    ["put-back-by-an-exclusive-backup", " && !/^BACKUP METHOD: pg_start_backup$/m.test(label)", ""],
    ["put-back-before-the-first-start", "seen.checkpointLsn > 0 && isBackup()", "isBackup()"],
    ["put-back-from-elsewhere", 'known.length === 0 ? null : { kind: "elsewhere" }', "null"],
    ["put-back-after-the-notes-were-lost", "known.length === 0 ? null : ", ""],
    ["put-back-after-another-name", "known.filter((each) => each !== seen)", "[]"],
    ["production-not-noted", "return data.inProduction && !seen.inProduction;", "return false;"],
    [
      "production-forgotten",
      "data.inProduction && !seen.inProduction",
      "data.inProduction !== seen.inProduction",
    ],
  ]),
  ...mutationsOf("src/postgres/replayed_timeline.ts", ["src/postgres/replayed_timeline.test.ts"], [
    ["timeline-begun-counts-as-replayed", "left < known.lsn &&", "left <= known.lsn &&"],
    ["timeline-reached-counts-as-ahead", "end.timeline) ?? 0) > end.lsn", "end.timeline) ?? 0) >= end.lsn"],
    ["timeline-heard-of-counts-as-replayed", "exists(join(walDir", "true || exists(join(walDir"],
  ]),
  ...mutationsOf("src/postgres/history.ts", ["src/agent/postgres/stray_histories.test.ts"], [
    ["timeline-to-come-given-up", "return !other.inRecovery || !mayFollow(other, history);", "return true;"],
  ]),
  ...mutationsOf("src/postgres/history.ts", ["src/postgres/history.test.ts"], [
    ["switch-by-its-own-line-alone", "history.slice(from).map", "history.slice(from, from + 1).map"],
    ["rewound-by-a-false-history", "...(isInOrder ?", "...(true ?"],
  ]),
  ...mutationsOf("src/agent/postgres/stray_histories.ts", ["src/agent/postgres/stray_histories.test.ts"], [
    ["history-of-own-wal-removed", "timeline > end.timeline :", "true :"],
    ["history-of-wal-not-read-removed", "control !== null && this", "true || this"],
    ["history-passed-stays", "this.#begins(timeline, sure.timeline) < sure.lsn", "false"],
    ["history-of-rewound-data-removed", "if (timeline <= control.timeline) return false;", ""],
    [
      "stopped-again-for-a-file-that-stays",
      "if (this.#left.get(timeline) === text && !this.#passed.includes(timeline)) return false;",
      "",
    ],
    ["stopped-again-for-the-archive", "!== text) return true;", "!== null) return true;"],
  ]),
];

const arrived = mutationsOf("src/agent/loop/loop_health.ts", ["src/agent/loop/loop_health.test.ts"], [
  ["waiting-message-counts-as-new", "return nowMs - dueMs > LATE_LOOP_MS ? dueMs : nowMs;", "return nowMs;"],
  ["message-read-off-counts-as-new", "if (nowMs < this.#standstill.readUntilMs)", "if (false)"],
]);

const partOfWal = mutationsOf("src/agent/postgres/server_memory.ts", [
  "src/agent/postgres/memory.test.ts",
], [
  ["part-of-wal-votes", " && end.isPart !== true", ""],
]);

const replayed = mutationsOf("src/brain/replay.ts", ["src/brain/replay.test.ts"], [
  ["replay-forgets-duties", "duties: duties(pair.view) }", "duties: pair.duties }"],
  [
    "replay-by-order-of-keys",
    "exactJson(sorted(before)) === exactJson(sorted(anew))",
    "exactJson(before) === exactJson(anew)",
  ],
  ["replay-of-any-format", "if (format !== FORMAT)", "if (false)"],
]);

const synchronous: readonly Mutation[] = [
  ...mutationsOf("src/brain/sync.ts", ["src/brain"], [
    ["promise-ended-in-a-restart", ' || action?.kind === "restart"', ""],
    ["sync-waits-for-the-last-primary", '  if (status.role !== "replica") return [];\n', ""],
    [
      "promised-by-one-that-does-not-come-up",
      "&& !writable && mayStay) return null;",
      "&& false) return null;",
    ],
    ["promised-by-one-that-lacks-wal", "needsWal(view) : process", "false : process"],
    ["promised-while-it-is-rewound", "isUnsure(view) || needsWal", "needsWal"],
    ["sync-promoted-before-commits-wait", "sync.commitsWait || ", "true || "],
    ["other-data-is-logged", "if (!acknowledges && hasOtherData(view)) return null;", ""],
    ["other-data-ends-what-a-primary-logs", "if (!acknowledges && hasOtherData", "if (hasOtherData"],
    ["other-data-is-promoted", 'if (hasOtherData(view)) return "its data', 'if (false) return "its data'],
  ]),
  ...mutationsOf("src/brain/cluster/operator_needed.ts", ["src/brain"], [
    ["sync-former-primary-votes", "!primaryDirectory && isVoter", "isVoter"],
    ["unfounded-while-a-primary-may-run", " || mayRun(one)", ""],
  ]),
  ...mutationsOf("src/brain/cluster/sync_grounds.ts", ["src/brain"], [
    ["sync-holder-by-any-name", " && status.name === lock.lastHolder", ""],
  ]),
  ...mutationsOf("src/agent/postgres/reload_seen.ts", ["src/agent/postgres/reload_seen.test.ts"], [
    ["sync-senders-not-waited-for", "return unseen.length === 0;", "return true;"],
    [
      "sync-new-senders-waited-for",
      "unseen === null ? pids : unseen.filter((pid) => pids.includes(pid))",
      "pids",
    ],
    ["startup-counts-at-once", "return moves === 2;", "return moves === 0;"],
  ]),
  ...mutationsOf("src/agent/postgres/memory.ts", ["src/agent/postgres/memory.test.ts"], [
    ["end-of-wal-unknown-for-ever", "if (hasAll && !isWhole(server.floor))", "if (false)"],
  ]),
];

export const BRAIN_MUTATIONS: readonly Mutation[] = [
  ...outcome,
  ...timelines,
  ...arrived,
  ...rules,
  ...foundUnleased,
  ...foundRunning,
  ...founder,
  ...fence,
  ...shutdown,
  ...leave,
  ...busy,
  ...holder,
  ...standby,
  ...others,
  ...cluster,
  ...agent,
  ...bootstrap,
  ...sick,
  ...inSimulation,
  ...clash,
  ...diskEnd,
  ...partOfWal,
  ...replayed,
  ...synchronous,
];
