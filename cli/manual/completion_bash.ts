/** Completion for bash. */
import {
  argumentsAreFiles,
  type ManualCommand,
  namesOfArguments,
  nodesOf,
  takesFile,
  takesMember,
} from "./manual.ts";

export function completionForBash(manual: ManualCommand): string {
  return `# Completion of agent for bash: source <(agent completion bash)

_agent_commands() {
  case "$1" in
${commandRows(manual)}
  esac
}

_agent_options() {
  case "$1" in
${optionRows(manual)}
  esac
}

# What an option takes: words, @file, @members, or @any; nothing for a flag.
_agent_values() {
  case "$1" in
${valueRows(manual)}
  esac
}

# Which names the arguments may be.
_agent_named() {
  case "$1" in
${namedRows(manual)}
  esac
}

_agent_takes_files() {
  case "$1" in
    ${
    nodesOf(manual).filter(({ command }) => argumentsAreFiles(command)).map(({ path }) => `"${path}"`).join(
      " | ",
    )
  }) return 0 ;;
  esac
  return 1
}
${COMPLETER}`;
}

function commandRows(manual: ManualCommand): string {
  return nodesOf(manual).filter(({ command }) => command.commands.length > 0).map(({ path, command }) =>
    row(`"${path}"`, command.commands.map(({ name }) => name).join(" "))
  ).join("\n");
}

function optionRows(manual: ManualCommand): string {
  return nodesOf(manual).map(({ path, command }) =>
    row(`"${path}"`, command.options.flatMap(({ names }) => names).join(" "))
  ).join("\n");
}

function valueRows(manual: ManualCommand): string {
  return nodesOf(manual).flatMap(({ path, command }) =>
    command.options.filter(({ value }) => value !== null).map((option) =>
      row(
        option.names.map((name) => `"${path} ${name}"`).join(" | "),
        takesFile(option) ? "@file" : takesMember(option) ? "@members" : option.choices.join(" ") || "@any",
      )
    )
  ).join("\n");
}

function namedRows(manual: ManualCommand): string {
  return nodesOf(manual).filter(({ command }) => namesOfArguments(command) !== "").map(({ path, command }) =>
    row(`"${path}"`, namesOfArguments(command))
  ).join("\n");
}

const COMPLETER = `
# Names that the members answer, for the cluster of this line; none where nobody answers.
_agent_names() {
  local line
  read -ra line <<<"\${COMP_LINE:0:COMP_POINT}x"
  "\${line[0]}" __complete "$1" "\${line[@]:1}" 2>/dev/null
}

_agent() {
  local cur=\${COMP_WORDS[COMP_CWORD]} node=agent option= word values i
  [[ \${COMP_WORDS[0]##*/} == patronictl ]] && node="agent ctl"
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=\${COMP_WORDS[i]}
    if [[ $word == "=" ]]; then continue
    elif [[ -n $option ]]; then option=
    elif [[ $word == -* ]]; then [[ -n $(_agent_values "$node $word") ]] && option=$word
    elif [[ " $(_agent_commands "$node") " == *" $word "* ]]; then node="$node $word"
    fi
  done
  [[ $cur == "=" ]] && cur=
  COMPREPLY=()
  if [[ -n $option ]]; then
    values=$(_agent_values "$node $option")
    case "$values" in
      @file) compopt -o default ;;
      @members) mapfile -t COMPREPLY < <(compgen -W "$(_agent_names members)" -- "$cur") ;;
      @any) ;;
      *) mapfile -t COMPREPLY < <(compgen -W "$values" -- "$cur") ;;
    esac
  elif [[ $cur == -* ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$(_agent_options "$node")" -- "$cur")
  else
    mapfile -t COMPREPLY < <(compgen -W "$(_agent_commands "$node")" -- "$cur")
    values=$(_agent_named "$node")
    [[ -n $values ]] && mapfile -t -O "\${#COMPREPLY[@]}" COMPREPLY < <(compgen -W "$(_agent_names "$values")" -- "$cur")
    if _agent_takes_files "$node"; then compopt -o default; fi
  fi
}

complete -F _agent agent patronictl
`;

function row(pattern: string, words: string): string {
  return `    ${pattern}) echo "${words}" ;;`;
}
