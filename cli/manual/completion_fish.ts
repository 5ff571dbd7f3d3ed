/** Completion for fish. */
import {
  argumentsAreFiles,
  type ManualCommand,
  type ManualOption,
  namesOfArguments,
  type Node,
  nodesOf,
  takesFile,
  takesMember,
} from "./manual.ts";

export function completionForFish(manual: ManualCommand): string {
  const nodes = nodesOf(manual);
  const commands = nodes.filter(({ command }) => command.commands.length > 0).map(({ path, command }) =>
    `        case ${quoted(path)}\n            printf '%s\\n' ${
      command.commands.map(({ name }) => quoted(name)).join(" ")
    }`
  );
  const valued = nodes.map(({ path, command }) => {
    const names = command.options.filter(({ value }) => value !== null).flatMap((option) => option.names);
    return `        case ${quoted(path)}\n            printf '%s\\n' ${names.map(quoted).join(" ")}`;
  });
  const lines = nodes.flatMap(nodeLines);
  return `# Completion of agent for fish: agent completion fish > ~/.config/fish/completions/agent.fish

function __agent_commands
    switch "$argv[1]"
${commands.join("\n")}
    end
end

function __agent_valued
    switch "$argv[1]"
${valued.join("\n")}
    end
end

# Whether the words before the cursor lead there.
function __agent_at
    set -l words (commandline -opc)
    set -l node agent
    test (path basename -- $words[1]) = patronictl; and set node 'agent ctl'
    set -l skip 0
    for word in $words[2..]
        if test $skip = 1
            set skip 0
        else if string match -q -- '-*' $word
            contains -- $word (__agent_valued $node); and set skip 1
        else if contains -- $word (__agent_commands $node)
            set node "$node $word"
        end
    end
    test "$node" = "$argv[1]"
end

# Names that the members answer, for the cluster of this line; none where nobody answers.
function __agent_names
    set -l words (commandline -opc)
    type -q $words[1]; or return
    command $words[1] __complete $argv[1] $words[2..] (commandline -ct) 2>/dev/null
end

complete -c agent -f
complete -c patronictl -f
for program in agent patronictl
${lines.join("\n")}
end
`;
}

function nodeLines({ path, command }: Node): readonly string[] {
  return [
    ...command.commands.map(({ name, summary }) =>
      complete(path, `-a ${quoted(name)}${summary === "" ? "" : ` -d ${quoted(summary)}`}`)
    ),
    ...command.options.map((option) => complete(path, optionWords(option))),
    ...(argumentsAreFiles(command) ? [complete(path, "-F")] : []),
    ...(namesOfArguments(command) === ""
      ? []
      : [complete(path, `-a ${quoted(`(__agent_names ${namesOfArguments(command)})`)}`)]),
  ];
}

function optionWords(option: ManualOption): string {
  const names = option.names.map((name) =>
    name.startsWith("--") ? `-l ${quoted(name.slice(2))}` : `-s ${quoted(name.slice(1))}`
  );
  const value = option.value === null
    ? []
    : takesFile(option)
    ? ["-r", "-F"]
    : takesMember(option)
    ? ["-x", "-a", quoted("(__agent_names members)")]
    : option.choices.length > 0
    ? ["-x", "-a", quoted(option.choices.join(" "))]
    : ["-x"];
  return [...names, ...value, "-d", quoted(option.help)].join(" ");
}

function complete(path: string, rest: string): string {
  return `    complete -c $program -n ${quoted(`__agent_at ${quoted(path)}`)} ${rest}`;
}

function quoted(text: string): string {
  return `'${text.replace(/[\\']/g, "\\$&")}'`;
}
