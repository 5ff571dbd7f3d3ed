/** `agent ctl reload`: members read their configuration files again. */
import { type Command, type Context, FORCE, ROLE } from "./command.ts";
import { loopWaitSeconds } from "./loop_wait.ts";
import { selectMembers } from "./members.ts";
import { SHOWS_AGE } from "./members_table.ts";

export const reload: Command = {
  usage: "[CLUSTER_NAME] [MEMBER_NAMES]...",
  description: "Makes the named members, or all, read their configuration files and certificates again.",
  options: [ROLE, FORCE],
  examples: ["agent ctl reload demo node2", "agent ctl reload --force"],
  run,
};

async function run(context: Context): Promise<number> {
  const { io, arguments: given, cluster: access } = context;
  const cluster = await access.look(null, SHOWS_AGE);
  const selection = {
    role: given.value("role") ?? "any",
    force: given.flag("force"),
    action: "reload",
    confirm: true,
  };
  const members = await selectMembers(context, cluster, given.positionals, selection);
  const seconds = await loopWaitSeconds(access);
  let failed = false;
  for (const member of members) {
    const reply = await access.ofMember(member, "POST", "/reload");
    if (reply.ok && reply.status === 200) io.out(`No changes to apply on member ${member.name}`);
    else if (reply.ok && reply.status === 202) {
      io.out(
        `Reload request received for member ${member.name} and will be processed within ${seconds} seconds`,
      );
    } else {
      failed = true;
      const why = reply.ok ? `status code=${reply.status}, (${reply.text})` : reply.error;
      io.out(`Failed: reload for member ${member.name}, ${why}`);
    }
  }
  return failed ? 1 : 0;
}
