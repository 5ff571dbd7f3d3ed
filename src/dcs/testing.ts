/** Commands that more than one test of the records begins with. */
import { life } from "../brain/testing.ts";
import type { MemberFacts } from "../model/records.ts";
import type { CommandBody } from "./commands.ts";

/** A member on the machine of its own name. */
export function factsOf(name: string, change: Partial<MemberFacts> = {}): MemberFacts {
  return {
    name,
    connUrl: "",
    apiUrl: `http://${name}:8008`,
    proxyUrl: null,
    raftAddr: `${name}:2222`,
    life: life(name),
    tags: {},
    version: "",
    ...change,
  };
}

export function join(name: string, change: Partial<MemberFacts> = {}, replace = false): CommandBody {
  return { op: "setMember", facts: factsOf(name, change), incarnation: 1, replace };
}
