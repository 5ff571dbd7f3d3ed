/**
 * `agent ctl version`: the version of the commands, and those of the members. The first line is patronictl's
 * to the letter, as scripts take its last word. `agent version` has the version of this program.
 */
import { STATUS } from "../../src/api/client.ts";
import { PATRONI_VERSION } from "../../src/model/version.ts";
import type { Command } from "./command.ts";
import { CtlError } from "./errors.ts";
import { splitClusterName } from "./members.ts";
import { answerJson } from "./answer_json.ts";

export const version: Command = {
  usage: "[CLUSTER_NAME] [MEMBER_NAMES]...",
  description:
    "Prints the version of Patroni whose commands these are (that of this program: agent version); with the\n" +
    "name of the cluster also those of its members.",
  options: [],
  examples: ["agent ctl version", "agent ctl version demo", "agent ctl version demo node2"],
  async run({ io, arguments: { positionals }, cluster: access }) {
    io.out(`patronictl version ${PATRONI_VERSION}`);
    if (positionals.length === 0) return 0;
    io.out("");
    const cluster = await access.look();
    const { members: names } = splitClusterName(positionals, cluster);
    const stranger = names.find((name) => !cluster.members.some((member) => member.name === name));
    if (stranger !== undefined) throw new CtlError(`${stranger} is not a member of cluster`);
    for (const member of cluster.members) {
      if (names.length > 0 && !names.includes(member.name)) continue;
      const reply = await access.ofMember(member, "GET", "/patroni", { timeoutMs: 3000 });
      io.out(
        `${member.name}: ${reply.ok ? runningVersions(reply.text) : `failed to get version: ${reply.error}`}`,
      );
    }
    return 0;
  },
};

function runningVersions(text: string): string {
  const { patroni, server_version: server } = answerJson(text, STATUS);
  return `Patroni ${patroni.version}${server === undefined ? "" : ` PostgreSQL ${serverVersion(server)}`}`;
}

function serverVersion(number: number): string {
  const major = Math.floor(number / 10000);
  if (major >= 10) return `${major}.${number % 10000}`;
  return `${major}.${Math.floor(number / 100) % 100}.${number % 100}`;
}
