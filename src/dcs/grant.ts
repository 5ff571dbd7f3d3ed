/** The grant of the lock: what the records must say for it, and what they say after it. */
import { isSameLife } from "../model/life.ts";
import { type DcsState, knownMember } from "../model/records.ts";
import type { BrokenRules } from "./broken_rules.ts";
import type { Command } from "./command.ts";
import { mayNotSucceed } from "./failsafe_set.ts";
import type { Outcome } from "./outcome.ts";
import { syncAfterGrant, unprovenGrant } from "./sync_record.ts";

export function grantLock(
  state: DcsState,
  command: Extract<Command, { op: "grant" }>,
  index: number,
  broken: BrokenRules,
): Outcome {
  const { lock, failsafe } = state;
  if (lock.holder !== null) return { refuse: `held by ${lock.holder}`, code: "lock-held" };
  if (command.epoch !== lock.epoch + 1) {
    return { refuse: `epoch ${command.epoch} does not follow ${lock.epoch}`, code: "other-epoch" };
  }
  if (mayNotSucceed(state, command.holder) && !broken.has("failsafe-outsider")) {
    return {
      refuse: `${command.holder} is not in the failsafe set of epoch ${failsafe!.epoch}`,
      code: "outside-failsafe-set",
    };
  }
  // While an epoch is held, its life is that of the member on record: setMember keeps it so.
  if (command.life !== undefined && !isSameLife(knownMember(state, command.holder)?.life, command.life)) {
    return { refuse: `another machine is the member ${command.holder} by now`, code: "other-machine" };
  }
  const unproven = unprovenGrant(state, command, broken);
  if (unproven !== null) return { refuse: unproven, code: "sync-unproven" };
  return {
    change: {
      ...syncAfterGrant(state, command, index),
      lock: {
        epoch: command.epoch,
        holder: command.holder,
        reason: command.reason,
        lastHolder: command.holder,
        life: command.life ?? null,
        ended: null,
        cleanStart: command.complete,
        unfenced: false,
      },
    },
  };
}
