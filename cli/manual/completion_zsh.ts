/** Completion for zsh. */
import {
  argumentsAreFiles,
  type ManualCommand,
  type ManualOption,
  namesOfArguments,
  nodesOf,
  takesFile,
  takesMember,
} from "./manual.ts";
import { singleQuoted } from "../shell_word.ts";

export function completionForZsh(manual: ManualCommand): string {
  return `#compdef agent patronictl
# Completion of agent for zsh: agent completion zsh > "\${fpath[1]}/_agent"

# What is at a place of the command line: commands and options, each with its help.
_agent_node() {
  commands=() options=() files= named=
  case "$1" in
${nodeRows(manual)}
  esac
}

# What an option takes: words, @file, @members, or @any; nothing for a flag.
_agent_values() {
  values=()
  case "$1" in
${valueRows(manual)}
  esac
}
${COMPLETER}`;
}

function nodeRows(manual: ManualCommand): string {
  return nodesOf(manual).map(({ path, command }) => {
    const commands = command.commands.map(({ name, summary }) => described(name, summary));
    const options = command.options.flatMap((option) =>
      option.names.map((name) => described(name, option.help))
    );
    const files = argumentsAreFiles(command) ? " files=1" : "";
    const named = namesOfArguments(command);
    const names = named === "" ? "" : ` named=${named}`;
    return `    ${singleQuoted(path)}) commands=(${commands.join(" ")}) options=(${
      options.join(" ")
    })${files}${names} ;;`;
  }).join("\n");
}

function valueRows(manual: ManualCommand): string {
  return nodesOf(manual).flatMap(({ path, command }) =>
    command.options.filter(({ value }) => value !== null).map((option) =>
      `    ${option.names.map((name) => singleQuoted(`${path} ${name}`)).join("|")}) values=(${
        taken(option).map(singleQuoted).join(" ")
      }) ;;`
    )
  ).join("\n");
}

const COMPLETER = `
# Names that the members answer, for the cluster of this line; none where nobody answers.
_agent_names() {
  values=(\${(f)"$(\${(Q)words[1]} __complete "$1" "\${(@Q)words[2,CURRENT]}" 2>/dev/null)"})
}

_agent() {
  local -a commands options values
  local node=agent option= word files named
  integer i
  [[ \${words[1]:t} == patronictl ]] && node="agent ctl"
  _agent_node "$node"
  for ((i = 2; i < CURRENT; i++)); do
    word=\${words[i]}
    if [[ -n $option ]]; then option=
    elif [[ $word == -* ]]; then
      _agent_values "$node $word"
      (( $#values )) && option=$word
    elif (( \${commands[(I)$word:*]} )); then
      node="$node $word"
      _agent_node "$node"
    fi
  done
  # A value may stand behind "=" in the same word.
  if [[ -z $option && \${words[CURRENT]} == --*=* ]]; then
    option=\${words[CURRENT]%%=*}
    compset -P '*='
  fi
  if [[ -n $option ]]; then
    _agent_values "$node $option"
    case "$values[1]" in
      @file) _files ;;
      @members) _agent_names members; compadd -a values ;;
      @any) _message value ;;
      *) compadd -a values ;;
    esac
  elif [[ \${words[CURRENT]} == -* ]]; then
    _describe option options
  else
    (( $#commands )) && _describe command commands
    [[ -n $named ]] && { _agent_names "$named"; compadd -a values; }
    [[ -n $files ]] && _files
  fi
}

# Loaded by compinit it is called; sourced, it registers itself.
if [[ \${funcstack[1]} == _agent ]]; then _agent "$@"; else compdef _agent agent patronictl; fi
`;

function taken(option: ManualOption): readonly string[] {
  if (takesFile(option)) return ["@file"];
  if (takesMember(option)) return ["@members"];
  return option.choices.length > 0 ? option.choices : ["@any"];
}

function described(name: string, help: string): string {
  return singleQuoted(`${name}:${help}`);
}
