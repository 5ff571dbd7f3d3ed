/** `agent ctl why`: why a member holds the lock, why none does, or why a member is what it is. */
import { jsonText, parseAnswer, type Reply, WHY, type WhyJson } from "../../src/api/client.ts";
import { plainLine } from "../../src/model/plain_text.ts";
import type { ClusterAccess } from "./access.ts";
import { type Command, type Context, FORMAT, WATCH } from "./command.ts";
import { extraArguments } from "./arguments.ts";
import { CtlError } from "./errors.ts";
import { eventLine } from "./event_lines.ts";
import { splitClusterName } from "./members.ts";
import { watching } from "./watch.ts";
import { orLocalRecords } from "./without_members.ts";
import { yamlText } from "./yaml_text.ts";
import { okJson } from "./answer_json.ts";

const TIMEOUT_MS = 3000;

export const why: Command = {
  usage: "[CLUSTER_NAME] [MEMBER]",
  maxPositionals: 2,
  description:
    "Says in sentences why the leader is the leader, back to the first cause that is known; or, when nobody is, what is\n" +
    "waited for, and which members could not take over and why. With MEMBER: why that one is the leader or not, is no\n" +
    "replica, does not stream, or could not take over.",
  options: [
    { ...FORMAT, choices: ["pretty", "json", "yaml", "yml"], help: "Output format (pretty, json, yaml)" },
    ...WATCH,
  ],
  examples: ["agent ctl why", "agent ctl why node2", "agent ctl why -f json", "agent ctl why -w 1"],
  async run(context) {
    let code = 0;
    await watching(context, async (shown) => {
      code = await orLocalRecords(shown, null, () => show(shown), async ({ state }) => {
        const { localWhy } = await import("./local_answers.ts");
        const name = memberNamed(shown, shown.cluster.scope ?? "");
        showAnswer(shown, localWhy(state, name ?? null));
      });
    });
    return code;
  },
};

/** undefined: it is asked about the lock. Throws UsageError. */
function memberNamed({ arguments: { positionals } }: Context, scope: string): string | undefined {
  const [name, more] = splitClusterName(positionals, { scope }).members;
  if (more !== undefined) throw extraArguments([more]);
  return name;
}

async function show(context: Context): Promise<void> {
  const { cluster: access } = context;
  const cluster = await access.look(null, { showsAge: true });
  const name = memberNamed(context, cluster.scope);
  const known = [...cluster.members, ...cluster.agent?.unreachable ?? []].find((member) =>
    member.name === name
  );
  const answer = name === undefined
    ? await ofLock(access)
    : await ofMember(access, name, known?.api_url ?? null);
  showAnswer(context, answer);
}

function showAnswer({ io, arguments: given }: Context, answer: WhyJson): void {
  const format = given.value("format");
  if (format === "json") return io.out(jsonText(answer));
  if (format === "yaml" || format === "yml") return io.out(yamlText(answer).trimEnd());
  print(io, answer);
}

/** While nobody holds the lock, the raft leader knows what it waits for. */
async function ofLock(access: ClusterAccess): Promise<WhyJson> {
  const any = read(await access.get("/agent/why"));
  const { holder, answered_by: by, raft_leader: leader, raft_leader_api_url: apiUrl } = any;
  if (holder !== null || leader === by || apiUrl === null) return any;
  return await askOne(access, apiUrl, "/agent/why") ?? any;
}

/** The member itself knows most of itself; the others know what they heard of it. */
async function ofMember(access: ClusterAccess, name: string, apiUrl: string | null): Promise<WhyJson> {
  const path = `/agent/why?member=${encodeURIComponent(name)}`;
  const own = apiUrl === null ? null : await askOne(access, apiUrl, path);
  return own?.fresh === true ? own : read(await access.get(path));
}

async function askOne(access: ClusterAccess, apiUrl: string, path: string): Promise<WhyJson | null> {
  const reply: Reply = await access.ofMember({ api_url: apiUrl }, "GET", path, { timeoutMs: TIMEOUT_MS });
  if (!reply.ok || reply.status !== 200) return null;
  const parsed = parseAnswer(reply.text, WHY);
  return parsed.ok ? parsed.value : null;
}

function read(reply: Reply & { readonly ok: true }): WhyJson {
  if (reply.status === 404) throw new CtlError(reply.text);
  if (reply.status === 503 && reply.text.startsWith("{")) {
    throw new CtlError("the member that answers is of a version that does not say why");
  }
  return okJson(reply, WHY);
}

function print(io: Context["io"], { member, answer, unfit, chain, fresh, answered_by: by }: WhyJson): void {
  for (const line of answer) io.out(plainLine(line));
  if (member === null && unfit.length > 0) {
    io.out("");
    io.out("Members that could not take over:");
    for (const { member: name, why: reason } of unfit) io.out(plainLine(`  ${name}: ${reason}`));
  }
  if (chain.length > 0) {
    io.out("");
    io.out(chain[0]!.earlier_gone === true ? "How it came (earlier events are gone):" : "How it came:");
    for (const event of chain) io.out(`  ${eventLine(event)}`);
  }
  // Made of the log of this host: what it is, is told beside it.
  if (fresh || by === "") return;
  io.out("");
  io.out(`Stale: ${by} has no contact with a majority, and tells what it knew before.`);
}
