/** `agent ctl dsn`: how to connect to a member. */
import type { ClusterJson, ClusterMemberJson } from "../../src/api/client.ts";
import { type Arguments, type Command, ROLE } from "./command.ts";
import { CtlError } from "./errors.ts";
import { membersOfRole, onlyClusterName } from "./members.ts";

export const MEMBER_OPTION = { names: ["member"], short: "m", value: "MEMBER", help: "This member" } as const;

export const dsn: Command = {
  usage: "[CLUSTER_NAME]",
  description: "Prints host and port of the leader, or of the first member with that name or role.",
  options: [ROLE, MEMBER_OPTION],
  examples: ["agent ctl dsn", 'psql "$(agent ctl dsn -r replica) user=app dbname=app"'],
  async run(context) {
    const found = memberToConnect(await context.cluster.look(onlyClusterName(context)), context.arguments);
    if (found === null) throw new CtlError("Can not find a suitable member");
    const { host, port } = found;
    context.io.out(`host=${host} port=${port}`);
    return 0;
  },
};

/** The member that --role or --member means, by default the leader; null: there is none. Throws CtlError. */
export function memberToConnect(
  cluster: ClusterJson,
  given: Arguments,
): (ClusterMemberJson & { host: string; port: number }) | null {
  const [role, name] = [given.value("role"), given.value("member")];
  if (role !== null && name !== null) {
    throw new CtlError("--role and --member are mutually exclusive options");
  }
  const members = membersOfRole(cluster, name === null ? role ?? "leader" : "any");
  const member = members.find((one) => one.host !== undefined && (name === null || one.name === name));
  return member ? { ...member, host: member.host!, port: member.port ?? 5432 } : null;
}
