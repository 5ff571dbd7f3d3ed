/** Builder for tests of a holder's tenancy. */
import { life } from "../../brain/testing.ts";
import { NOTHING_BROKEN } from "../../dcs/broken_rules.ts";
import { Proposer } from "./proposer.ts";
import { Tenancy, type TenancyOptions } from "./tenancy.ts";

type Given = Pick<TenancyOptions, "clock" | "raft" | "guard" | "state" | "paused" | "send">;

/** The tenancy of member a. */
export function tenancyOf(options: Given & Partial<TenancyOptions>): Tenancy {
  const { raft, clock } = options;
  return new Tenancy({
    name: "a",
    life: () => life("a"),
    incarnation: 7,
    proposer: new Proposer("a", raft, () => 0, clock, { info: () => {}, warning: () => {} }),
    inRecovery: () => false,
    tookMs: () => {},
    wake: () => {},
    broken: NOTHING_BROKEN,
    ...options,
  });
}
