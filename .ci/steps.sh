# The steps of a check: run, counted, and told about in the end. Read by .ci/run; `report` prints the last lines.
out=$(mktemp -d)
declare -A limits pids
trap 'kill "${pids[@]}" 2>/dev/null; rm -rf "$out"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
passed=0 failed=0 skipped=0
failed_steps=() failed_logs=() besides=()
here=$(dirname "${BASH_SOURCE[0]}")

# Adds the closing lines that `bun test` prints (" 12 pass", " 0 fail", " 1 skip") in a log. False when there are none.
count() {
  local pass fail skip
  pass=$(grep -aE '^ [0-9]+ pass$' "$1" | awk '{n += $1} END {print n + 0}')
  fail=$(grep -aE '^ [0-9]+ fail$' "$1" | awk '{n += $1} END {print n + 0}')
  skip=$(grep -aE '^ [0-9]+ (skip|todo)$' "$1" | awk '{n += $1} END {print n + 0}')
  passed=$((passed + pass)) failed=$((failed + fail)) skipped=$((skipped + skip))
  [ "$((pass + fail))" -gt 0 ]
}

# step NAME LIMIT_S COMMAND...: one step, counted as one test unless it runs tests itself.
step() {
  printf '== %s\n' "$1"
  start "$@"
  end "$1"
}

# beside NAME LIMIT_S COMMAND...: a step that runs while the next ones do, on what they leave of the processor; `join` waits for
# all such steps. Linux weighs sessions first (autogroup), then the processes of each: it has a session of its own.
beside() {
  besides+=("$1")
  alone=setsid start "$1" "$2" bash -c '
    echo 19 2>/dev/null >/proc/self/autogroup
    exec nice -n 19 "$@"' bash "${@:3}"
}

join() {
  local name
  for name in "${besides[@]}"; do
    printf '== %s\n' "$name"
    end "$name"
  done
  besides=()
}

log_of() { echo "$out/${1// /_}.log"; }

start() {
  limits[$1]=$2
  ${alone:-} timeout --kill-after=20 "$2" bash -c '
    "${@:2}"
    rc=$?
    echo "$SECONDS" >"$1"
    exit "$rc"' bash "$(log_of "$1").seconds" "${@:3}" >"$(log_of "$1")" 2>&1 &
  pids[$1]=$!
}

# Waits for a step, counts it, and shows what a failed one has printed.
end() {
  local name=$1 log rc=0 before how took limit=${limits[$1]}
  log=$(log_of "$name")
  wait "${pids[$name]}" || rc=$?
  unset "pids[$name]"
  took=$(cat "$log.seconds" 2>/dev/null || echo "$limit")
  before=$failed
  if count "$log"; then
    # A run that broke off may not have counted its own failure.
    [ "$rc" -eq 0 ] || [ "$failed" -gt "$before" ] || failed=$((failed + 1))
  elif [ "$rc" -eq 0 ]; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
  fi
  if [ "$rc" -eq 0 ]; then
    printf '   ok, %d s\n' "$took"
  else
    how="exit $rc"
    if [ "$rc" -eq 124 ] || [ "$rc" -eq 137 ]; then how="stopped after $limit s"; fi
    cat "$log"
    printf '   FAILED (%s), %d s\n' "$how" "$took"
    failed_steps+=("$name ($how)")
    failed_logs+=("$log")
  fi
  return "$rc"
}

# skip NAME WHY: a step that cannot be taken here, counted as one skipped test.
skip() {
  printf '== %s\n   skipped: %s\n' "$1" "$2"
  skipped=$((skipped + 1))
}

# What failed, once more and short, since of a long output only the end may be kept: 60 lines for all steps together. The last
# line: "N passed, N failed", with ", N skipped" when something was. False when something failed.
report() {
  local line i share
  if [ ${#failed_steps[@]} -gt 0 ]; then
    share=$((56 / ${#failed_steps[@]} - 2))
    [ "$share" -ge 5 ] || share=5
    for i in "${!failed_steps[@]}"; do
      printf '\n== failed: %s\n' "${failed_steps[$i]}"
      awk -v max="$share" -f "$here/failures.awk" "${failed_logs[$i]}"
    done
    echo
  fi
  line="$passed passed, $failed failed"
  [ "$skipped" -eq 0 ] || line="$line, $skipped skipped"
  echo "$line"
  [ "$failed" -eq 0 ]
}
